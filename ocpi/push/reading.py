"""What lanes read past the ORM: pages of the feed, rows of it, parked objects."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, select
from sqlmodel import col

from ocpi.database import Database
from ocpi.push.feed import PlainObject, Stream, SyncObject
from ocpi.push.lanes import ParkedObject, parking_of
from ocpi.push.parking import Parking

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
_PARKED_NAMES = tuple(ParkedObject.model_fields)
_PARKED = (
    select(
        col(SyncObject.order_key),
        col(SyncObject.stream),
        *(getattr(ParkedObject, name) for name in _PARKED_NAMES),
    )
    .outerjoin(SyncObject, col(SyncObject.key) == col(ParkedObject.object_key))
    .where(col(ParkedObject.partner_id) == bindparam("partner_id"))
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
    database: Database, partner_id: int, until: int | None = None
) -> Sequence[ParkedLine]:
    """What is parked for a partner: all of it, or what is due until then."""
    given = {"partner_id": partner_id}
    if until is None:
        rows = await database.fetch("push.parked", _PARKED, given)
    else:
        rows = await database.fetch("push.due", _DUE, {**given, "until": until})
    lines = []
    for order_key, stream, *values in rows:
        row = ParkedObject(**dict(zip(_PARKED_NAMES, values, strict=True)))
        place = Stream(stream) if stream else None
        lines.append(ParkedLine(row.object_key, order_key, place, parking_of(row)))
    return lines
