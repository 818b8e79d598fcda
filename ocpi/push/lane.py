"""One partner's lane: reads what it is behind on, tells it, and keeps account of that."""

import asyncio
from collections.abc import Coroutine, Mapping
from functools import partial
from typing import Any

import structlog

from ocpi.context import Context
from ocpi.push.allowance import Allowance
from ocpi.push.breaker import Breaker
from ocpi.push.feed import FeedRow, Stream
from ocpi.push.intake import Intake
from ocpi.push.lanes import PartnerLane, Progress, Receipt
from ocpi.push.ledger import Entry, Ledger
from ocpi.push.outcome import Kind, Outcome
from ocpi.push.pace import Pace, micros
from ocpi.push.parking import Why
from ocpi.push.permits import Permits
from ocpi.push.probing import Probing
from ocpi.push.reading import read_row
from ocpi.push.source import Source
from ocpi.push.teller import NotOurs, Teller, Told
from ocpi.push.watch import Watch

log = structlog.get_logger()


class Lane:
    """Drives one partner's lane from its claim until it is stopped, lost or the database fails."""

    def __init__(
        self,
        context: Context,
        sources: Mapping[str, Source],
        pace: Pace,
        watch: Watch,
        lane: PartnerLane,
    ) -> None:
        self.partner_id = lane.partner_id
        self.epoch = lane.epoch
        self.server = watch.server
        self.changed = False
        """There is something to store."""
        self.stopping = False
        self.dropped = self.crashed = False
        """What it notes is not to be trusted any more; by a mistake, which may happen again."""
        self._database = context.database
        self._pace = pace
        self._watch = watch
        self._teller = Teller(context, sources, pace, watch, lane)
        self._breaker = Breaker.load(pace, lane.breaker, watch.now())
        self._permits = Permits(pace)
        self._allowance = Allowance.load(pace, lane.paused_until, watch.now())
        # Cursors beyond the feed's end come from a database that was restored in part.
        positions = {s: min(lane.cursors.get(s, 0), watch.heads[s]) for s in Stream}
        self._ledger = Ledger(pace, positions, watch.heads)
        self._last_success_at = lane.last_success_at
        self._last_error = lane.last_error
        # A clock that was set back must not make it later than what is in flight can arrive.
        self._again_at = min(lane.again_at or 0, watch.now() + micros(pace.exchange))
        self._receipts: list[Receipt] = []
        self._sent: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._parked_due = False
        heard = partial(context.pulse.heard, lane.partner_id)
        self._probing = Probing(self._teller, self._breaker, watch, pace, self._note, heard)
        self._intake = Intake(
            context.database, self._ledger, self._teller, pace, watch, self.partner_id, self._note
        )
        self._storing = False
        self._error: BaseException | None = None
        self._log = self._probing.log = log.bind(partner_id=lane.partner_id)

    async def run(self) -> None:
        """Drive the lane. Raises what the database raised, once nothing is in flight any more."""
        try:
            name = (await self._teller.read()).target.name
            self._log = self._probing.log = self._log.bind(partner=name)
            await self._intake.load_parked()
            while not self.stopping:
                self._wake.clear()
                now = self._watch.now()
                await self._step(now)
                await self._rest(now)
        except NotOurs:
            self.stop()
        except asyncio.CancelledError:
            for task in self._tasks:
                task.cancel()
            raise
        finally:
            if self._tasks:
                await asyncio.wait(self._tasks)
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Start nothing any more; `run` returns when what is in flight has ended."""
        self.stopping = self._intake.stopping = True
        self._wake.set()

    def drop(self, *, crashed: bool = False) -> None:
        """Stop, and have the lane taken up again from what is stored."""
        self.dropped, self.crashed = True, self.crashed or crashed
        self.stop()

    def look(self, sealed: str, next_at: int | None, alive_at: int, failures: int) -> None:
        """What the worker sees: the partner's token now, when its next parked object is due.

        And the partner's signs of life, see `ocpi.pulse`.
        """
        before = self._breaker.doubtful, self._breaker.next_probe_at
        silent = self._probing.see(max(alive_at, self._last_success_at or 0), failures)
        if (self._breaker.doubtful, self._breaker.next_probe_at) != before:
            # It sleeps, and has another moment to wait for.
            self._wake.set()
        if silent and self._teller.at_hub:
            self._start(self._probing.ask_for_life())
        self._ask_in_doubt()
        now = self._watch.now()
        if next_at is not None and next_at <= now:
            self._parked_due = True
            self._wake.set()
        if self._breaker.open and not self._teller.knows(sealed):
            self._breaker.hurry(now)
            self._wake.set()
        self.hear()

    def hear(self) -> None:
        """The heads have moved: wake, unless nothing is sent anyway."""
        # Of ten thousand partners that are down, none need see each change.
        if not self._breaker.open and any(map(self._intake.behind, Stream)):
            self._wake.set()

    def take(self) -> Progress:
        """What there is to store, once."""
        progress = Progress(
            cursors={stream.value: self._ledger.watermark(stream) for stream in Stream},
            breaker=self._breaker.dump(),
            last_success_at=self._last_success_at,
            last_error=self._last_error,
            notes=self._ledger.take_notes(),
            receipts=self._receipts,
            sent=frozenset(self._sent),
            paused_until=self._allowance.paused_until or None,
        )
        self.changed, self._receipts, self._sent = False, [], set()
        self._storing = True
        self._intake.taken += 1
        return progress

    def stored(self) -> None:
        """What was taken is in the database."""
        self._storing = False

    async def _step(self, now: int) -> None:
        """Start whatever may be started now."""
        self._ask_in_doubt()
        if self._breaker.doubtful:
            return
        if self._breaker.open:
            self._permits.restart()
            waiting = self._probing.busy or self._ledger.busy
            if now >= self._probe_at and not waiting:
                self._start(self._probing.probe())
            return
        self._allowance.per_minute = self._teller.addressee.pushes_per_minute
        if now < self._allowance.next_at():
            return
        if self._parked_due and not self._storing:
            self._parked_due = False
            await self._intake.load_parked(until=now)
        await self._intake.read()
        if self._breaker.trial and self._breaker.reason == "rejecting" and not self._ledger.busy:
            await self._intake.sample()
        while self._may_send(now):
            entry = self._pick(now)
            if entry is None:
                break
            self._allowance.spend(now)
            self._watch.budget.take(self._ledger.busy)
            self._start(self._send(entry))

    @property
    def _probe_at(self) -> int:
        """When to probe: not before what a dead owner had tried has arrived, or never will."""
        return max(self._breaker.next_probe_at, self._again_at)

    def _may_send(self, now: int) -> bool:
        busy = self._ledger.busy
        free = busy < self._permits.count and self._watch.budget.allows(busy)
        may = not (self.stopping or self._breaker.open or self._breaker.doubtful)
        return free and may and now >= self._allowance.next_at()

    def _pick(self, now: int) -> Entry | None:
        """What to send next; a trial that finds nothing to send ends here."""
        breaker = self._breaker
        if breaker.trial:
            entry = self._ledger.pick_for_trial(now, answered=breaker.answered)
            if entry is not None or self._ledger.busy:
                return entry
            if not breaker.answered:
                breaker.wait_on(now)
                self._note()
                return None
            self._count_success(taken=False)
        return self._ledger.pick(now)

    async def _rest(self, now: int) -> None:
        """Wait until there may be something to do, for all that was not yet so at the last step.

        What has become so since, such as the moment of the next request, would else be slept over.
        """
        if self._breaker.open:
            waiting = self._probing.busy or self._ledger.busy
            until = None if waiting else self._probe_at
        elif now < self._allowance.next_at():
            until = self._allowance.next_at()
        else:
            # What is due and still here waits for something in flight, which wakes the lane.
            due = self._ledger.next_due()
            until = due if due is not None and due > now else None
        try:
            wait = None if until is None else max(until - self._watch.now(), 0) / 1e6
            async with asyncio.timeout(wait):
                await self._wake.wait()
        except TimeoutError:
            return

    def _ask_in_doubt(self) -> None:
        if self._breaker.doubtful and not self._probing.busy:
            self._probing.busy = True
            self._start(self._probing.ask_again())

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._guard(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        """Whatever fails in here ends the lane; the worker takes it up again."""
        try:
            await work
        except NotOurs:
            self.stop()
        except Exception as error:  # noqa: BLE001 - it is raised again by `run`.
            self._error = error
            self.stop()
        finally:
            self._wake.set()

    async def _send(self, entry: Entry) -> None:
        try:
            await self._tell(entry)
        finally:
            if entry.busy:
                self._ledger.release(entry)
            self._watch.budget.give(self._ledger.busy)

    async def _tell(self, entry: Entry) -> None:
        """Bring the partner up to date on one object."""
        seen, cuts = entry.seq, self._permits.cuts
        row = await read_row(self._database, entry.key)
        if row is None or not self._concerns(row):
            self._ledger.complete(entry, seen if row is None else row.seq, told=False)
            self._allowance.spend(self._watch.now(), -1)
            self._note()
            return
        patch = not self._teller.addressee.put_only and self._ledger.may_patch(entry, row)
        told = await self._teller.tell(row, patch=patch, doubt=entry.doubt)
        self._allowance.spend(self._watch.now(), told.requests - 1)
        kind = (row.module, patch, row.deleted)
        self._permits.weigh(told.outcome, told.seconds, cuts, kind)
        await self._settle(entry, row, told)

    def _concerns(self, row: FeedRow) -> bool:
        return self._teller.addressee.concerns(row.module, row.owner, row.audience)

    async def _settle(self, entry: Entry, row: FeedRow, told: Told) -> None:
        """Draw the consequences of an outcome."""
        now, outcome = self._watch.now(), told.outcome
        parked = entry.parking is not None
        alike = f"{outcome.http_status}/{outcome.status_code}"
        # A hub answers so for one receiver, and may reach all others.
        absent = row.audience is not None and outcome.status_code in (4001, 4002, 4003)
        if told.sent:
            self._sent.add(entry.key)
        if told.partly:
            self._count_taken(now)  # Whichever of its parties refuses it, the partner does not.
        if outcome.kind is Kind.DELIVERED:
            self._deliver(entry, row, told, now)
        elif outcome.kind is Kind.THROTTLE:
            wait = self._allowance.pause(now, outcome.retry_after)
            self._ledger.release(entry)
            if outcome.doubtful:
                self._ledger.doubt(entry, maybe=True)
            self._log.info("push throttled", key=entry.key, seconds=wait)
        elif outcome.kind in (Kind.AUTH, Kind.GONE) and not self._is_own_fault(entry):
            await self._bar(entry, told, now)
        elif outcome.kind is Kind.PARTNER_FAULT and not absent:
            own = self._breaker.blames
            opened = self._breaker.fail(entry.key, alike, outcome.sentence, now, parked=parked)
            self._fail(entry, row, outcome, Why.TRANSIENT, opened=opened, own=own)
        else:
            reason = self._breaker.reason
            # Without an answer it is our own object that cannot be told.
            own = outcome.http_status is None
            # Alike are refusals by the partner itself.
            same = None if absent else alike
            opened = not own and self._breaker.reject(
                entry.key, same, outcome.sentence, now, parked=parked
            )
            if reason is not None and self._breaker.settled:
                self._resume(reason)
            why = Why.TRANSIENT if absent else Why.REJECTED
            self._fail(entry, row, outcome, why, opened=opened, own=own)
        if outcome.doubtful and not told.sent:
            self._ledger.keep_doubt(entry, outcome.sentence, now)
        self._note()

    def _deliver(self, entry: Entry, row: FeedRow, told: Told, now: int) -> None:
        again_at = self._again_at if told.sent and now < self._again_at else None
        self._ledger.complete(entry, row.seq, told=told.sent and told.exact, again_at=again_at)
        if told.receipt is not None:
            self._receipts.append(told.receipt)
            self._watch.urgent.set()
        if told.sent or told.receipt is not None:
            self._log.debug("pushed", key=entry.key, seq=row.seq)
            self._count_taken(now)

    def _fail(
        self, entry: Entry, row: FeedRow, outcome: Outcome, why: Why, *, opened: bool, own: bool
    ) -> None:
        """Park the object, or keep it where it is as long as the breaker is not closed.

        It is parked then, too, where it may be its `own` fault: with each failure more likely so.
        """
        now = self._watch.now()
        self._last_error = outcome.sentence[:500]
        self._ledger.doubt(entry, maybe=outcome.doubtful)
        if not self._breaker.settled:
            self._ledger.blame(entry, now)
        if self._breaker.settled or own:
            parking = self._ledger.park(entry, row.seq, outcome, why, now)
            said = {"kind": parking.kind.value, "attempts": parking.attempts}
            said |= {"outcome": outcome.kind.value, "error": outcome.sentence}
            self._log.info("push failed", key=entry.key, **said)
            return
        if opened:
            self._probing.log_stop()
        else:
            self._log.info("push failed", key=entry.key, error=outcome.sentence)

    async def _bar(self, entry: Entry, told: Told, now: int) -> None:
        """The partner does not let us in, or nobody is there: no object is to blame for that."""
        changed = told.outcome.kind is Kind.AUTH and await self._teller.token() != told.sealed
        self._ledger.doubt(entry)
        if changed:
            self._ledger.release(entry)
            return  # The next try presents the new credentials.
        self._ledger.blame(entry, now)
        self._last_error = told.outcome.sentence[:500]
        kind, sentence = told.outcome.kind.value, told.outcome.sentence
        if self._breaker.bar(entry.module, kind, sentence, now):
            self._probing.log_stop()

    def _is_own_fault(self, entry: Entry) -> bool:
        """The partner said so to this object, or its module, before, and has taken others since."""
        said = None if entry.parking is None else entry.parking.http_status
        return said in (401, 403, 410) or self._breaker.forbids(entry.module)

    def _count_taken(self, now: int) -> None:
        self._last_success_at = now
        self._allowance.taken()
        self._count_success()

    def _count_success(self, *, taken: bool = True) -> None:
        """The partner does as it should; if the breaker was open, it is closed now."""
        reason = self._breaker.reason
        self._probing.forgive()
        if self._breaker.succeed(taken=taken):
            self._resume(reason)

    def _resume(self, reason: str | None) -> None:
        """The breaker has closed: tell what waited, or have the partner GET it (TR-19)."""
        self._probing.forgive()
        if reason in ("down", "gone") and self._teller.addressee.catches_up:
            self._ledger.pass_over(Stream.STATE, self._watch.heads[Stream.STATE])
        self._ledger.hurry(self._watch.now())
        self._note()
        self._log.info("push resumed", after=reason)

    def _note(self) -> None:
        self.changed = True
        self._watch.noted.set()
