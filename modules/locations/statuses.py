"""Since when an EVSE of ours has its status, where the date of the EVSE does not tell.

That moves with a Connector's Tariffs, too; and a station may have reported the status late. What
changes a status by the way is not noted, so that it costs nothing more.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import BigInteger, Connection, Table, case
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.editing import Document
from ocpi.ownwords import insert_into
from ocpi.spec.moments import microseconds, parse_moment


class EVSEStatus(SQLModel, table=True):
    """An EVSE whose status is older than its date; changed with its Location's row locked."""

    __tablename__ = "evse_status"

    location: str = Field(primary_key=True)
    """The Location's key."""
    evse: str = Field(primary_key=True)
    """Its uid, in lower case."""
    since: int = Field(sa_type=BigInteger)
    """When the status began, in microseconds since 1970."""
    dated: int = Field(sa_type=BigInteger)
    """The date that the EVSE has had since; with any other one this row says nothing."""


_TABLE: Table = EVSEStatus.__table__  # type: ignore[attr-defined]

Row = dict[str, Any]


def moved(key: str, before: Document, after: Document) -> Iterator[Row]:
    """What to note of an EVSE whose date moves, and not its status; `key` is its Location's."""
    if before["status"] == after["status"]:
        yield row_of(key, after, since=_date(before))


def row_of(key: str, evse: Document, *, since: int) -> Row:
    """What is to be noted of an EVSE, as it is now."""
    uid: str = evse["uid"]
    return {"location": key, "evse": uid.lower(), "since": since, "dated": _date(evse)}


async def note_statuses(db: AsyncSession, rows: Sequence[Row]) -> None:
    """Store rows in their order; of an EVSE whose date has moved before, the first one counts."""
    statement = insert_into(db)(_TABLE)
    new = statement.excluded
    since = case((_TABLE.c.dated == new.since, _TABLE.c.since), else_=new.since)
    upsert = statement.on_conflict_do_update(
        index_elements=["location", "evse"], set_={"since": since, "dated": new.dated}
    )
    connection = await db.connection()
    await connection.run_sync(Connection.execute, upsert, rows)


async def status_since(db: AsyncSession, key: str, evse: Document) -> int:
    """Since when an EVSE has its status, in microseconds since 1970."""
    dated = _date(evse)
    found = await db.exec(
        select(EVSEStatus.since).where(
            EVSEStatus.location == key,
            EVSEStatus.evse == evse["uid"].lower(),
            col(EVSEStatus.dated) == dated,
        )
    )
    since = found.one_or_none()
    return dated if since is None else since


def _date(evse: Document) -> int:
    return microseconds(parse_moment(evse["last_updated"]))
