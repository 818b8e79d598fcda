"""What partners want of stations: stored before a station is asked, answered exactly once.

An errand goes through four moments: it is stored, the station is asked, a result stands, the
partner is told. Each is set by an update that only one process can make, so no station is asked
twice and no result is told twice; a result that does not come in time is TIMEOUT.
"""

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Text, update
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.database import clock
from ocpi.headers import Party
from ocpi.spec.document import decode, encode

Document = dict[str, Any]

TELLING = 5
"""Seconds that a result has to reach the partner. By so much the timeout that it is told lies
behind our giving up, or our own TIMEOUT would come when nobody waits for it any more (CM-11)."""
AT_ONCE = 100
"""How many errands are taken in one step: one with too many would not fit its time."""


class Errand(SQLModel, table=True):
    """One command or charging profile request of a partner."""

    __tablename__ = "errand"
    __table_args__ = (
        Index("ix_errand_open", "answered_at", "deadline"),
        Index("ix_errand_partner", "partner_id", "answered_at"),
        Index("ix_errand_untold", "told_at", "answered_at"),
        Index("ix_errand_token", "token_key", "created_at"),
        Index("ix_errand_request", "partner_id", "request_id"),
    )

    id: str = Field(primary_key=True)
    wish: str
    """See ocpi.gateway.Wish."""
    partner_id: int = Field(
        sa_column=Column(ForeignKey("partner.id", ondelete="CASCADE"), nullable=False)
    )
    owner_country_code: str
    owner_party_id: str
    """The party of ours that was asked..."""
    asker_country_code: str
    asker_party_id: str
    """...and the party of the partner's that asked."""
    location_id: str
    evse_uid: str | None = None
    connector_id: str | None = None
    session_id: str | None = Field(default=None, index=True)
    """The Session that it is about, or that came of it."""
    reservation: int | None = None
    """Our number of the reservation meant."""
    token_key: str | None = None
    """See `token_key`."""
    request: str = Field(sa_type=Text)
    """The partner's own words, as JSON text."""
    response_url: str
    method: str = "POST"
    """How the partner is told the result at `response_url`."""
    correlation_id: str
    request_id: str | None = None
    """The X-Request-ID that the partner sent, by which a request that comes again is known."""
    created_at: int = Field(sa_type=BigInteger)
    deadline: int = Field(sa_type=BigInteger)
    asked_at: int | None = Field(default=None, sa_type=BigInteger)
    answered_at: int | None = Field(default=None, sa_type=BigInteger)
    result: str | None = Field(default=None, sa_type=Text)
    """What the partner is told, as JSON text."""
    told_at: int | None = Field(default=None, sa_type=BigInteger)
    """When telling began; it is not begun twice."""
    note: str | None = None
    """What went wrong, for staff."""

    @property
    def owner(self) -> Party:
        """The party of ours that was asked."""
        return Party(self.owner_country_code, self.owner_party_id)

    @property
    def asker(self) -> Party:
        """The party that asked."""
        return Party(self.asker_country_code, self.asker_party_id)

    @property
    def document(self) -> Document:
        """The partner's own words."""
        document: Document = decode(self.request)
        return document


def token_key(uid: str, kind: str) -> str:
    """How errands and authorizations name a driver's token: uid and type, in lower case."""
    return f"{uid}*{kind}".lower()


async def take_new(db: AsyncSession) -> Sequence[Errand]:
    """Errands that no station was asked for yet, marked as asked, `AT_ONCE` at most.

    Those whose time is up are left: a station may not begin what its partner takes for failed.
    """
    now = await clock(db)
    # Locked first: within the update PostgreSQL may look for them again at every row.
    new = await db.exec(
        select(Errand.id)
        .where(
            col(Errand.asked_at).is_(None),
            col(Errand.answered_at).is_(None),
            col(Errand.deadline) > now,
        )
        .order_by(col(Errand.deadline))
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    found = await db.exec(
        update(Errand)
        .where(col(Errand.id).in_(new.all()))
        .values(asked_at=now)
        .returning(Errand)
        .execution_options(populate_existing=True)
    )
    return found.scalars().all()


async def answer(
    db: AsyncSession, errand_id: str, result: Document, note: str | None = None
) -> bool:
    """Record the result of an errand; False where one stands already."""
    found = await db.exec(
        update(Errand)
        .where(col(Errand.id) == errand_id, col(Errand.answered_at).is_(None))
        .values(answered_at=await clock(db), result=encode(result), note=note)
    )
    return bool(found.rowcount)


async def tell(db: AsyncSession, errand: Errand, method: str, url: str, result: Document) -> None:
    """Have the asker of an errand told more than its result, once."""
    news = {"response_url": url, "method": method, "result": encode(result)}
    await follow_up(db, errand, **news, answered_at=await clock(db))


async def follow_up(db: AsyncSession, errand: Errand, **changes: Any) -> None:
    """Add a new errand that is like another one, but for what is given."""
    now = await clock(db)
    fresh = {"asked_at", "answered_at", "result", "told_at", "note", "token_key", "request_id"}
    kept = errand.model_dump(exclude=fresh)
    moments = {"created_at": now, "deadline": now + errand.deadline - errand.created_at}
    db.add(Errand(**{**kept, **moments, "id": str(uuid4()), **changes}))
    await db.flush()


async def overdue(db: AsyncSession) -> Sequence[Errand]:
    """The errands whose time is up and that have no result, `AT_ONCE` at most."""
    found = await db.exec(
        select(Errand)
        .where(col(Errand.answered_at).is_(None), col(Errand.deadline) <= await clock(db))
        .order_by(col(Errand.deadline))
        .limit(AT_ONCE)
    )
    return found.all()


async def take_untold(db: AsyncSession) -> Sequence[Errand]:
    """The errands whose result the partner was not told, marked as told, the oldest first."""
    found = await db.exec(
        update(Errand)
        .where(col(Errand.told_at).is_(None), col(Errand.answered_at).is_not(None))
        .values(told_at=await clock(db))
        .returning(Errand)
        .execution_options(populate_existing=True)
    )
    return sorted(found.scalars().all(), key=lambda errand: errand.answered_at or 0)
