"""Parties that are reached by another way now, or are back: what was not told is told now.

While a hub tells that a party is away, what is for it alone waits, parked (see Addressee.away).
Of a party that nobody had told of, the lane has passed over all that is for it. And all lanes pass
over what a party has shared that is PLANNED or SUSPENDED, see `ocpi.directory`.
"""

from collections.abc import Collection, Sequence

from sqlalchemy import ColumnElement, and_, func, or_, union, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import Select

from ocpi.database import clock, stamp
from ocpi.directory import PRESENTED, AnnouncedParty
from ocpi.parties import Partner, PartnerEndpoint, PartnerRole, PlatformID, State
from ocpi.push.addressee import DRIVERS_BEHIND, OWN_DRIVERS, SERVED
from ocpi.push.feed import Stream, SyncObject
from ocpi.push.lanes import (
    ParkedObject,
    PartnerLane,
    Receipt,
    is_landing,
    lock_lanes,
    open_lane,
    park_late,
    restart_lanes,
)
from ocpi.push.pace import Pace, micros
from ocpi.sides import FOR_ALL

LANDED = micros(Pace().landing)
"""In so many microseconds what is in flight has arrived, or never will."""


async def tell_newcomer(
    db: AsyncSession, partner_id: int, party: str, *, but: Collection[str] = ()
) -> None:
    """Tell what is for a party, by its key, that was not reached by this partner before.

    But no CDR that a partner has accepted: the party may have been reached in another way. And none
    before it is known what became of those that this has in flight. Nor anything of some modules.
    """
    meant = _untold().where(SyncObject.audience == party, col(SyncObject.module).not_in(but))
    found = (await db.exec(meant)).all()
    posted = {key: seq for key, seq, module in found if module == "cdrs"}
    await park_late(db, partner_id, [key for key, *_ in found if key not in posted])
    await park_late(db, partner_id, posted, wait=LANDED, seqs=posted)
    await restart_lanes(db, [partner_id])


def _untold() -> Select[str, int, str]:
    """What no partner has given a receipt for, of all modules: key, number and module."""
    accepted = select(Receipt.object_key).where(col(Receipt.object_key) == col(SyncObject.key))
    return select(SyncObject.key, SyncObject.seq, SyncObject.module).where(
        col(SyncObject.deleted).is_(False), ~accepted.exists()
    )


async def open_way(db: AsyncSession, partner_id: int) -> None:
    """Open a partner's lane, and have it alone tell what it tells: see `lanes.open_lane`.

    Its parties, if they were behind a hub, are so no longer: no hub speaks for them (TA-28).
    """
    await stamp(db, Stream.MONEY, 0)  # What bills is there by now, or is made after all this.
    left = await _leave_hubs(db, partner_id)
    reached = await _have_hub_tell(db, partner_id)
    is_new = await db.get(PartnerLane, partner_id) is None
    await open_lane(db, partner_id)
    if is_new:
        await _let_land(db, partner_id)
    await _take_over(db, partner_id, {*left, *reached})


async def _let_land(db: AsyncSession, partner_id: int) -> None:
    """Have no bill POSTed that a lane which the partner had a moment ago may have in flight."""
    here = (
        select(col(way.party)).where(col(way.partner_id) == partner_id)
        for way in (PartnerRole, AnnouncedParty)
    )
    query = _untold().where(SyncObject.module == "cdrs", col(SyncObject.audience).in_(union(*here)))
    bills = {key: seq for key, seq, _ in await db.exec(query)}
    await park_late(db, partner_id, bills, wait=LANDED, seqs=bills)


async def _leave_hubs(db: AsyncSession, partner_id: int) -> Collection[str]:
    """Gives the keys of those of the partner's parties that hubs have announced until now.

    A hub goes on speaking for a CPO that has its own codes.
    """
    query = select(PartnerRole).where(PartnerRole.partner_id == partner_id)
    roles = [each for each in await db.exec(query) if each.business_details is not None]
    party, by_another = col(AnnouncedParty.party), col(AnnouncedParty.partner_id) != partner_id
    other = party.in_({each.party for each in roles if each.role != "HUB"})
    announced = or_(and_(by_another, party.in_({each.party for each in roles})), other)
    if not await _lock_announced(db, announced):
        return ()
    # All the lanes that opening its way changes.
    here = select(col(PartnerRole.party)).where(col(PartnerRole.partner_id) == partner_id)
    ways = (
        col(PartnerLane.partner_id).in_(select(way.partner_id).where(col(way.party).in_(here)))
        for way in (PartnerRole, AnnouncedParty)
    )
    await lock_lanes(db, or_(*ways))
    return await take_from_hubs(db, announced)


async def tell_elsewhere(db: AsyncSession, partner_id: int) -> None:
    """Have the hub tell its parties at a partner of the CPO platform what that is not told itself.

    What it was told the hub has passed over until now: `Addressee.elsewhere`. What it is told from
    now on the hub tells no more: its lanes are taken up anew, since they may not know of that.
    """
    partner = await db.get_one(Partner, partner_id)
    if partner.state != State.UNREGISTERED:
        # As in `open_way`. One that goes may be removed at once, with what others have locked
        # before they bill it.
        await stamp(db, Stream.MONEY, 0)
    await _take_over(db, partner_id, await _have_hub_tell(db, partner_id, left=True))


async def _have_hub_tell(
    db: AsyncSession, partner_id: int, *, left: bool = False
) -> Collection[str]:
    """Gives the keys of the parties that the partner presents, and the hub reaches as well.

    Those that it does not present (any more) the hub is to tell everything if they may have `left`.
    """
    told = select(PartnerEndpoint.identifier).join(Partner)
    here = (PartnerEndpoint.partner_id == partner_id, PartnerEndpoint.role == "RECEIVER")
    modules = (await db.exec(told.where(*SERVED, *here))).all()
    agreed = select(col(PartnerRole.party)).where(
        col(PartnerRole.partner_id) == partner_id,
        col(PartnerRole.platform) == PlatformID.CPO.value,
        OWN_DRIVERS,
    )
    presented = set((await db.exec(agreed.where(PRESENTED))).all())
    parties = agreed if left else agreed.where(PRESENTED)
    at_hub = select(col(Partner.id)).where(col(Partner.platform) == PlatformID.HUB.value)
    reached = set()
    own, behind = (PRESENTED, OWN_DRIVERS), (DRIVERS_BEHIND,)
    for way, drivers in ((PartnerRole, own), (AnnouncedParty, behind)):
        these = (*drivers, col(way.party).in_(parties), col(way.partner_id).in_(at_hub))
        reached |= set((await db.exec(select(way.partner_id, way.party).where(*these))).all())
    # The partner's own lane as well, which whoever calls this goes on to change.
    lanes = {partner_id, *(other for other, _ in reached)}
    await lock_lanes(db, col(PartnerLane.partner_id).in_(lanes))
    for other, party in sorted(reached):
        await tell_newcomer(db, other, party, but=modules if party in presented else ())
    return {party for _, party in reached if party in presented}


async def _take_over(db: AsyncSession, partner_id: int, parties: Collection[str]) -> None:
    """Have a partner that is told something POST nothing that the hub, or one, may have in flight.

    Sessions its lane finds in the feed: to park them would take the longer the more there are.
    """
    served = select(Partner.id).where(*SERVED, col(Partner.id) == partner_id)
    if (await db.exec(served)).first() is not None:
        for party in sorted(parties):
            await tell_newcomer(db, partner_id, party, but=("sessions",))


async def take_for_us(db: AsyncSession, party: str) -> None:
    """Have no hub speak any more for a party, by its key, that is ours from now on (TA-28).

    A hub that is just telling of it comes first: it has its row locked, and finds it ours after us.
    """
    hubs = select(PartnerRole.partner_id).where(PartnerRole.role == "HUB")
    these = select(col(Partner.id)).where(col(Partner.id).in_(hubs)).order_by(col(Partner.id))
    await db.exec(these.with_for_update(key_share=True))
    await take_from_hubs(db, col(AnnouncedParty.party) == party)


async def take_from_hubs(db: AsyncSession, *which: ColumnElement[bool]) -> Collection[str]:
    """Forget what hubs have announced, and have them told nothing more by it; gives the parties."""
    told = await _lock_announced(db, *which)
    for each in told:
        await db.delete(each)
    await db.flush()
    if told:
        await restart_lanes(db, {each.partner_id for each in told})
    return {each.party for each in told}


async def _lock_announced(
    db: AsyncSession, *which: ColumnElement[bool]
) -> Sequence[AnnouncedParty]:
    """What hubs have announced, locked before any lane is, as by whoever announces."""
    order = (col(AnnouncedParty.party), col(AnnouncedParty.partner_id), col(AnnouncedParty.role))
    query = select(AnnouncedParty).where(*which).order_by(*order)
    return (await db.exec(query.with_for_update())).all()


async def tell_returned(db: AsyncSession, partner_id: int, party: str) -> None:
    """Tell what waits for a party, by its key, that is back."""
    meant = select(SyncObject.key).where(col(SyncObject.audience) == party)
    due = update(ParkedObject).where(
        col(ParkedObject.partner_id) == partner_id,
        col(ParkedObject.object_key).in_(meant),
        col(ParkedObject.next_at).is_not(None),
    )
    # The lane's lock first, as whoever stores what it parks takes them.
    await restart_lanes(db, [partner_id])
    now = await clock(db)
    await db.exec(due.where(~is_landing(now)).values(next_at=now))


async def tell_shared(db: AsyncSession, parties: Collection[str]) -> None:
    """Tell all anew what parties, by their keys, have shared with all.

    It moves to the end of the feed, in the order that it has: no partner is told again what others
    have shared. Most may have it, but those that were told nothing meanwhile cannot be known.
    """
    shared = (
        col(SyncObject.owner).in_(parties),
        col(SyncObject.module).in_(FOR_ALL),
        col(SyncObject.stream) == Stream.STATE.value,
        col(SyncObject.audience).is_(None),
    )
    await stamp(db, Stream.STATE, 0)  # From here on nothing is numbered by anybody else.
    seq = col(SyncObject.seq)
    oldest, newest = (await db.exec(select(func.min(seq), func.max(seq)).where(*shared))).one()
    if oldest is None:
        return
    by = await stamp(db, Stream.STATE, newest - oldest + 1) - oldest
    moved = update(SyncObject).where(*shared)
    await db.exec(moved.values(seq=seq + by, prev_seq=0, patch=None))
