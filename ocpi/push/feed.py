"""The feed: one row per object that partners may hold, at the number of its newest change.

A change moves the object's row to the end of the feed. So a partner that was away finds each object
once, in its newest state, and an absent partner costs nothing: OCPI asks that messages are not
queued (TR-19). The numbers are given out in commit order, see `ocpi.database.stamp`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from sqlalchemy import BigInteger, Index, Text, bindparam, delete, insert, update
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.database import stamp
from ocpi.spec.document import encode
from ocpi.store import Document


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

    @property
    def whole_key(self) -> str:
        """The whole object's key in the feed."""
        return feed_key(self.module, self.object_key)

    @property
    def order_key(self) -> str:
        """What it is sent in order with."""
        return self.behind or self.whole_key

    @property
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


async def changed(db: AsyncSession, change: Change) -> int:
    """Remember, in the transaction that made it, that partners are behind on a change."""
    # Whoever stamps waits for the others' commits, so what is read next is the newest.
    seq = await stamp(db, change.stream)
    known = await _known(db, change)
    news: dict[str, Any] = {
        "seq": seq,
        "prev_seq": _known_before(change, known),
        "audience": change.audience,
        "deleted": change.deleted,
        "patch": None if change.patch is None else encode(change.patch),
        "correlation_id": change.correlation_id,
    }
    if change.key in known:
        this = update(SyncObject).where(col(SyncObject.key) == change.key)
        await db.exec(this.values(**news))
    else:
        await db.exec(insert(SyncObject), params=[_names(change) | news])
    parts = known.keys() - {change.key}
    if change.part is None and parts:
        # The whole object will be told, and its parts with it.
        await db.exec(delete(SyncObject).where(col(SyncObject.key).in_(parts)))
    return seq


async def created(db: AsyncSession, changes: Sequence[Change]) -> None:
    """Remember objects of the state stream that were not there: partners are told them whole."""
    first = await stamp(db, Stream.STATE, len(changes))
    # An object that was deleted may have had the same name.
    keys = [each.key for each in changes]
    await db.exec(delete(SyncObject).where(col(SyncObject.key).in_(keys)))
    news = {
        "prev_seq": 0,
        "audience": None,
        "deleted": False,
        "patch": None,
        "correlation_id": None,
    }
    rows = [_names(each) | news | {"seq": first + n} for n, each in enumerate(changes)]
    await db.exec(insert(SyncObject), params=rows)


def _names(change: Change) -> dict[str, Any]:
    return {
        "key": change.key,
        "module": change.module,
        "owner": "*".join(change.object_key.split("*", 2)[:2]),
        "stream": change.stream.value,
        "order_key": change.order_key,
    }


_SAME_ORDER = select(col(SyncObject.key), col(SyncObject.seq)).where(
    col(SyncObject.order_key) == bindparam("order_key")
)


async def _known(db: AsyncSession, change: Change) -> dict[str, int]:
    """The rows of the whole object and of its parts, each with its newest number."""
    whole = change.whole_key
    found = await db.exec(_SAME_ORDER, params={"order_key": change.order_key})
    # What is only sent in order with it is not its own.
    return {key: seq for key, seq in found.all() if key == whole or key.startswith(f"{whole}/")}


def _known_before(change: Change, known: dict[str, int]) -> int:
    """The newest change told before of what changed, 0 for none.

    A part that changes for the first time was told with its whole object. A whole object is told
    with its parts, so a change of theirs counts: who missed it must not be sent a PATCH.
    """
    if change.part is None:
        return max(known.values(), default=0)
    return known.get(change.key) or known.get(change.whole_key, 0)


async def head(db: AsyncSession, stream: str) -> int:
    """The number of the newest committed change of a stream."""
    found = await db.exec(select(col(FeedHead.seq)).where(col(FeedHead.stream) == stream))
    return found.one()
