"""Lists for the operator's staff: the newest objects first."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from fastapi import Query
from sqlalchemy import func
from sqlmodel import col, select

from ocpi.database import Database
from ocpi.headers import Party
from ocpi.store import StoredObject

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
