"""What lanes read past the ORM: pages of the feed, rows of it, parked objects."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import bindparam, select
from sqlmodel import col

from ocpi.database import Database
from ocpi.push.feed import PlainObject, Stream, SyncObject
from ocpi.push.lanes import ParkedObject
from ocpi.push.parking import Parking, Why

_PAGE = (
    select(
        col(SyncObject.key),
        col(SyncObject.order_key),
        col(SyncObject.seq),
        col(SyncObject.module),
        col(SyncObject.owner),
        col(SyncObject.audience),
    )
    .where(col(SyncObject.stream) == bindparam("stream"), col(SyncObject.seq) > bindparam("after"))
    .order_by(col(SyncObject.seq))
    .limit(bindparam("limit"))
)
_ORDER = _PAGE.where(col(SyncObject.order_key) == bindparam("order_key"))
_ROW = select(*(getattr(SyncObject, name) for name in PlainObject._fields)).where(
    col(SyncObject.key) == bindparam("key")
)
AT_ONCE = 500
"""Parked objects that are read in one go: of many thousands, all at once would stop the loop."""
_PARKED = (
    select(
        col(ParkedObject.object_key),
        col(SyncObject.order_key),
        col(SyncObject.stream),
        *(getattr(ParkedObject, name) for name in Parking.__dataclass_fields__),
    )
    .outerjoin(SyncObject, col(SyncObject.key) == col(ParkedObject.object_key))
    .where(
        col(ParkedObject.partner_id) == bindparam("partner_id"),
        col(ParkedObject.object_key) > bindparam("after"),
    )
    # By key, since all may be due at the same moment.
    .order_by(col(ParkedObject.object_key))
    .limit(AT_ONCE)
)
_DUE = _PARKED.where(col(ParkedObject.next_at) <= bindparam("until"))


class Line(NamedTuple):
    """A row of the feed, as far as it takes to see whom it concerns."""

    key: str
    order_key: str
    seq: int
    module: str
    owner: str
    audience: str | None


class ParkedLine(NamedTuple):
    """A parked object with its place in the feed."""

    key: str
    order_key: str
    stream: Stream | None
    """None: it is not in the feed any more, since a change of the whole object covers this part."""
    parking: Parking


async def read_page(database: Database, stream: Stream, after: int, limit: int) -> Sequence[Line]:
    """What changed in a stream after a number, oldest change first."""
    given = {"stream": stream.value, "after": after, "limit": limit}
    return [Line(*row) for row in await database.fetch("push.page", _PAGE, given)]


async def read_order(
    database: Database, stream: Stream, after: int, order_key: str
) -> Sequence[Line]:
    """A page of what changed after a number among objects that are sent one after the other."""
    given = {"stream": stream.value, "after": after, "order_key": order_key, "limit": 100}
    return [Line(*row) for row in await database.fetch("push.order", _ORDER, given)]


async def read_row(database: Database, key: str) -> PlainObject | None:
    """An object's row of the feed as it is now."""
    rows = await database.fetch("push.row", _ROW, {"key": key})
    if not rows:
        return None
    row = PlainObject(*rows[0])
    # SQLite has numbers for it.
    return row._replace(deleted=True) if row.deleted else row


async def read_parked(
    database: Database, partner_id: int, until: int | None = None, after: str = ""
) -> AsyncIterator[Sequence[ParkedLine]]:
    """What is parked for a partner, page by page: all of it, or what is due until then."""
    given: dict[str, Any] = {"partner_id": partner_id, "after": after}
    name, query = "push.parked", _PARKED
    if until is not None:
        name, query, given["until"] = "push.due", _DUE, until
    while True:
        lines = [_parked_line(row) for row in await database.fetch(name, query, given)]
        yield lines
        if len(lines) < AT_ONCE:
            return
        given["after"] = lines[-1].key
        await asyncio.sleep(0)


def _parked_line(row: Sequence[Any]) -> ParkedLine:
    key, order_key, stream, seq, kind, next_at, attempts, doubtful, *rest = row
    # SQLite has numbers for it.
    parking = Parking(seq, Why(kind), next_at, attempts, bool(doubtful), *rest)
    return ParkedLine(key, order_key, Stream(stream) if stream else None, parking)
