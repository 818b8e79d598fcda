"""Since when the EVSEs of our Locations have their status.

`EVSE.last_updated` does not tell: it moves with a Connector's Tariffs, too.
"""

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import BigInteger
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Field, SQLModel, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.editing import Decision, Document, Edit
from ocpi.spec.moments import microseconds, parse_moment


class EVSEStatus(SQLModel, table=True):
    """When the status of an EVSE of ours changed last; changed with its Location's row locked."""

    __tablename__ = "evse_status"

    location: str = Field(primary_key=True)
    """The Location's key."""
    evse: str = Field(primary_key=True)
    """Its uid, in lower case."""
    since: int = Field(sa_type=BigInteger)
    """Microseconds since 1970."""


Since = dict[tuple[str, str], int]
"""Since when, by the Location's key and the EVSE's uid."""


def watching(edit: Edit, since: Since) -> Edit:
    """The edit, which notes in `since` whose status it changes."""

    def decide(before: Document | None, now: int) -> Decision:
        whole, written = edit.decide(before, now)
        known = _statuses(before)
        for evse in _evses(whole):
            uid = evse["uid"].lower()
            if known.get(uid) != evse["status"]:
                since[edit.key, uid] = min(microseconds(parse_moment(evse["last_updated"])), now)
        return whole, written

    return replace(edit, decide=decide)


def _statuses(location: Document | None) -> dict[str, str]:
    return {evse["uid"].lower(): evse["status"] for evse in _evses(location)}


def _evses(location: Document | None) -> list[Document]:
    return (location or {}).get("evses") or []


async def note_statuses(db: AsyncSession, since: Mapping[tuple[str, str], int]) -> None:
    """Store since when; their Locations are locked."""
    insert = sqlite.insert if db.get_bind().dialect.name == "sqlite" else postgresql.insert
    statement = insert(EVSEStatus)
    upsert = statement.on_conflict_do_update(
        index_elements=["location", "evse"], set_={"since": statement.excluded.since}
    )
    rows = [
        {"location": key, "evse": uid, "since": moment}
        for (key, uid), moment in sorted(since.items())
    ]
    await db.exec(upsert, params=rows)


async def status_since(db: AsyncSession, key: str, evse_uid: str) -> int | None:
    """Since when; None where it has not changed since an import, or an older version, stored it."""
    found = await db.exec(
        select(EVSEStatus.since).where(
            EVSEStatus.location == key, EVSEStatus.evse == evse_uid.lower()
        )
    )
    return found.one_or_none()
