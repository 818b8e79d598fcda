"""One partner's lane: reads what it is behind on, tells it, and keeps account of that."""

import asyncio
from collections.abc import Coroutine, Mapping
from functools import partial
from typing import Any

import structlog

from ocpi.context import Context
from ocpi.push.allowance import Allowance
from ocpi.push.breaker import Breaker
from ocpi.push.entry import Entry
from ocpi.push.feed import FeedRow, Stream
from ocpi.push.intake import Intake
from ocpi.push.lanes import PartnerLane, Progress
from ocpi.push.ledger import Ledger
from ocpi.push.pace import Pace, micros
from ocpi.push.permits import Permits
from ocpi.push.probing import Probing
from ocpi.push.reading import read_row
from ocpi.push.settling import Settling
from ocpi.push.source import Source
from ocpi.push.teller import NotOurs, Teller
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
        # A clock that was set back must not make it later than what is in flight can arrive.
        self._again_at = min(lane.again_at or 0, watch.now() + micros(pace.exchange))
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._parked_due = False
        heard = partial(context.pulse.heard, lane.partner_id)
        self._probing = Probing(self._teller, self._breaker, watch, pace, self._note, heard)
        self._intake = Intake(
            context.database, self._ledger, self._teller, pace, watch, self.partner_id, self._note
        )
        self._settling = Settling(
            lane=lane,
            teller=self._teller,
            ledger=self._ledger,
            breaker=self._breaker,
            probing=self._probing,
            allowance=self._allowance,
            watch=watch,
            again_at=self._again_at,
        )
        self._storing = False
        self._error: BaseException | None = None
        self._probing.log = self._settling.log = log.bind(partner_id=lane.partner_id)

    async def run(self) -> None:
        """Drive the lane. Raises what the database raised, once nothing is in flight any more."""
        try:
            name = (await self._teller.read()).target.name
            self._probing.log = self._settling.log = self._settling.log.bind(partner=name)
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
        silent = self._probing.see(max(alive_at, self._settling.last_success_at or 0), failures)
        if (self._breaker.doubtful, self._breaker.next_probe_at) != before:
            # It sleeps, and has another moment to wait for.
            self._wake.set()
        if silent and self._teller.at_hub:
            self._start(self._probing.ask_for_life())
        self._ask_in_doubt()
        now = self._watch.now()
        if next_at is not None and next_at <= now and self._intake.rested:
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
            last_success_at=self._settling.last_success_at,
            last_error=self._settling.last_error,
            notes=self._ledger.take_notes(),
            receipts=self._settling.receipts,
            sent=frozenset(self._settling.sent),
            paused_until=self._allowance.paused_until or None,
        )
        self.changed, self._settling.receipts, self._settling.sent = False, [], set()
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
            await self._intake.load_due(now)
        await self._intake.read()
        # What the partner asks for pauses at may be all that there is room for in memory, too.
        put_off = self._settling.throttling.doubtful and self._allowance.pauses > 1
        if (self._breaker.refusing or put_off) and not self._ledger.busy:
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
            self._settling.count_success(None)
            self._note()
        if self._settling.throttling.doubtful:
            return None if self._ledger.busy else self._ledger.pick_witness(now)
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
        await self._settling.settle(entry, row, told)
        self._note()

    def _concerns(self, row: FeedRow) -> bool:
        return self._teller.addressee.concerns(row)

    def _note(self) -> None:
        self.changed = True
        self._watch.noted.set()
