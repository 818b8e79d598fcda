"""What staff see of the sessions that stations reported, and do about those in trouble."""

from collections.abc import Sequence

from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession

from modules.stations.charges import Charge
from modules.stations.reports.charging import bill_again
from modules.stations.reports.desk import Outcome
from modules.stations.reports.record import Record
from ocpi.context import Context
from ocpi.database import Database, clock
from ocpi.editing import Document
from ocpi.errors import UnknownObject
from ocpi.headers import Party
from ocpi.spec.document import decode, encode
from ocpi.spec.moments import format_moment, moment_of

_TROUBLED = col(Charge.trouble).is_not(None)
_COUNT = select(func.count()).select_from(Charge)


async def list_reported(
    database: Database, *, trouble: bool, limit: int, offset: int = 0
) -> tuple[int, Sequence[Document]]:
    """How many sessions were reported, and some of them, the newest first; or of those in trouble.

    What changes while pages are read moves to the front.
    """
    where = [_TROUBLED] if trouble else []
    newest = (col(Charge.changed_at).desc(), col(Charge.id).desc())
    page = select(Charge).where(*where).order_by(*newest).limit(limit).offset(offset)
    async with database.read() as db:
        total = (await db.exec(_COUNT.where(*where))).one()
        return total, [_view(charge) for charge in (await db.exec(page)).all()]


async def count_troubled(database: Database) -> int:
    """How many need somebody."""
    async with database.read() as db:
        return (await db.exec(_COUNT.where(_TROUBLED))).one()


def _view(charge: Charge) -> Document:
    record = Record.load(decode(charge.record))
    session = record.session or {}
    return {
        "id": charge.id,
        "station_id": record.location_id,
        "transaction_id": record.transaction_id,
        "evse_uid": record.evse_uid,
        "session_id": session.get("session_id"),
        "started_at": record.started_at,
        "ended_at": record.ended_at,
        "trouble": charge.trouble,
        "notes": record.notes,
    }


async def bill_reported(context: Context, charge_id: int) -> Outcome:
    """Publish and bill what could not be before; raises ``UnknownObject``."""
    async with context.database.write() as db:
        return await bill_again(db, context.settings, await _locked(db, charge_id))


async def dismiss_reported(context: Context, charge_id: int) -> Document:
    """Staff have dealt with a session in trouble, which is noted; raises ``UnknownObject``.

    What is still reported of it is taken as before, and may bring it into another trouble.
    """
    async with context.database.write() as db:
        charge = await _locked(db, charge_id)
        if charge.trouble is not None:
            record = Record.load(decode(charge.record))
            now = await clock(db)
            record.note(f"Dealt with by staff on {format_moment(moment_of(now))}: {charge.trouble}")
            # Another session under its id is the next trouble, unless it was this one.
            charge.trouble = None if charge.trouble == record.reused else record.reused
            record.reused, record.dismissed = None, True
            charge.record, charge.changed_at = encode(record.dump()), now
            db.add(charge)
        return _view(charge)


async def _locked(db: AsyncSession, charge_id: int) -> Charge:
    charge = await db.get(Charge, charge_id, with_for_update=True, populate_existing=True)
    if charge is None:
        raise UnknownObject(f"There is no session {charge_id}: see `ocpi station charges`.")
    return charge


async def reported_of_session(
    database: Database, owner: Party, session_id: str
) -> tuple[Record, str | None] | None:
    """What a station reported of a Session, and the trouble with it; None: nothing."""
    query = select(Charge).where(
        col(Charge.owner) == owner.key, col(Charge.session_key) == session_id.lower()
    )
    async with database.read() as db:
        charge = (await db.exec(query)).first()
    return None if charge is None else (Record.load(decode(charge.record)), charge.trouble)
