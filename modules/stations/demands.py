"""What a station is asked for an errand, in its own terms: its session ids, our reservation ids."""

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from modules.stations.charges import Charge
from modules.stations.reports.record import Record
from ocpi.errands import Errand
from ocpi.gateway import Demand, Wish
from ocpi.spec.document import decode

# What of a partner's request is the station's business. Nothing else of it goes on: a partner may
# write any member that OCPI does not know, also one by which we would name another station.
_PASSED_ON = ("token", "expiry_date", "charging_profile", "duration")


async def demand_of(db: AsyncSession, errand: Errand) -> Demand:
    """The demand of an errand; its reservation id is ours: eMSPs never meet there (CM-21)."""
    request = errand.document
    details = {name: request[name] for name in _PASSED_ON if name in request}
    if errand.reservation is not None:
        details["reservation_id"] = errand.reservation
    begun = errand.created_at if errand.asked_at is None else errand.asked_at
    return Demand(
        id=errand.id,
        wish=Wish(errand.wish),
        owner=errand.owner,
        location_id=errand.location_id,
        evse_uid=errand.evse_uid,
        connector_id=errand.connector_id,
        transaction_id=await transaction_of(db, errand.owner.key, errand.session_id),
        session_id=errand.session_id,
        details=details,
        timeout=(errand.deadline - begun) / 1e6,
    )


async def transaction_of(db: AsyncSession, owner_key: str, session_id: str | None) -> str | None:
    """The station's own id of a Session; None for one that no station reported."""
    if session_id is None:
        return None
    found = await db.exec(
        select(Charge.record).where(
            Charge.owner == owner_key, Charge.session_key == session_id.lower()
        )
    )
    text = found.first()
    return None if text is None else Record.load(decode(text)).transaction_id
