"""What follows from what a partner answers: in its ledger, its breaker and its pauses."""

from typing import Any

import structlog

from ocpi.push.allowance import Allowance
from ocpi.push.breaker import Breaker
from ocpi.push.entry import Entry
from ocpi.push.feed import FeedRow, Stream
from ocpi.push.lanes import PartnerLane, Receipt
from ocpi.push.ledger import Ledger
from ocpi.push.outcome import Kind
from ocpi.push.parking import Why
from ocpi.push.probing import Probing
from ocpi.push.teller import Teller, Told
from ocpi.push.throttling import Throttling
from ocpi.push.watch import Watch

_TWICE = 2


def _is_unknown(entry: Entry, row: FeedRow, told: Told) -> bool:
    """Whether a partner has answered a DELETE by a bare 404 time and again, minutes apart.

    So does a gateway while it has nobody behind it, and so does who has never had the object.
    """
    parking = entry.parking
    often = parking is not None and parking.http_status == 404 and parking.attempts >= _TWICE
    return row.deleted and often and told.outcome.http_status == 404


class Settling:
    """Settles what a lane has told, and keeps what there is to store of it until it is taken."""

    def __init__(
        self,
        *,
        lane: PartnerLane,
        teller: Teller,
        ledger: Ledger,
        breaker: Breaker,
        probing: Probing,
        allowance: Allowance,
        watch: Watch,
        again_at: int,
    ) -> None:
        self.last_success_at = lane.last_success_at
        self.last_error = lane.last_error
        self.receipts: list[Receipt] = []
        self.sent: set[str] = set()
        self.log: Any = structlog.get_logger()
        self._teller = teller
        self._ledger = ledger
        self._breaker = breaker
        self._probing = probing
        self._allowance = allowance
        self.throttling = Throttling(breaker.pace)
        self._watch = watch
        self._again_at = again_at

    async def settle(self, entry: Entry, row: FeedRow, told: Told) -> None:
        """Draw the consequences of an outcome."""
        now, outcome = self._watch.now(), told.outcome
        if told.sent:
            self.sent.add(entry.key)
        if told.partly:
            # Whichever of its parties refuses it, the partner does not.
            self._count_taken(entry, now)
        if told.requests and outcome.kind is not Kind.THROTTLE:
            self.throttling.answered()
        if outcome.kind is Kind.DELIVERED or _is_unknown(entry, row, told):
            self._deliver(entry, row, told, now)
        elif outcome.kind is Kind.THROTTLE:
            self._throttle(entry, row, told, now)
        elif outcome.kind in (Kind.AUTH, Kind.GONE) and not self._is_own_fault(entry):
            await self._bar(entry, told, now)
        else:
            self._object(entry, row, told, now)
        if outcome.doubtful and not told.sent:
            self._ledger.keep_doubt(entry, outcome.sentence, now)

    def _deliver(self, entry: Entry, row: FeedRow, told: Told, now: int) -> None:
        again_at = self._again_at if told.sent and now < self._again_at else None
        # A receipt may be stored only after the feed has come to what a trial took out of its turn.
        held = told.receipt is not None or (told.sent and told.exact)
        self._ledger.complete(entry, row.seq, told=held, again_at=again_at)
        if told.receipt is not None:
            self.receipts.append(told.receipt)
            self._watch.urgent.set()
        if told.sent or told.receipt is not None:
            self.log.debug("pushed", key=entry.key, seq=row.seq)
            self._count_taken(entry, now)

    def _throttle(self, entry: Entry, row: FeedRow, told: Told, now: int) -> None:
        """It wants a pause; or this object later, and then nothing else waits for that."""
        outcome = told.outcome
        self.last_error = outcome.sentence[:500]
        # Without an answer it is this process that needs one.
        own = outcome.http_status is not None and self.throttling.is_own(entry)
        if not own or self.throttling.is_crowd:
            wait = self._allowance.pause(now, outcome.retry_after)
            self.log.info("push throttled", key=entry.key, seconds=wait)
        if own:
            self._fail(entry, row, told, Why.TRANSIENT, opened=False, own=True)
            return
        self._ledger.put_off(entry, now)
        if outcome.doubtful:
            self._ledger.doubt(entry, maybe=True)

    def _object(self, entry: Entry, row: FeedRow, told: Told, now: int) -> None:
        """The partner failed on the object, or refuses it."""
        outcome, parked = told.outcome, entry.parking is not None
        absent = row.audience is not None and outcome.of_receiver
        # Alike are refusals by the partner itself; that there is nothing to DELETE is none.
        nothing = row.deleted and outcome.http_status == 404
        alike = None if absent or nothing else f"{outcome.http_status}/{outcome.status_code}"
        if outcome.kind is Kind.PARTNER_FAULT and not absent:
            own = self._breaker.blames
            opened = self._breaker.fail(entry.key, alike, outcome.sentence, now, parked=parked)
            self._fail(entry, row, told, Why.TRANSIENT, opened=opened, own=own)
            return
        reason = self._breaker.reason
        # Without an answer it is our own object that cannot be told.
        own = outcome.http_status is None
        opened = not own and self._breaker.reject(
            entry.key, alike, outcome.sentence, now, parked=parked
        )
        if reason is not None and self._breaker.settled:
            self._resume(reason)
        # What is barred may be so by a token that will be another one.
        barred = outcome.kind in (Kind.AUTH, Kind.GONE)
        passes = absent or (barred and self._breaker.is_unproven(entry.key))
        why = Why.TRANSIENT if passes else Why.REJECTED
        self._fail(entry, row, told, why, opened=opened, own=own)

    def _fail(
        self, entry: Entry, row: FeedRow, told: Told, why: Why, *, opened: bool, own: bool
    ) -> None:
        """Park the object, or keep it where it is as long as the breaker is not closed.

        It is parked then, too, where it may be its `own` fault: with each failure more likely so.
        """
        now, outcome = self._watch.now(), told.outcome
        self.last_error = outcome.sentence[:500]
        self._ledger.doubt(entry, maybe=outcome.doubtful)
        if not self._breaker.settled:
            self._ledger.blame(entry, now)
        if self._breaker.settled or own:
            parking = self._ledger.park(entry, row.seq, outcome, why, now)
            said = {"kind": parking.kind.value, "attempts": parking.attempts}
            said |= {"outcome": outcome.kind.value, "error": outcome.sentence}
            self.log.info("push failed", key=entry.key, **said)
            return
        if opened:
            self._probing.log_stop()
        else:
            self.log.info("push failed", key=entry.key, error=outcome.sentence)

    async def _bar(self, entry: Entry, told: Told, now: int) -> None:
        """The partner does not let us in, or nobody is there: no object is to blame for that."""
        changed = told.outcome.kind is Kind.AUTH and await self._teller.token() != told.sealed
        self._ledger.doubt(entry)
        if changed:
            self._ledger.release(entry)
            return  # The next try presents the new credentials.
        self._ledger.blame(entry, now)
        self.last_error = told.outcome.sentence[:500]
        kind, sentence = told.outcome.kind.value, told.outcome.sentence
        if self._breaker.bar(kind, sentence, now):
            self._probing.log_stop()

    def _is_own_fault(self, entry: Entry) -> bool:
        """The partner says so to this object, or its module, and not to others."""
        said = None if entry.parking is None else entry.parking.http_status
        return self._breaker.forbids(entry.key, before=said in (401, 403, 410))

    def _count_taken(self, entry: Entry, now: int) -> None:
        self.last_success_at = now
        self._allowance.taken()
        self.throttling.took(entry)
        self.count_success(entry.key)

    def count_success(self, taken: str | None) -> None:
        """The partner does as it should; if the breaker was open, it is closed now."""
        reason = self._breaker.reason
        self._probing.forgive()
        if self._breaker.succeed(taken):
            self._resume(reason)

    def _resume(self, reason: str | None) -> None:
        """The breaker has closed: tell what waited, or have the partner GET it (TR-19)."""
        self._probing.forgive()
        if reason in ("down", "gone") and self._teller.addressee.catches_up:
            self._ledger.pass_over(Stream.STATE, self._watch.heads[Stream.STATE])
        self._ledger.hurry(self._watch.now())
        self.log.info("push resumed", after=reason)
