"""Marks in the feed, one a minute at most: how far it was at which time.

The feed's rows bear no times of their own, since a change of an object replaces its row. With marks
it can be told again from a moment on: rather a minute too much than a change too little.
"""

from collections.abc import Mapping

from sqlalchemy import BigInteger, delete
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.database import clock
from ocpi.ownwords import insert_into
from ocpi.push.feed import FeedHead, Stream

MINUTE = 60 * 1_000_000
# Longer than anybody should take to notice that a partner has lost something.
KEPT = 35 * 24 * 60 * MINUTE


class FeedMark(SQLModel, table=True):
    """What had these numbers or smaller ones was committed before this moment."""

    __tablename__ = "feed_mark"

    at: int = Field(primary_key=True, sa_type=BigInteger)
    """A full minute on the database's clock."""
    money: int = Field(sa_type=BigInteger)
    state: int = Field(sa_type=BigInteger)


_NEWEST = select(FeedMark).order_by(col(FeedMark.at).desc()).limit(1)


async def mark_feed(db: AsyncSession) -> None:
    """Set a mark for this minute if anything has changed since the last one; forget old marks."""
    found = await db.exec(select(FeedHead).where(col(FeedHead.stream).in_(list(Stream))))
    heads = {head.stream: head.seq for head in found}
    # The clock is read after the numbers, so that none of them is newer than its mark.
    now = await clock(db)
    newest = (await db.exec(_NEWEST)).one_or_none()
    if newest is not None:
        if newest.at > now or heads == {"money": newest.money, "state": newest.state}:
            return
        old = delete(FeedMark).where(col(FeedMark.at) < now - KEPT, col(FeedMark.at) < newest.at)
        await db.exec(old)
    at = (now // MINUTE + 1) * MINUTE
    # Another worker may set the same mark.
    mark = insert_into(db)(FeedMark).values(at=at, **heads).on_conflict_do_nothing()
    await db.exec(mark)


async def marked_before(db: AsyncSession, since: int) -> tuple[int | None, Mapping[str, int]]:
    """The newest mark that is not after a moment, with its numbers; None: there is none so old."""
    found = await db.exec(_NEWEST.where(col(FeedMark.at) <= since))
    mark = found.one_or_none()
    return (None, {}) if mark is None else (mark.at, {"money": mark.money, "state": mark.state})
