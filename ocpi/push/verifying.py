"""Whether a partner holds what it was told, asked by GETs on its receivers.

No connection to the database is held while the partner is awaited.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import or_
from sqlmodel import col, select

from ocpi.client import ExchangeFailed
from ocpi.context import Context
from ocpi.database import Database
from ocpi.errors import InvalidParameters, UnknownObject
from ocpi.headers import Party
from ocpi.push.addressee import Addressee, read_addressee
from ocpi.push.comparing import differences
from ocpi.push.feed import SyncObject
from ocpi.push.holding import Holding
from ocpi.push.lanes import ParkedObject, PartnerLane, park_late
from ocpi.push.operating import partner_id_of
from ocpi.push.outcome import Kind, Outcome
from ocpi.push.source import Source, Untellable
from ocpi.reply import Reply
from ocpi.spec.document import decode

# What receivers can be asked for, and ought to hold; of CDRs there are receipts.
MODULES = ("locations", "sessions", "tariffs", "tokens")
SHOWN = 1000
_RUNNING = ("ACTIVE", "PENDING", "RESERVATION")
_PAGE = 500
_LARGEST = 4 * 1024 * 1024
_PAUSE = 10.0
_LONGEST_PAUSE = 60.0
_FAILURES = 5
"""Failures in a row after which the partner is asked no more."""


class Verdict(StrEnum):
    """What came of comparing an object."""

    EQUAL = "equal"
    DIFFERENT = "different"
    MISSING = "missing"
    BEHIND = "behind"  # It differs, and the push knows that the partner has still to hear of it.
    INCOMPARABLE = "incomparable"  # The partner does not answer such questions, or not properly.


@dataclass(frozen=True)
class Finding:
    """What came of comparing one object, with a sentence where it is not equal."""

    object: str
    verdict: Verdict
    why: str = ""
    failed: bool = False
    """The partner failed, so that others need not be asked for."""


@dataclass
class Verification:
    """What comparing a partner's objects came to."""

    counts: Counter[Verdict] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    """Those that are not equal, the first 1000."""
    repaired: int = 0
    """How many objects are told again."""
    after: str | None = None
    """The last object compared, where there may be more."""
    stopped: str | None = None
    """Why it came to an early end."""

    @property
    def is_clean(self) -> bool:
        """All that was to be compared was, and is as it should, or will be."""
        fine = self.counts[Verdict.EQUAL] + self.counts[Verdict.BEHIND]
        return self.stopped is None and fine == self.counts.total()


def verification_view(done: Verification) -> dict[str, Any]:
    """What it came to, as it is shown."""
    return {
        "counts": {verdict.value: done.counts[verdict] for verdict in Verdict},
        "findings": [
            {"object": each.object, "verdict": each.verdict.value, "why": each.why}
            for each in done.findings
        ],
        "repaired": done.repaired,
        "after": done.after,
        "stopped": done.stopped,
    }


@dataclass(frozen=True)
class Wanted:
    """Which of a partner's objects are compared, and what is done about it."""

    module: str | None = None
    after: str = ""
    limit: int | None = None
    rate: float = 10.0
    """Most requests a second."""
    repair: bool = False
    """Tell it again what differs or is missing."""


async def verify(
    context: Context,
    sources: Mapping[str, Source],
    name: str,
    wanted: Wanted,
    progress: Callable[[int], None] = lambda _count: None,
) -> Verification:
    """Compare what a partner holds with what it should hold, in the order of the feed's keys."""
    if wanted.module is not None and wanted.module not in MODULES:
        raise InvalidParameters(f"module: can be {', '.join(MODULES)}")
    async with context.database.read() as db:
        partner_id = await partner_id_of(db, name)
    modules = MODULES if wanted.module is None else (wanted.module,)
    addressee = await read_addressee(context, partner_id, modules)
    if addressee is None:
        raise UnknownObject(f"{name} is not registered, or suspended: there is nothing to compare.")
    done = Verification()
    findings = _Comparison(context, sources, addressee, wanted.rate).findings(wanted.after)
    async with aclosing(findings):
        await _collect(context.database, findings, done, partner_id, wanted, progress)
    return done


async def _collect(
    database: Database,
    findings: AsyncGenerator[Finding, None],
    done: Verification,
    partner_id: int,
    wanted: Wanted,
    progress: Callable[[int], None],
) -> None:
    """Take findings up to the limit, or until the partner fails again and again."""
    row = 0
    async for finding in findings:
        row = row + 1 if finding.failed else 0
        done.counts[finding.verdict] += 1
        if finding.verdict is not Verdict.EQUAL and len(done.findings) < SHOWN:
            done.findings.append(finding)
        if wanted.repair and finding.verdict in (Verdict.DIFFERENT, Verdict.MISSING):
            await _tell_again(database, partner_id, finding.object)
            done.repaired += 1
        progress(done.counts.total())
        if row == _FAILURES:
            done.stopped = finding.why
        if row == _FAILURES or done.counts.total() == wanted.limit:
            done.after = finding.object
            return


async def _tell_again(database: Database, partner_id: int, key: str) -> None:
    """As if an old state had arrived late: the present one is sent, whole."""
    async with database.write() as db:
        await park_late(db, partner_id, [key])
        db.info["stamped"] = True


class _Comparison:
    """One pass over a partner's objects."""

    def __init__(
        self, context: Context, sources: Mapping[str, Source], addressee: Addressee, rate: float
    ) -> None:
        self._context = context
        self._sources = sources
        self._addressee = addressee
        self._holding = Holding(context.database, addressee.partner_id, addressee.sight)
        self._pause = 1 / rate

    async def findings(self, after: str) -> AsyncGenerator[Finding, None]:
        """Compare each whole object that the partner should hold."""
        while page := await self._page(after):
            for row in page:
                recipients = self._addressee.recipients(row)
                try:
                    ours = await self._ours(row) if recipients and await self._sees(row) else None
                except Untellable as error:
                    yield Finding(row.key, Verdict.INCOMPARABLE, str(error))
                    continue
                if ours is not None:
                    yield await self._compare(row, *ours, recipients)
            after = page[-1].key

    async def _page(self, after: str) -> Sequence[SyncObject]:
        async with self._context.database.read() as db:
            found = await db.exec(
                select(SyncObject)
                .where(
                    col(SyncObject.key) > after,
                    col(SyncObject.key).not_like("%/%/%"),
                    col(SyncObject.module).in_(list(self._addressee.endpoints)),
                    col(SyncObject.deleted).is_(False),
                )
                .order_by(col(SyncObject.key))
                .limit(_PAGE)
            )
            return found.all()

    async def _sees(self, row: SyncObject) -> bool:
        return await self._holding.sees(self._sources[row.module], row)

    async def _ours(self, row: SyncObject) -> tuple[str, Any] | None:
        """Where the partner has its copy, and what it should say; None: it need not have one."""
        sends = await self._holding.tells(self._sources[row.module], row, patch=False)
        if not sends or sends[-1].body is None:
            return None
        document = decode(sends[-1].body)
        if row.module == "sessions" and document["status"] not in _RUNNING:
            return None
        return sends[-1].path, document

    async def _compare(
        self, row: SyncObject, path: str, ours: Any, recipients: Sequence[Party | None]
    ) -> Finding:
        """Each of its parties that hears of an object is asked, up to one that is not right."""
        finding = Finding(row.key, Verdict.EQUAL)
        for to in recipients:
            finding = await self._ask(row, path, ours, to)
            if finding.verdict is not Verdict.EQUAL:
                break
        drift = finding.verdict in (Verdict.DIFFERENT, Verdict.MISSING)
        if drift and await self._is_behind(row):
            return Finding(row.key, Verdict.BEHIND, "It has still to hear of a change.")
        return finding

    async def _ask(self, row: SyncObject, path: str, ours: Any, to: Party | None) -> Finding:
        await asyncio.sleep(self._pause)
        target = self._addressee.target
        url = self._addressee.url(row.module, path)
        headers = self._addressee.headers(row.owner, row.audience, to)
        try:
            answer = await self._context.client.request(
                target, "GET", url, headers=headers, limit=_LARGEST
            )
        except ExchangeFailed as failure:
            return Finding(row.key, Verdict.INCOMPARABLE, failure.sentence, failed=True)
        outcome = self._addressee.judge("GET", answer)
        if outcome.kind is Kind.THROTTLE:
            await asyncio.sleep(min(outcome.retry_after or _PAUSE, _LONGEST_PAUSE))
        return _found(row.key, ours, answer, outcome)

    async def _is_behind(self, row: SyncObject) -> bool:
        """The push knows that the object, or a part of it, is still to be told."""
        partner_id = self._addressee.partner_id
        async with self._context.database.read() as db:
            lane = await db.get(PartnerLane, partner_id)
            told = 0 if lane is None else lane.cursors.get(row.stream, 0)
            parked = select(col(ParkedObject.object_key)).where(
                col(ParkedObject.partner_id) == partner_id
            )
            waiting = await db.exec(
                select(col(SyncObject.key))
                .where(
                    col(SyncObject.order_key) == row.order_key,
                    col(SyncObject.module) == row.module,
                    or_(
                        col(SyncObject.seq) > told,
                        col(SyncObject.key).in_(parked),
                        # It has changed while it was compared.
                        (col(SyncObject.key) == row.key) & (col(SyncObject.seq) != row.seq),
                    ),
                )
                .limit(1)
            )
            return waiting.first() is not None


def _found(key: str, ours: Any, answer: Reply, outcome: Outcome) -> Finding:
    """What an answer says of an object."""
    if outcome.kind is Kind.DELIVERED and answer.data is not None:
        fields = differences(ours, answer.data)
        if not fields:
            return Finding(key, Verdict.EQUAL)
        return Finding(key, Verdict.DIFFERENT, f"It differs in {', '.join(fields)}.")
    # Without an envelope it is the address that is unknown there, not the object.
    if outcome.kind is Kind.UNKNOWN_OBJECT and answer.status_code is not None:
        return Finding(key, Verdict.MISSING, outcome.sentence)
    answered = outcome.kind in (Kind.DELIVERED, Kind.OBJECT_FAULT, Kind.UNKNOWN_OBJECT)
    failed = not (answered or outcome.of_receiver)
    return Finding(key, Verdict.INCOMPARABLE, outcome.sentence, failed=failed)
