"""Our Tariffs as they were before a change, for sessions that began by them and are told later."""

from sqlalchemy import BigInteger, Index, Text
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from modules.tariffs.store import tariffs
from ocpi.database import clock
from ocpi.editing import Document, object_key
from ocpi.headers import Party
from ocpi.spec.document import decode, encode


class FormerTariff(SQLModel, table=True):
    """A Tariff that was changed or deleted."""

    __tablename__ = "former_tariff"
    __table_args__ = (Index("ix_former_tariff_key", "key", "until"),)

    id: int | None = Field(default=None, primary_key=True)
    key: str
    until: int = Field(sa_type=BigInteger)
    """When it was changed, in microseconds since 1970."""
    body: str = Field(sa_type=Text)


async def keep_former(db: AsyncSession, key: str, document: Document) -> None:
    """Keep what a Tariff was until now; the caller has its row locked."""
    db.add(FormerTariff(key=key, until=await clock(db), body=encode(document)))


async def tariff_at(
    db: AsyncSession, owner: Party, tariff_id: str, at: int | None
) -> Document | None:
    """A Tariff as it was at a moment (microseconds since 1970), if that is kept; or as it is.

    One that is newer is given as it was at first.
    """
    if at is None:
        return await tariffs.get(db, owner, tariff_id)
    found = await db.exec(
        select(FormerTariff.body)
        .where(FormerTariff.key == object_key(owner, tariff_id), col(FormerTariff.until) > at)
        .order_by(col(FormerTariff.until), col(FormerTariff.id))
        .limit(1)
    )
    former = found.one_or_none()
    return await tariffs.get(db, owner, tariff_id) if former is None else decode(former)
