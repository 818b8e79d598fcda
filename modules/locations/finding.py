"""Locations as staff look for them: points for a map, and a search."""

import asyncio
from collections.abc import AsyncIterator

from sqlalchemy import Text, cast, func
from sqlmodel import col, select

from modules.locations.store import LocationRow
from ocpi.database import Database
from ocpi.inside import ListOf, each_inside, holds, inside
from ocpi.recent import Found, search
from ocpi.spec.locations import Status

# SQLite reads on the event loop's own thread: so many take some 5 ms.
_MOST_POINTS = 250
# The sum of microseconds of many Locations would overflow; any large prime tells changes as well.
_MODULUS = 1_000_000_007

_BODY = col(LocationRow.body)
_STATUSES = each_inside(_BODY, "evses", "status")
_POINT = ListOf(
    inside(_BODY, "country_code"),
    inside(_BODY, "party_id"),
    inside(_BODY, "id"),
    inside(_BODY, "name"),
    inside(_BODY, "coordinates", "latitude"),
    inside(_BODY, "coordinates", "longitude"),
    _STATUSES,
)
_WORDS = ListOf(*(inside(_BODY, name) for name in ("id", "name", "address", "city", "postal_code")))


async def read_points(database: Database) -> AsyncIterator[str]:
    """Each Location as a JSON text that is never parsed here.

    `[country_code, party_id, id, name, latitude, longitude, [status of each EVSE]]`.
    """
    after = 0
    while True:
        page = (
            select(col(LocationRow.position), cast(_POINT, Text))
            .where(col(LocationRow.position) > after)
            .order_by(col(LocationRow.position))
            .limit(_MOST_POINTS)
        )
        async with database.read() as db:
            found = (await db.exec(page)).all()
        for _, point in found:
            yield point
        if len(found) < _MOST_POINTS:
            return
        after = found[-1][0]
        await asyncio.sleep(0)


async def points_tag(database: Database) -> str:
    """A word that changes whenever a point does: without it they need not be read again."""
    query = select(func.count(), func.sum(col(LocationRow.last_updated) % _MODULUS))
    async with database.read() as db:
        count, dates = (await db.exec(query)).one()
    return f"{count}-{dates or 0}"


async def count_locations(database: Database) -> int:
    """How many are stored, whosever they are."""
    async with database.read() as db:
        return (await db.exec(select(func.count()).select_from(LocationRow))).one()


async def search_locations(
    database: Database,
    *,
    text: str = "",
    status: Status | None = None,
    before: int | None = None,
    limit: int = 50,
) -> Found[LocationRow]:
    """Those whose id, name or address holds a text, with an EVSE in a status; the newest first."""
    where = []
    if text:
        where.append(holds(_WORDS, text))
    if status is not None:
        where.append(holds(_STATUSES, status.value))
    return await search(database, LocationRow, *where, before=before, limit=limit)
