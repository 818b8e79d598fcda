"""CDRs that contradict each other, for staff to settle."""

from sqlmodel import col, select

from modules.cdrs.store import CDRConflict, CDRRow
from ocpi.database import Database
from ocpi.editing import Document
from ocpi.spec.document import decode
from ocpi.spec.moments import format_moment, moment_of


async def list_conflicts(database: Database, *, limit: int, offset: int = 0) -> list[Document]:
    """Each contradicting CDR beside the one that counts, the newest first."""
    query = (
        select(CDRConflict, col(CDRRow.body))
        .join(CDRRow, col(CDRRow.key) == col(CDRConflict.key))
        .order_by(col(CDRConflict.id).desc())
        .limit(limit)
        .offset(offset)
    )
    async with database.read() as db:
        return [
            {
                "partner": conflict.partner,
                "at": format_moment(moment_of(conflict.at)),
                "stored": decode(stored),
                "refused": decode(conflict.body),
            }
            for conflict, stored in await db.exec(query)
        ]


async def conflicts_of(database: Database, key: str) -> list[Document]:
    """What came under the id of one CDR, see `ocpi.store.object_key`; the newest first."""
    query = (
        select(CDRConflict).where(col(CDRConflict.key) == key).order_by(col(CDRConflict.id).desc())
    )
    async with database.read() as db:
        return [
            {
                "partner": each.partner,
                "at": format_moment(moment_of(each.at)),
                "refused": decode(each.body),
            }
            for each in await db.exec(query)
        ]
