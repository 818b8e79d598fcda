"""What staff see of the sessions that stations reported, and do about those in trouble."""

from collections.abc import Sequence

from sqlmodel import col, func, select

from modules.stations.charges import Charge
from modules.stations.reports.charging import bill_again
from modules.stations.reports.desk import Outcome
from modules.stations.reports.record import Record
from ocpi.context import Context
from ocpi.database import Database
from ocpi.editing import Document
from ocpi.errors import UnknownObject
from ocpi.headers import Party
from ocpi.spec.document import decode


async def list_reported(
    database: Database,
    limit: int,
    trouble: bool,  # noqa: FBT001 - A filter, as the query parameter it comes from.
) -> Sequence[Document]:
    """The sessions reported, the newest first; only those in trouble, if so wished."""
    query = select(Charge).order_by(col(Charge.changed_at).desc(), col(Charge.id).desc())
    if trouble:
        query = query.where(col(Charge.trouble).is_not(None))
    async with database.read() as db:
        found = await db.exec(query.limit(limit))
        return [_view(charge) for charge in found.all()]


async def count_troubled(database: Database) -> int:
    """How many need somebody: all are gone through, so whoever asks often keeps it for a while."""
    query = select(func.count()).select_from(Charge).where(col(Charge.trouble).is_not(None))
    async with database.read() as db:
        return (await db.exec(query)).one()


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
        charge = await db.get(Charge, charge_id, with_for_update=True, populate_existing=True)
        if charge is None:
            raise UnknownObject(f"There is no session {charge_id}: see `ocpi station charges`.")
        return await bill_again(db, context.settings, charge)


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
