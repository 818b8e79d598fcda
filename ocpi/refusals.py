"""Requests without a valid token, counted by all processes together: one row for each minute."""

from sqlalchemy import BigInteger, delete, func
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.database import Database, clock
from ocpi.metrics import Metrics
from ocpi.ownwords import insert_into

MINUTE = 60_000_000
KEPT = 60 * MINUTE


class AuthFailure(SQLModel, table=True):
    """How many requests were refused in a minute of the database's clock."""

    __tablename__ = "auth_failure"

    minute: int = Field(primary_key=True, sa_type=BigInteger)
    count: int


async def store_refusals(database: Database, metrics: Metrics) -> None:
    """Store what this process has refused since the last time; nothing where it has not."""
    refused = metrics.take_refusals()
    if not refused:
        return
    async with database.write() as db:
        minute = await clock(db) // MINUTE * MINUTE
        await db.exec(delete(AuthFailure).where(col(AuthFailure.minute) < minute - KEPT))
        row = insert_into(db)(AuthFailure).values(minute=minute, count=refused)
        more = {"count": col(AuthFailure.count) + refused}
        await db.exec(row.on_conflict_do_update(index_elements=["minute"], set_=more))


async def refused_since(db: AsyncSession, since: int) -> int:
    """How many requests were refused since a moment, to the minute."""
    total = select(func.coalesce(func.sum(col(AuthFailure.count)), 0))
    return int((await db.exec(total.where(col(AuthFailure.minute) > since))).one())
