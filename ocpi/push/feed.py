"""The feed: one row per object that partners may hold, at the number of its newest change.

A change moves the object's row to the end of the feed. So a partner that was away finds each object
once, in its newest state, and an absent partner costs nothing: OCPI asks that messages are not
queued (TR-19). The numbers are given out in commit order, see `ocpi.database.stamp`.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from itertools import chain
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from sqlalchemy import BigInteger, Index, Text, bindparam, delete, insert, or_, text, update
from sqlmodel import Field, SQLModel, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.database import stamp
from ocpi.editing import Document
from ocpi.spec.document import encode


class Stream(StrEnum):
    """Two cursors a partner, so that what bills never waits behind what informs."""

    MONEY = "money"
    STATE = "state"


class FeedHead(SQLModel, table=True):
    """The newest number of a stream; its row lock puts the numbers into commit order."""

    __tablename__ = "feed_head"

    stream: str = Field(primary_key=True)
    seq: int = Field(default=0, sa_type=BigInteger)


class SyncObject(SQLModel, table=True):
    """An object, or a part of one, that partners must hear of."""

    __tablename__ = "sync_object"
    __table_args__ = (
        Index("ix_sync_object_feed", "stream", "seq", unique=True),
        Index("ix_sync_object_order_key", "order_key"),
        Index(
            "ix_sync_object_audience",
            "audience",
            sqlite_where=text("audience IS NOT NULL"),
            postgresql_where=text("audience IS NOT NULL"),
        ),
    )

    key: str = Field(primary_key=True)
    """`module/owner*id`, with `/part` behind it for a part: `locations/nl*tnm*loc1/evse1`.

    Ids are percent-encoded, so that one with a slash is not taken for a part.
    """
    module: str
    owner: str
    stream: str
    seq: int = Field(sa_type=BigInteger)
    prev_seq: int = Field(sa_type=BigInteger)
    """The number of the change before: who has seen it can take the newest as a PATCH. 0: none."""
    order_key: str
    """Objects that share it are sent one after the other: a Location and its EVSEs."""
    audience: str | None = None
    """The one party concerned, as `de*msp`; None for all that may see the owner's objects."""
    deleted: bool = False
    patch: str | None = Field(default=None, sa_type=Text)
    """The fields of the newest change as JSON text, where they are known."""
    correlation_id: str | None = None


class PlainObject(NamedTuple):
    """The same read past the ORM, whose objects cost more to make than a message to send."""

    key: str
    module: str
    owner: str
    stream: str
    seq: int
    prev_seq: int
    order_key: str
    audience: str | None
    deleted: bool
    patch: str | None
    correlation_id: str | None


FeedRow = SyncObject | PlainObject


@dataclass(frozen=True)
class Change:
    """What changed, named as the feed names it."""

    module: str
    object_key: str
    """`nl*tnm*loc1`, see `ocpi.store.object_key`."""
    part: str | None = None
    """An EVSE's uid: only this part changed."""
    patch: Document | None = None
    deleted: bool = False
    stream: Stream = Stream.STATE
    audience: str | None = None
    correlation_id: str | None = None
    behind: str | None = None
    """The feed's key of an object of another module that is never in flight at the same time."""

    @cached_property
    def whole_key(self) -> str:
        """The whole object's key in the feed."""
        return feed_key(self.module, self.object_key)

    @cached_property
    def order_key(self) -> str:
        """What it is sent in order with."""
        return self.behind or self.whole_key

    @cached_property
    def key(self) -> str:
        """The key in the feed of what changed."""
        if self.part is None:
            return self.whole_key
        return f"{self.whole_key}/{quote(self.part.lower(), safe='*')}"


def feed_key(module: str, object_key: str) -> str:
    """An object's key in the feed."""
    return f"{module}/{quote(object_key, safe='*')}"


def read_key(key: str) -> tuple[str, str | None]:
    """The object's key, as `ocpi.store.object_key` gives it, and the part that a key names."""
    _, whole, *part = key.split("/")
    return unquote(whole), unquote(part[0]) if part else None


async def changed(db: AsyncSession, *changes: Change) -> int:
    """Remember, in the transaction that made them, that partners are behind on changes.

    They are numbered in their order within each stream. Gives the last number.
    """
    last = 0
    for stream in Stream:
        mine = [change for change in changes if change.stream == stream]
        if mine:
            last = await _number(db, stream, mine)
    return last


async def _number(db: AsyncSession, stream: Stream, changes: Sequence[Change]) -> int:
    # Whoever stamps waits for the others' commits, so what is read next is the newest.
    first = await stamp(db, stream, len(changes))
    # What is sent behind something else has no parts, and may be one of many that are.
    with_parts = list({change.whole_key for change in changes if change.behind is None})
    alone = list({change.whole_key for change in changes if change.behind is not None})
    given = {"order_keys": with_parts, "keys": alone}
    stored = (await db.exec(_OF_OBJECTS, params=given)).all()
    # By the whole object: what is only sent in order with it is not its own.
    numbers: dict[str, dict[str, int]] = defaultdict(dict)
    for key, seq in stored:
        numbers[_whole_of(key)][key] = seq
    rows: dict[str, dict[str, Any]] = {}
    for seq, change in enumerate(changes, first):
        known = numbers[change.whole_key]
        rows[change.key] = _row(change, seq, _known_before(change, known))
        if change.part is None:
            # The whole object will be told, and its parts with it.
            for key in known:
                if key != change.key:
                    rows.pop(key, None)
            known.clear()
        known[change.key] = seq
    kept = set(chain.from_iterable(numbers.values()))
    await _store(db, rows, {key for key, _ in stored}, kept)
    return first + len(changes) - 1


async def _store(
    db: AsyncSession, rows: dict[str, dict[str, Any]], stored: set[str], kept: Collection[str]
) -> None:
    new = [row for key, row in rows.items() if key not in stored]
    known = [{"this": key, **row} for key, row in rows.items() if key in stored]
    gone = [key for key in stored if key not in kept]
    if gone:
        await db.exec(_DELETE, params={"keys": gone})
    if known:
        await db.exec(_UPDATE, params=known)
    if new:
        await db.exec(_INSERT, params=new)


async def created(db: AsyncSession, changes: Sequence[Change]) -> None:
    """Remember objects of the state stream that were not there: partners are told them whole."""
    first = await stamp(db, Stream.STATE, len(changes))
    # An object that was deleted may have had the same name.
    await db.exec(_DELETE, params={"keys": [each.key for each in changes]})
    await db.exec(_INSERT, params=[_row(each, first + n, 0) for n, each in enumerate(changes)])


def _row(change: Change, seq: int, prev_seq: int) -> dict[str, Any]:
    return {
        "key": change.key,
        "module": change.module,
        "owner": "*".join(change.object_key.split("*", 2)[:2]),
        "stream": change.stream.value,
        "order_key": change.order_key,
        "seq": seq,
        "prev_seq": prev_seq,
        "audience": change.audience,
        "deleted": change.deleted,
        "patch": None if change.patch is None else encode(change.patch),
        "correlation_id": change.correlation_id,
    }


_FEED = SyncObject.__table__  # type: ignore[attr-defined]
_OF_OBJECTS = select(_FEED.c.key, _FEED.c.seq).where(
    or_(
        _FEED.c.order_key.in_(bindparam("order_keys", expanding=True)),
        _FEED.c.key.in_(bindparam("keys", expanding=True)),
    )
)
_INSERT = insert(_FEED)
_UPDATE = update(_FEED).where(_FEED.c.key == bindparam("this"))
_DELETE = delete(_FEED).where(_FEED.c.key.in_(bindparam("keys", expanding=True)))


def _whole_of(key: str) -> str:
    module, whole, *_ = key.split("/", 2)
    return f"{module}/{whole}"


def _known_before(change: Change, known: dict[str, int]) -> int:
    """The newest change told before of what changed, 0 for none.

    A part that changes for the first time was told with its whole object. A whole object is told
    with its parts, so a change of theirs counts: who missed it must not be sent a PATCH.
    """
    if change.part is None:
        return max(known.values(), default=0)
    return known.get(change.key) or known.get(change.whole_key, 0)
