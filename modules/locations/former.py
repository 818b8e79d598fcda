"""Which Tariffs our Connectors had before a change, for sessions that began then, told later."""

from collections.abc import Iterator

from sqlalchemy import BigInteger, Index, Text
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.editing import Document
from ocpi.spec.document import decode, encode


class FormerTariffIDs(SQLModel, table=True):
    """The Tariffs of a Connector that then got others."""

    __tablename__ = "former_tariff_ids"
    __table_args__ = (Index("ix_former_tariff_ids_of", "location", "evse", "connector", "until"),)

    id: int | None = Field(default=None, primary_key=True)
    location: str
    """The Location's key."""
    evse: str
    """Its uid, as the Connector's id in lower case."""
    connector: str
    until: int = Field(sa_type=BigInteger)
    """When it got others, in microseconds since 1970."""
    tariff_ids: str = Field(sa_type=Text)
    """A JSON text."""


def former_ids(key: str, before: Document, after: Document, now: int) -> Iterator[FormerTariffIDs]:
    """What to keep of an EVSE that is changed now; `key` is its Location's."""
    if before["connectors"] is after["connectors"]:
        return
    known = {each["id"].lower(): each.get("tariff_ids") or [] for each in before["connectors"]}
    for connector in after["connectors"]:
        name = connector["id"].lower()
        former = known.get(name)
        if former is not None and former != (connector.get("tariff_ids") or []):
            yield FormerTariffIDs(
                location=key,
                evse=after["uid"].lower(),
                connector=name,
                until=now,
                tariff_ids=encode(former),
            )


async def tariff_ids_at(
    db: AsyncSession, location: str, evse_uid: str, connector_id: str, at: int
) -> list[str] | None:
    """Those of a Connector at a moment, where it has got others since; None where it has not.

    `location` is its key, the moment in microseconds since 1970.
    """
    found = await db.exec(
        select(FormerTariffIDs.tariff_ids)
        .where(
            FormerTariffIDs.location == location,
            FormerTariffIDs.evse == evse_uid.lower(),
            FormerTariffIDs.connector == connector_id.lower(),
            col(FormerTariffIDs.until) > at,
        )
        .order_by(col(FormerTariffIDs.until), col(FormerTariffIDs.id))
        .limit(1)
    )
    former = found.one_or_none()
    return None if former is None else decode(former)
