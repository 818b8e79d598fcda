"""What must come to its end before its driver can be erased, each in a sentence for staff."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from modules.cdrs.store import CDRRow
from modules.commands.reservations import STANDING, Reservation
from modules.sessions.store import FINAL, SessionRow
from modules.stations.charges import Charge
from ocpi.directory import AnnouncedParty
from ocpi.errands import Errand
from ocpi.parties import OurParty, Partner, PartnerRole
from ocpi.push.feed import SyncObject, feed_key
from ocpi.push.lanes import ParkedObject, PartnerLane, Receipt
from ocpi.push.parking import Why

LOST = 7 * 24 * 3600 * 1_000_000
"""A partner's Session of which nothing was heard for so long, in microseconds, is over."""


async def hindrances(db: AsyncSession, rows: Iterable[Any], now: int) -> list[str]:
    """Why these rows cannot be erased yet; empty: they can."""
    ours = set((await db.exec(select(col(OurParty.party)))).all())
    found: list[str] = []
    for row in rows:
        match row:
            case Charge(open=True):
                found.append(f"At the station, {row.transaction_key} of {_up(row.owner)} goes on.")
            case Reservation() if row.fate in STANDING:
                found.append(f"The reservation {row.reservation_id} of {_up(row.asker)} stands.")
            case Errand(told_at=None):
                found.append(f"The {row.wish} of {row.asker} was not answered yet.")
            case SessionRow() if row.status not in FINAL:
                if row.owner in ours or row.last_updated > now - LOST:
                    found.append(f"The Session {_up(row.key)} is {row.status}, not over.")
            case SessionRow() if row.owner in ours:
                found += await _untold(db, "sessions", row)
            case CDRRow() if row.owner in ours:
                found += await _unaccepted(db, row)
    return found


def _up(key: str) -> str:
    return key.upper()


async def _partners(db: AsyncSession, party: str) -> Mapping[int, str]:
    """The partners at which a party is reached, by id, with their names."""
    own = select(col(PartnerRole.partner_id)).where(PartnerRole.party == party)
    announced = select(col(AnnouncedParty.partner_id)).where(AnnouncedParty.party == party)
    found = await db.exec(
        select(col(Partner.id), col(Partner.name)).where(
            col(Partner.id).in_(own) | col(Partner.id).in_(announced)
        )
    )
    return {number: name for number, name in found.all() if number is not None}


async def _untold(db: AsyncSession, module: str, row: SessionRow) -> list[str]:
    """The partners that have not heard the newest of it: they would be told the erased one."""
    key = feed_key(module, row.key)
    change = await db.get(SyncObject, key)
    if change is None:
        return []
    behind = []
    for number, name in (await _partners(db, row.audience)).items():
        lane = await db.get(PartnerLane, number)
        parked = await db.get(ParkedObject, (number, key))
        waits = lane is not None and lane.cursors.get(change.stream, 0) < change.seq
        if waits or (parked is not None and parked.next_at is not None):
            behind.append(f"{name} was not told yet how the Session {_up(row.key)} ended.")
    return behind


async def _unaccepted(db: AsyncSession, row: CDRRow) -> list[str]:
    """The partners that have not accepted a bill, unless staff have given it up."""
    key = feed_key("cdrs", row.key)
    partners = await _partners(db, row.audience)
    accepted = select(col(Receipt.partner)).where(Receipt.object_key == key)
    if not partners or set((await db.exec(accepted)).all()):
        return []
    missing = []
    for number, name in partners.items():
        parked = await db.get(ParkedObject, (number, key))
        if parked is None or parked.kind != Why.DROPPED:
            missing.append(f"{name} has not accepted the CDR {_up(row.key)}: `ocpi push audit`.")
    return missing
