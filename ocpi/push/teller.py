"""Telling one object to one partner over the wire, by requests that may be sent and no others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from urllib.parse import urljoin
from uuid import uuid4

from sqlalchemy import bindparam, select
from sqlmodel import col

from ocpi.client import ExchangeFailed
from ocpi.context import Context
from ocpi.database import DATABASE_ERRORS
from ocpi.forgiving import Habit
from ocpi.headers import MessageIDs, Party
from ocpi.messages import go_on_about
from ocpi.ownwords import Server
from ocpi.parties import Partner
from ocpi.push.addressee import SERVED, Addressee, read_addressee
from ocpi.push.feed import FeedRow, SyncObject
from ocpi.push.holding import Holding
from ocpi.push.lanes import PartnerLane, Receipt
from ocpi.push.outcome import Doubt, Kind, Outcome
from ocpi.push.pace import Pace
from ocpi.push.source import Send, Source, Untellable
from ocpi.push.watch import Watch
from ocpi.reply import Reply


class NotOurs(Exception):
    """The lane was taken over, rewound or closed, or the partner is not registered any more."""


@dataclass(frozen=True)
class Told:
    """What came of telling an object: the last outcome, and the proof where there must be one."""

    outcome: Outcome
    sent: bool = True
    """A state of the object went over the wire, other than as a POST."""
    exact: bool = False
    """It was the state at the row's number: the object had not changed when it had been read.

    Where it had, the next change must not be told as a PATCH: its additions would be added twice.
    """
    receipt: Receipt | None = None
    sealed: str | None = None
    """The token that was presented, as stored."""
    seconds: float = 0.0
    """How long the last answer took."""
    requests: int = 0
    """How many went over the wire."""
    partly: bool = False
    """One of the partner's parties has not taken it, and another one has: the partner takes it."""

    @property
    def is_last(self) -> bool:
        """No other of the partner's parties would fare better: it is the partner that fails.

        What it answers in OCPI's words is about the party that was named.
        """
        kind, code = self.outcome.kind, self.outcome.status_code
        unanswered = kind is Kind.PARTNER_FAULT and code is None
        return unanswered or kind in (Kind.THROTTLE, Kind.AUTH, Kind.GONE)


_BADNESS = tuple(Kind)
"""They are declared in this order: from what is well to what concerns all that a partner gets."""
_NOTHING_TO_TELL = Told(Outcome(Kind.DELIVERED, "There is nothing to tell."), sent=False)
_FENCE = (
    select(
        col(PartnerLane.owner),
        col(PartnerLane.epoch),
        Server(),
        col(Partner.token_out),
        select(col(SyncObject.seq))
        .where(col(SyncObject.key) == bindparam("key"))
        .scalar_subquery(),
    )
    .join(Partner, col(Partner.id) == col(PartnerLane.partner_id))
    .where(*SERVED, col(PartnerLane.partner_id) == bindparam("partner_id"))
)
_RECEIPT = select(col(Receipt.request_id)).where(col(Receipt.object_key) == bindparam("key"))


class Teller:
    """One partner's end of the wire, for as long as its lane is ours."""

    def __init__(
        self,
        context: Context,
        sources: Mapping[str, Source],
        pace: Pace,
        watch: Watch,
        lane: PartnerLane,
    ) -> None:
        self._context = context
        self._sources = sources
        self._pace = pace
        self._watch = watch
        self._mine = (watch.id, lane.epoch, watch.server)
        self._partner_id = lane.partner_id
        self._addressee: Addressee | None = None
        self._read_at = 0.0

    async def read(self) -> Addressee:
        """The partner as it is now. Raises ``NotOurs`` when it is not one to tell anything."""
        self._read_at = monotonic()
        self._addressee = await read_addressee(
            self._context, self._partner_id, self._sources.keys()
        )
        if self._addressee is None:
            raise NotOurs
        return self._addressee

    def knows(self, sealed: str) -> bool:
        """Whether this is the token that the partner had when it was last read."""
        return self._addressee is not None and self._addressee.sealed == sealed

    @property
    def at_hub(self) -> bool:
        """Whether it is known to be a partner of the hub."""
        return self._addressee is not None and self._addressee.directory is not None

    @property
    def addressee(self) -> Addressee:
        """The partner as last read."""
        assert self._addressee is not None
        return self._addressee

    async def token(self) -> str:
        """The partner's token as stored now. Raises ``NotOurs`` where nothing may be sent."""
        return (await self._look_up(""))[0]

    async def _look_up(self, key: str) -> tuple[str, int | None]:
        """The token, and an object's newest number. Raises ``NotOurs``."""
        given = {"partner_id": self._partner_id, "key": key}
        rows = await self._context.database.fetch("teller.fence", _FENCE, given)
        if not rows or tuple(rows[0][:3]) != self._mine:
            raise NotOurs
        return rows[0][3], rows[0][4]

    async def _admit(self, key: str) -> tuple[Addressee, int | None]:
        """The partner, if a request may go to it now, and an object's newest number.

        Nothing else is awaited between this and the wire.
        """
        for _ in range(3):
            stale = monotonic() - self._read_at > self._pace.refresh
            addressee = await self.read() if stale else self.addressee
            sealed, seq = await self._look_up(key)
            if sealed == addressee.sealed and self._watch.may_send():
                return addressee, seq
            self._read_at = float("-inf")
        raise NotOurs

    async def tell(self, row: FeedRow, *, patch: bool, doubt: Doubt) -> Told:
        """Tell an object as it is now, by the first of its requests that the partner understands.

        Where several of its parties must hear of it, each is told (RT-30): what one of them
        refuses keeps nothing from the others, and they are told again when that is tried again.
        Raises ``NotOurs``, what the database raises, and MemoryError.
        """
        holding = Holding(self._context.database, self._partner_id, self.addressee.sight)
        try:
            lost = self.addressee.loses(row.module, row.owner)
            seen = not lost and await holding.sees(self._sources[row.module], row)
            sends = await holding.sends(self._sources[row.module], row, seen=seen, patch=patch)
        except (*DATABASE_ERRORS, MemoryError):
            # That passes, and is no fault of the object's.
            raise
        except Untellable as error:
            return Told(Outcome(Kind.OBJECT_FAULT, str(error)), sent=False)
        except Exception as error:  # noqa: BLE001 - one bad object must not stop all others.
            return Told(Outcome(Kind.OBJECT_FAULT, f"It cannot be told: {error!r}"), sent=False)
        with self._context.tracing.pushing(self.addressee.target.name, row.module):
            told = await self._tell_all(sends, row, doubt)
        unknown, code = told.outcome.kind is Kind.UNKNOWN_OBJECT, told.outcome.status_code
        if not seen and unknown and code is not None:
            # What a partner does not know, and says so in OCPI's words, need not be taken back.
            told = replace(told, outcome=replace(told.outcome, kind=Kind.DELIVERED))
        if told.requests and told.outcome.kind is Kind.DELIVERED:
            await holding.settle(row, seen=seen)
        return told

    async def _tell_all(self, sends: Sequence[Send], row: FeedRow, doubt: Doubt) -> Told:
        told = []
        for to in self.addressee.recipients(row):
            told.append(await self._try_each(sends, row, to, doubt))
            if told[-1].is_last:
                break
        return _worst(told)

    async def _try_each(
        self, sends: Sequence[Send], row: FeedRow, to: Party | None, doubt: Doubt
    ) -> Told:
        told = _NOTHING_TO_TELL
        for send in sends:
            if send.method == "POST" and await self._has_receipt(row.key):
                return _NOTHING_TO_TELL
            last = await self._exchange(send, row, to, doubt)
            told = replace(last, requests=told.requests + last.requests)
            # A PATCH that is refused, for whatever reason, may succeed as a PUT (IP-40).
            refused = send.method == "PATCH" and told.outcome.kind is Kind.OBJECT_FAULT
            if told.outcome.kind is not Kind.UNKNOWN_OBJECT and not refused:
                break
        return told

    async def _has_receipt(self, key: str) -> bool:
        return bool(await self._context.database.fetch("teller.receipt", _RECEIPT, {"key": key}))

    async def _exchange(self, send: Send, row: FeedRow, to: Party | None, doubt: Doubt) -> Told:
        addressee, newest = await self._admit(row.key)
        if to not in addressee.recipients(row):
            return _NOTHING_TO_TELL
        if to is not None and to.key in addressee.away:
            # It is parked like what is refused, and told once the party is back.
            why = f"{to} is {addressee.away[to.key]}, as {addressee.target.name} tells."
            return Told(Outcome(Kind.OBJECT_FAULT, why), sent=False)
        url = addressee.url(row.module, send.path)
        headers = addressee.headers(row.owner, row.audience, to)
        answer = await self._request(
            addressee, send.method, url, send.body, headers, row.correlation_id
        )
        outcome = addressee.judge(send.method, answer, doubt)
        receipt = None
        if send.method == "POST" and outcome.kind is Kind.DELIVERED and isinstance(answer, Reply):
            receipt = self._receipt(row.key, url, answer)
            if receipt.url is None:
                self._context.forgiving.note(addressee.target.name, Habit.NO_LOCATION, "")
        return Told(
            outcome,
            sent=send.method != "POST",
            exact=newest == row.seq,
            receipt=receipt,
            sealed=addressee.sealed,
            seconds=answer.elapsed if isinstance(answer, Reply) else 0.0,
            requests=1,
        )

    async def _request(
        self,
        addressee: Addressee,
        method: str,
        url: str,
        body: str | None = None,
        headers: Mapping[str, str] = {},
        correlation_id: str | None = None,
    ) -> Reply | ExchangeFailed:
        # So that what a change led to is found, what has no id of its own gets one here.
        correlation_id = correlation_id or str(uuid4())
        answer = await self._send(addressee, method, url, body, headers, correlation_id)
        # What is logged of it from here on bears its ids: each object has a task of its own.
        go_on_about(MessageIDs(answer.request_id, correlation_id))
        return answer

    async def _send(
        self,
        addressee: Addressee,
        method: str,
        url: str,
        body: str | None,
        headers: Mapping[str, str],
        correlation_id: str,
    ) -> Reply | ExchangeFailed:
        try:
            return await self._context.client.request(
                addressee.target,
                method,
                url,
                body=body,
                headers=headers,
                correlation_id=correlation_id,
                timeout=self._pace.exchange,
            )
        except ExchangeFailed as failure:
            return failure
        except Exception as error:  # noqa: BLE001 - no answer may end more than its exchange.
            return ExchangeFailed("protocol", f"{addressee.target.name}: {error!r}")

    def _receipt(self, key: str, url: str, reply: Reply) -> Receipt:
        return Receipt(
            partner=self.addressee.target.name,
            object_key=key,
            accepted_at=self._watch.now(),
            http_status=reply.http_status,
            url=_place(url, reply.headers.get("location")),
            request_id=reply.request_id,
        )

    async def probe(self) -> Outcome | None:
        """Ask for the partner's versions, which changes nothing there. Returns how that failed."""
        addressee, _ = await self._admit("")
        if addressee.versions_url is None:
            return None
        answer = await self._request(addressee, "GET", addressee.versions_url)
        outcome = addressee.judge("GET", answer)
        return None if outcome.kind is Kind.DELIVERED else outcome


def _worst(told: Sequence[Told]) -> Told:
    """What came of telling an object to several parties: as the one that fares worst."""
    worst = max(told, key=lambda each: _BADNESS.index(each.outcome.kind), default=_NOTHING_TO_TELL)
    taken = any(each.requests and each.outcome.kind is Kind.DELIVERED for each in told)
    return replace(
        worst,
        sent=any(each.sent for each in told),
        exact=all(each.exact for each in told if each.sent),
        requests=sum(each.requests for each in told),
        partly=taken and worst.outcome.kind is not Kind.DELIVERED,
    )


def _place(url: str, location: str | None) -> str | None:
    """Where the partner says that its copy is; None: it does not, or so that nobody can read it."""
    try:
        return None if location is None else urljoin(url, location)
    except ValueError:
        return None
