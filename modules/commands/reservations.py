"""Reservations: eMSPs' ids for them, our own towards stations, and what became of each (CM-21)."""

from enum import StrEnum

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Text
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession


class Fate(StrEnum):
    """What became of a reservation."""

    ASKED = "asked"  # The station has not answered yet.
    HELD = "held"  # An EVSE is kept free.
    USED = "used"  # The driver came: its Session is charging or has charged.
    EXPIRED = "expired"  # Nobody came in time.
    CANCELED = "canceled"  # By the eMSP.
    DROPPED = "dropped"  # By us or the station, which the eMSP was told (CM-23).
    REFUSED = "refused"  # The station said no, or nothing.


class Reservation(SQLModel, table=True):
    """One reservation of one partner."""

    __tablename__ = "reservation"
    __table_args__ = (
        Index("ix_reservation_theirs", "partner_id", "reservation_id"),
        Index("ix_reservation_expiry", "fate", "expires_at"),
        Index("ix_reservation_token", "token_key"),
    )

    id: int | None = Field(default=None, primary_key=True)
    """Our own id, a number since stations of OCPP take no other."""
    partner_id: int = Field(
        sa_column=Column(ForeignKey("partner.id", ondelete="CASCADE"), nullable=False)
    )
    reservation_id: str
    """The partner's id."""
    errand_id: str = Field(index=True)
    """The RESERVE_NOW that holds now; its response_url hears of a reservation dropped."""
    owner: str
    """The key of our party."""
    location_id: str
    evse_uid: str | None = None
    connector_id: str | None = None
    token_key: str
    token: str = Field(sa_type=Text)
    """The Token to be used, as JSON text."""
    authorization_reference: str | None = None
    expires_at: int = Field(sa_type=BigInteger)
    held_at: int | None = Field(default=None, sa_type=BigInteger)
    session_id: str | None = Field(default=None, index=True)
    """The Session that it made (SE-16)."""
    fate: str = Fate.ASKED.value
    """See `Fate`."""

    @property
    def key(self) -> int:
        """The id of a stored reservation."""
        assert self.id is not None
        return self.id


async def reservation_of(
    db: AsyncSession, partner_id: int, reservation_id: str, *, lock: bool = False
) -> Reservation | None:
    """A partner's newest reservation of that id; ids are compared without regard to case."""
    query = (
        select(Reservation)
        .where(
            Reservation.partner_id == partner_id,
            Reservation.reservation_id == reservation_id.lower(),
        )
        .order_by(col(Reservation.id).desc())
        .limit(1)
    )
    found = await db.exec(query.with_for_update() if lock else query)
    return found.one_or_none()
