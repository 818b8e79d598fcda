"""Lists for the operator's staff: the newest objects first."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic

from fastapi import Query
from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.database import Database
from ocpi.headers import Party
from ocpi.store import Row, StoredObject

Limit = Annotated[int, Query(ge=1, le=1000, description="Most objects wanted.")]
Offset = Annotated[int, Query(ge=0, le=10**6, description="How many objects to pass over.")]


async def newest(
    database: Database,
    table: type[StoredObject],
    owners: Sequence[Party],
    *where: Any,
    limit: int,
    offset: int = 0,
) -> tuple[int, list[str]]:
    """How many objects of some owners match, and a page of their JSON texts."""
    matching = (col(table.owner).in_([owner.key for owner in owners]), *where)
    page = select(col(table.body)).where(*matching).order_by(col(table.position).desc())
    async with database.read() as db:
        total = await db.exec(select(func.count()).select_from(table).where(*matching))
        found = await db.exec(page.limit(limit).offset(offset))
        return total.one(), list(found)


def spliced(total: int, name: str, texts: Iterable[str]) -> str:
    """The JSON text of a page, whose objects are there as JSON texts."""
    return f'{{"total":{total},"{name}":[{",".join(texts)}]}}'


# A search looks into documents, for which there is no index. SQLite does so on the event loop's own
# thread: a window takes it some 5 ms, and behind so many of them the reader is asked to go on.
WINDOW = 500
WINDOWS = 40


@dataclass(frozen=True)
class Found(Generic[Row]):
    """A page of a search, the newest first."""

    rows: Sequence[Row]
    older: int | None
    """The position before which the search goes on; None: nothing is left."""


async def search(
    database: Database, table: type[Row], *where: Any, before: int | None = None, limit: int = 50
) -> Found[Row]:
    """Objects that match, the newest first, from a position on: a bounded part of the work.

    Fewer than `limit` may be found although older ones match: `older` tells.
    """
    rows: list[Row] = []
    for _ in range(WINDOWS):
        async with database.read() as db:
            low = await _window(db, table, before)
            if low is None:
                return Found(rows, None)
            page = select(table).where(col(table.position) >= low, *where)
            if before is not None:
                page = page.where(col(table.position) < before)
            found = page.order_by(col(table.position).desc()).limit(limit + 1 - len(rows))
            rows += (await db.exec(found)).all()
        if len(rows) > limit:
            return Found(rows[:limit], rows[limit - 1].position)
        before = low
        await asyncio.sleep(0)
    return Found(rows, before)


async def _window(db: AsyncSession, table: type[StoredObject], before: int | None) -> int | None:
    """The position of the oldest of the next objects to look into; None: there is none."""
    query = select(col(table.position)).order_by(col(table.position).desc()).limit(WINDOW)
    if before is not None:
        query = query.where(col(table.position) < before)
    window = query.subquery()
    oldest: int | None = (await db.exec(select(func.min(window.c.position)))).one()
    return oldest
