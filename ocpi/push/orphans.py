"""Lanes whose worker died: given free, and told again what it may have had in flight."""

from sqlalchemy import func, or_, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.push.feed import Stream
from ocpi.push.lanes import ParkedObject, PartnerLane, WorkerBeat, is_behind, lock_lanes

_ORPHAN = col(PartnerLane.owner).not_in(select(col(WorkerBeat.id)))
_DOUBTFUL = col(PartnerLane.again_from).is_not(None)


async def see_to_orphans(db: AsyncSession, now: int, longest: int) -> None:
    """Tell again what can arrive no more, and give free what dead workers had.

    What was sent arrives within `longest`. All these lanes are locked first, by their ids.
    """
    await lock_lanes(db, or_(_ORPHAN, _DOUBTFUL))
    await tell_again(db, now, longest)
    await release_orphans(db, again_at=now + longest)


async def release_orphans(db: AsyncSession, again_at: int) -> None:
    """Give the lanes of dead workers free.

    What their owner had in flight may still arrive until `again_at`, after what the next one tells
    of the same objects, and a partner that ignores `last_updated` would keep the older state. Those
    objects are parked, or lie behind the cursors as they are now. So what is parked is told again
    at that moment by the lane, and the rest by setting the lane back, see `tell_again`. One that
    was stopped is not set back, as its partner may not want to hear it all: it had a trial in
    flight at most, and its next owner sends nothing before that moment.
    """
    waiting = (
        select(col(ParkedObject.object_key))
        .where(
            col(ParkedObject.partner_id) == col(PartnerLane.partner_id),
            col(ParkedObject.next_at).is_not(None),
        )
        .exists()
    )
    stopped = col(PartnerLane.breaker).is_not(None)
    await db.exec(update(PartnerLane).where(_ORPHAN, stopped).values(again_at=again_at))
    doubtful = update(PartnerLane).where(_ORPHAN, ~stopped, or_(waiting, *map(is_behind, Stream)))
    # A lane whose owners die one after the other is set back to where the first one was.
    first = func.coalesce(col(PartnerLane.again_from), col(PartnerLane.cursors))
    await db.exec(doubtful.values(again_at=again_at, again_from=first))
    await db.exec(update(PartnerLane).where(_ORPHAN).values(owner=None))


async def tell_again(db: AsyncSession, now: int, longest: int) -> None:
    """Set lanes back for which the time has come, see `release_orphans`.

    No wait is longer than `longest`; a clock that was set back would make it.
    """
    later = update(PartnerLane).where(_DOUBTFUL, col(PartnerLane.again_at) > now + longest)
    await db.exec(later.values(again_at=now + longest))
    due = update(PartnerLane).where(_DOUBTFUL, col(PartnerLane.again_at) <= now)
    back = {"cursors": col(PartnerLane.again_from), "epoch": col(PartnerLane.epoch) + 1}
    await db.exec(due.values(**back, again_at=None, again_from=None))
