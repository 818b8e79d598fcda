"""What each partner was forgiven, as it is stored and shown: what its staff should mend."""

from collections.abc import Sequence

from pydantic import BaseModel, Field
from sqlalchemy import BigInteger, Column, ForeignKey
from sqlmodel import Field as ColumnField
from sqlmodel import SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.database import Database, clock
from ocpi.forgiving import ADVICE, Forgiven, Forgiving
from ocpi.ownwords import insert_into
from ocpi.parties import Partner
from ocpi.spec.moments import format_moment, moment_of


class PartnerTolerance(SQLModel, table=True):
    """How often a partner needed a tolerance, all processes together."""

    __tablename__ = "tolerance"

    partner_id: int = ColumnField(
        sa_column=Column(ForeignKey("partner.id", ondelete="CASCADE"), primary_key=True)
    )
    rule: str = ColumnField(primary_key=True)
    count: int = ColumnField(sa_type=BigInteger)
    first_at: int = ColumnField(sa_type=BigInteger)
    last_at: int = ColumnField(sa_type=BigInteger)
    sample: str
    """Names of fields or of headers; no data of anybody."""


class ToleranceView(BaseModel):
    """What a partner gets wrong and is forgiven."""

    rule: str = Field(examples=["IP-08 moment"])
    count: int = Field(examples=[17])
    first_seen: str = Field(examples=["2026-01-02T03:04:05Z"])
    last_seen: str = Field(examples=["2026-01-03T03:04:05Z"])
    sample: str = Field(description="Where it was met last.", examples=["Location last_updated"])
    advice: str = Field(
        description="What the partner should mend, in words that can be sent to it.",
        examples=["Write times as 2026-01-02T03:04:05Z."],
    )


async def store_tolerances(database: Database, forgiving: Forgiving) -> None:
    """Store what this process has forgiven; nothing is written where nothing is new."""
    noted = forgiving.take()
    if not noted:
        return
    try:
        async with database.write() as db:
            await _store(db, noted)
    except Exception:
        forgiving.give_back(noted)
        raise


async def _store(db: AsyncSession, noted: dict[tuple[str, str], Forgiven]) -> None:
    names = {partner for partner, _ in noted}
    # One that was removed meanwhile has no table of mistakes any more.
    found = await db.exec(select(Partner.name, Partner.id).where(col(Partner.name).in_(names)))
    ids = dict(found.all())
    now = await clock(db)
    rows = [
        {
            "partner_id": ids[partner],
            "rule": rule,
            "count": each.count,
            "first_at": now,
            "last_at": now,
            "sample": each.sample,
        }
        # All processes lock these rows in one order.
        for (partner, rule), each in sorted(noted.items())
        if partner in ids
    ]
    if not rows:
        return
    statement = insert_into(db)(PartnerTolerance).values(rows)
    new = statement.excluded
    await db.exec(
        statement.on_conflict_do_update(
            index_elements=["partner_id", "rule"],
            set_={
                "count": col(PartnerTolerance.count) + new.count,
                "last_at": new.last_at,
                "sample": new.sample,
            },
        )
    )


async def tolerances_of(db: AsyncSession, ids: Sequence[int]) -> dict[int, list[ToleranceView]]:
    """What each of these partners was forgiven, the most frequent first."""
    found = await db.exec(
        select(PartnerTolerance)
        .where(col(PartnerTolerance.partner_id).in_(ids))
        .order_by(col(PartnerTolerance.count).desc(), col(PartnerTolerance.rule))
    )
    views: dict[int, list[ToleranceView]] = {}
    for row in found:
        views.setdefault(row.partner_id, []).append(_view(row))
    return views


def _view(row: PartnerTolerance) -> ToleranceView:
    return ToleranceView(
        rule=row.rule,
        count=row.count,
        first_seen=format_moment(moment_of(row.first_at)),
        last_seen=format_moment(moment_of(row.last_at)),
        sample=row.sample,
        advice=ADVICE.get(row.rule, "See the specification."),
    )
