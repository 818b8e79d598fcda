"""What lanes have noted goes to the database, of all together if it can be."""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import chain
from operator import attrgetter, itemgetter

import structlog
from sqlalchemy.exc import ProgrammingError
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.database import Database
from ocpi.envelope import may_pass
from ocpi.push.lane import Lane
from ocpi.push.lanes import (
    Progress,
    lock_held,
    park_late,
    put_notes,
    put_progress,
    put_receipts,
)
from ocpi.push.watch import Watch

log = structlog.get_logger()

Noted = tuple[Lane | None, int, Progress]
"""What is to be stored of a partner's lane; without the lane what is left of one that was lost."""


class Storing:
    """Stores what the lanes of one worker have noted."""

    def __init__(self, database: Database, watch: Watch, lanes: Mapping[int, Lane]) -> None:
        """`lanes` are those that the worker has at any moment."""
        self._database = database
        self._watch = watch
        self._lanes = lanes
        self._leftovers: list[Noted] = []
        self._committing = asyncio.Lock()

    def leave(self, partner_id: int, progress: Progress) -> None:
        """Take what a lane has noted that was dropped: its proofs are kept, and nothing else."""
        self._leftovers.append((None, partner_id, progress))
        self._watch.noted.set()

    async def commit(self, *, release: Lane | None = None) -> None:
        """Store what lanes have noted, or the last of a lane that ends.

        A lane that turns out not to be ours any more is stopped. What it told, and what lanes told
        that were dropped, is told again by whoever has them now.
        """
        async with self._committing:
            # In one order, as whoever rewinds several of them takes their locks.
            lanes = [release] if release else sorted(self._noted(), key=attrgetter("partner_id"))
            noted = [(lane, lane.partner_id, lane.take()) for lane in lanes]
            await self._put_all(noted, release=release is not None)
            # By themselves, since these lanes are locked as well.
            left, self._leftovers = sorted(self._leftovers, key=itemgetter(1)), []
            await self._put_all(left)

    async def _put_all(self, noted: Sequence[Noted], *, release: bool = False) -> None:
        """Store all together, or one by one where a value in one of them cannot be stored."""
        parts = [noted] if noted else []
        while parts:
            part = parts.pop()
            try:
                await self._put(part, release=release)
            except BaseException as error:
                if _is_of_a_value(error):
                    parts += self._parted(part, error)
                    continue
                for _, partner_id, progress in chain(part, *parts):
                    self.leave(partner_id, progress)
                raise

    def _noted(self) -> list[Lane]:
        return [lane for lane in self._lanes.values() if lane.changed and not lane.dropped]

    def _parted(self, part: Sequence[Noted], error: BaseException) -> Sequence[Sequence[Noted]]:
        """One by one what cannot be stored together; the one at fault is not stored."""
        if len(part) > 1:
            return [[each] for each in part]
        lane, partner_id, progress = part[0]
        log.error("push: what a lane noted is lost", partner_id=partner_id, error=repr(error))
        if lane is not None:
            lane.drop(crashed=True)
            # Its proofs may not be what is at fault.
            self.leave(partner_id, progress)
        return []

    async def _put(self, part: Sequence[Noted], *, release: bool) -> None:
        taken = [(lane, progress) for lane, _, progress in part if lane is not None]
        async with self._database.write() as db:
            lost = await put_held(db, self._watch.id, taken, release=release)
            for lane, partner_id, progress in part:
                if lane is None:
                    await _repair(db, partner_id, progress)
        for lane, progress in lost:
            lane.stop()
            self.leave(lane.partner_id, progress)
        for lane, _ in taken:
            lane.stored()


def _is_of_a_value(error: BaseException) -> bool:
    """Whether it comes of what one lane noted; that a table is missing, say, is no lane's fault."""
    wrong = isinstance(error, Exception) and not may_pass(error)
    return wrong and not isinstance(error, ProgrammingError)


async def put_held(
    db: AsyncSession, owner: str, taken: Sequence[tuple[Lane, Progress]], *, release: bool = False
) -> list[tuple[Lane, Progress]]:
    """Store what lanes have noted; gives those that are not the owner's any more, and were not."""
    held = await lock_held(db, owner, [lane.partner_id for lane, _ in taken])
    ours = {lane for lane, _ in taken if held.get(lane.partner_id) == (lane.epoch, lane.server)}
    told = {lane.partner_id: progress for lane, progress in taken if lane in ours}
    await put_progress(db, None if release else owner, told)
    for partner_id, progress in told.items():
        await put_receipts(db, progress.receipts)
        await put_notes(db, partner_id, progress.notes)
    return [each for each in taken if each[0] not in ours]


async def _repair(db: AsyncSession, partner_id: int, progress: Progress) -> None:
    """Keep the proofs of a lane that was lost or dropped, and have its objects sent again.

    Who removes the partner takes its lane first, so that nothing else of it is locked before that.
    """
    await put_receipts(db, progress.receipts)
    await park_late(db, partner_id, sorted(progress.sent))
