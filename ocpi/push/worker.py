"""The push worker: takes lanes, drives them, stores what came of it, hands them back."""

import asyncio
import traceback
from collections.abc import Mapping
from contextlib import suppress

import structlog
from sqlalchemy import (
    ColumnElement,
    and_,
    delete,
    literal_column,
    or_,
    update,
)
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.context import Context
from ocpi.database import CLOCK, DATABASE_ERRORS, clock
from ocpi.ownwords import Server
from ocpi.parties import Partner
from ocpi.push.addressee import told_partners
from ocpi.push.feed import FeedHead, Stream
from ocpi.push.lane import Lane
from ocpi.push.lanes import (
    SLICE,
    PartnerLane,
    WorkerBeat,
    counts_query,
    lanes_query,
    lock_lanes,
)
from ocpi.push.marks import mark_feed
from ocpi.push.orphans import see_to_orphans
from ocpi.push.pace import Pace, boottime, micros
from ocpi.push.process import is_dead, own_process
from ocpi.push.source import Source
from ocpi.push.storing import Storing
from ocpi.push.watch import Watch

log = structlog.get_logger()


class Worker:
    """One process' part in the push. `run` it; `stop` it to end gracefully.

    When `run` is cancelled instead, everything is dropped at once, as by a crash.
    """

    def __init__(
        self, context: Context, sources: Mapping[str, Source], *, pace: Pace | None = None
    ) -> None:
        self._context = context
        self._database = context.database
        self._sources = sources
        self._pace = pace or Pace(silence=context.settings.hub_silence)
        self._told = told_partners(context.settings)
        self._lanes_query, self._counts = lanes_query(self._told), counts_query(self._told)
        self._lanes: dict[int, Lane] = {}
        self._watch = Watch(self._pace, self._lanes)
        self._storing = Storing(self._database, self._watch, self._lanes)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._ended.set()
        self._look_at = 0.0

    async def run(self) -> None:
        """Keep partners up to date until stopped or cancelled, whatever the database does."""
        self._ended.clear()
        beside = [
            asyncio.create_task(self._commit_on()),
            asyncio.create_task(self._database.hear()),
        ]
        try:
            while not self._stopping.is_set():
                await self._turn_safely()
                await asyncio.sleep(self._pace.gather)
                await self._wait_for_changes()
            await self._hand_back()
        finally:
            tasks = [*beside, *self._tasks.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._ended.set()

    async def stop(self) -> None:
        """Start no more requests, let those in flight end, store what came of them, hand back."""
        self._stopping.set()
        self._database.changed.set()
        await self._ended.wait()

    async def _wait_for_changes(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._pace.poll):
                await self._database.changed.wait()

    async def _turn_safely(self) -> None:
        try:
            await self._turn()
        except Exception as error:  # noqa: BLE001 - the worker outlives whatever fails.
            log.warning("push: the worker's turn failed", error=repr(error))
            self._drop_lanes()
            self._look_at = 0.0
            await self._pause(self._pace.recover)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def _turn(self) -> None:
        """Look at the heads, and at all lanes when something else has changed, or it is time to."""
        wanted, before = self._database.changed.is_set(), self._watch.heads
        # Cleared before reading: what is stamped from here on is seen by the next turn.
        if not self._stopping.is_set():
            self._database.changed.clear()
        await self._read_heads()
        moved = self._watch.heads != before
        if self._watch.beat_due():
            await self._beat()
            self._look_at = 0.0
        began = boottime()
        if moved:
            self._tell()
        if began >= self._look_at or (wanted and not moved):
            unheard = await self._look()
            # Of lanes at rest a look may cost next to nothing.
            self._look_at = boottime() + self._pace.rest * (boottime() - began) * (not unheard)

    def _tell(self) -> None:
        for lane in self._lanes.values():
            lane.hear()

    async def _look(self) -> bool:
        """Look at every lane, and take those that are free.

        Gives whether something else than the feed has changed meanwhile.
        """
        seen, unheard, last = dict[int, str | None](), False, 0
        while True:
            given = {"me": self._watch.id, "after": last}
            rows = await self._database.fetch("worker.lanes", self._lanes_query, given)
            for partner_id, owner, epoch, *state in rows:
                seen[partner_id] = owner
                lane = self._lanes.get(partner_id)
                if lane is not None and (owner, epoch) != (self._watch.id, lane.epoch):
                    lane.stop()
                elif lane is not None:
                    lane.look(*state)
            if len(rows) < SLICE or self._stopping.is_set():
                break
            last = rows[-1][0]
            unheard |= await self._listen()
        for partner_id, lane in self._lanes.items():
            if partner_id not in seen:
                lane.stop()
        # Lanes of ours that nobody drives were dropped; free ones were handed back or are new.
        if idle := seen.keys() - self._lanes.keys():
            room = max(await self._fair_share() - len(self._driven), 0)
            ours = sum(seen[partner_id] is not None for partner_id in idle)
            if room or ours:
                await self._claim(room, ours)
        return unheard

    async def _listen(self) -> bool:
        """Have lanes hear of a change in the midst of something; gives whether it was another."""
        await asyncio.sleep(0)
        if not self._database.changed.is_set():
            return False
        self._database.changed.clear()
        before = self._watch.heads
        await self._read_heads()
        self._tell()
        return self._watch.heads == before

    async def _read_heads(self) -> None:
        now: ColumnElement[int] = literal_column(f"({CLOCK[self._database.engine.dialect.name]})")
        rows = await self._database.fetch(
            "worker.heads", select(col(FeedHead.stream), col(FeedHead.seq), now, Server()), {}
        )
        heads = {stream: seq for stream, seq, _, _ in rows}
        before, server = self._watch.heads, rows[0][3]
        self._watch.heads = {stream: heads[stream] for stream in Stream}
        if self._watch.server not in (None, server):
            log.warning("push: another server answers", heads=self._watch.heads, before=before)
            # It may not have all that lanes know of.
            self._drop_lanes()
        self._watch.server = server
        if self._watch.set_clock(rows[0][2]):
            log.warning("push: the database's clock was set back")
            # Lanes bound their waits anew when they are loaded.
            self._drop_lanes()

    async def _beat(self) -> None:
        """Say that this worker lives, bury those that do not, hand back more than a fair share."""
        began = boottime()
        async with self._database.write() as db:
            now = await clock(db)
            await db.merge(WorkerBeat(id=self._watch.id, beat_at=now, process=own_process()))
            await self._bury(db, now)
            await see_to_orphans(db, now, micros(self._pace.exchange))
            await mark_feed(db)
        self._watch.beaten(began)
        for lane in self._driven[await self._fair_share() :]:
            lane.stop()

    @property
    def _driven(self) -> list[Lane]:
        """The lanes that it goes on with: one that ends takes no room, though it may take long."""
        return [lane for lane in self._lanes.values() if not lane.stopping]

    async def _bury(self, db: AsyncSession, now: int) -> None:
        """Forget workers whose lease ran out, or whose process has ended on this machine."""
        others = await db.exec(select(WorkerBeat).where(col(WorkerBeat.id) != self._watch.id))
        for other in others.all():
            # A beat of the future was stored before the clock was set back.
            late = abs(now - other.beat_at) > micros(self._pace.lease)
            if late or is_dead(other.process):
                await db.exec(delete(WorkerBeat).where(col(WorkerBeat.id) == other.id))
                log.info("push: a worker is dead", worker=other.id, lease_over=late)

    async def _fair_share(self) -> int:
        rows = await self._database.fetch("worker.share", self._counts, {})
        lanes, workers = rows[0]
        return -(-int(lanes) // max(int(workers), 1))

    async def _claim(self, room: int, ours: int = 0) -> None:
        """Take lanes that nobody drives, as many as there is room for: ours first.

        Of so many of ours those for which there is none are given free, for others to take.
        """
        driven = list(self._lanes)
        # Proofs of what dropped lanes delivered come first, or they would be delivered again.
        await self._storing.commit()
        me = self._watch.id
        async with self._database.write() as db:
            found = await db.exec(
                select(PartnerLane)
                .join(Partner)
                .where(
                    *self._told,
                    or_(col(PartnerLane.owner).is_(None), col(PartnerLane.owner) == me),
                    col(PartnerLane.partner_id).not_in(driven),
                )
                .order_by(col(PartnerLane.owner).is_(None), col(PartnerLane.partner_id))
                .limit(max(room, ours))
                .with_for_update(skip_locked=True, of=PartnerLane)
            )
            idle = found.all()
            claimed = idle[:room]
            for lane in idle:
                lane.owner = None
            for lane in claimed:
                lane.owner, lane.epoch = me, lane.epoch + 1
            db.add_all(idle)
        # Heads that are older than the cursors would look like a database that was set back.
        await self._read_heads()
        for row in claimed:
            self._drive(row)

    def _drive(self, row: PartnerLane) -> None:
        lane = Lane(self._context, self._sources, self._pace, self._watch, row)
        self._lanes[lane.partner_id] = lane
        self._tasks[lane.partner_id] = asyncio.create_task(self._keep(lane))

    async def _keep(self, lane: Lane) -> None:
        """Drive a lane to its end; then give it free, or have it taken up again."""
        try:
            await lane.run()
            if not lane.dropped:
                await self._storing.commit(release=lane)
        except (*DATABASE_ERRORS, MemoryError) as error:
            log.warning("push: a lane is dropped", partner_id=lane.partner_id, error=repr(error))
            lane.drop()
        except Exception as error:  # noqa: BLE001 - the worker outlives whatever fails.
            # As text: a renderer that shows local variables would show tokens.
            trace = "".join(traceback.format_exception(error))
            log.error("push: a lane crashed", partner_id=lane.partner_id, trace=trace)  # noqa: TRY400
            lane.drop(crashed=True)
        finally:
            if lane.dropped:
                self._storing.leave(lane.partner_id, lane.take())
                await self._pause(self._pace.crash if lane.crashed else self._pace.recover)
            del self._lanes[lane.partner_id], self._tasks[lane.partner_id]
            self._look_at = 0.0
            self._database.changed.set()

    async def _commit_on(self) -> None:
        """Store what lanes note: at most every `commit` seconds, but receipts at once."""
        while True:
            await self._watch.noted.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pace.commit):
                    await self._watch.urgent.wait()
            self._watch.noted.clear()
            self._watch.urgent.clear()
            try:
                await self._storing.commit()
            except Exception as error:  # noqa: BLE001 - the worker outlives whatever fails.
                log.warning("push: nothing could be stored", error=repr(error))
                self._drop_lanes()
                self._watch.noted.set()
                await asyncio.sleep(self._pace.recover)

    def _drop_lanes(self) -> None:
        """Forget what is in memory: after a failure, only the database knows how things stand."""
        for lane in self._lanes.values():
            lane.drop()

    async def _hand_back(self) -> None:
        """End all lanes; their tasks store what came of them and give them free."""
        for lane in self._lanes.values():
            lane.stop()
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=self._pace.exchange + self._pace.slack)
        try:
            await self._storing.commit()
            async with self._database.write() as db:
                # One that was set back meanwhile is still ours; one that goes on has to be doubted.
                ended = col(PartnerLane.partner_id).not_in(list(self._lanes))
                mine = and_(col(PartnerLane.owner) == self._watch.id, ended)
                # Before its lanes, as another worker does that takes this one for dead.
                await db.exec(delete(WorkerBeat).where(col(WorkerBeat.id) == self._watch.id))
                await lock_lanes(db, mine)
                await db.exec(update(PartnerLane).where(mine).values(owner=None))
                db.info["stamped"] = True  # So that the commit wakes those who take the lanes.
        except DATABASE_ERRORS as error:
            log.warning("push: stopped without handing back", error=repr(error))
