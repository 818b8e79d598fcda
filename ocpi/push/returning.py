"""Parties behind a hub that appear or are back: what they were not told is told now.

While a hub tells that a party is away, what is for it alone waits, parked (see Addressee.away).
Of a party that nobody had told of, the lane has passed over all that is for it.
"""

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.database import clock
from ocpi.push.feed import SyncObject
from ocpi.push.lanes import ParkedObject, Receipt, park_late, restart_lanes


async def tell_newcomer(db: AsyncSession, partner_id: int, party: str) -> None:
    """Tell what is for a party, by its key, that was not known behind this partner before.

    But no CDR that a partner has accepted: a party may have been there by a connection of its own.
    """
    accepted = select(Receipt.object_key).where(col(Receipt.object_key) == col(SyncObject.key))
    meant = select(SyncObject.key).where(
        col(SyncObject.audience) == party, col(SyncObject.deleted).is_(False), ~accepted.exists()
    )
    await park_late(db, partner_id, (await db.exec(meant)).all())
    await restart_lanes(db, [partner_id])


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
    await db.exec(due.values(next_at=await clock(db)))
