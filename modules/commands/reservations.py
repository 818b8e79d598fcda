"""Reservations: eMSPs' ids for them, our own towards stations, and what became of each (CM-21)."""

from collections.abc import Collection
from enum import StrEnum

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Text
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.database import Database
from ocpi.errands import Document, Errand
from ocpi.headers import Party
from ocpi.spec.commands import ReserveNow
from ocpi.spec.document import encode
from ocpi.spec.moments import microseconds
from ocpi.spec.reading import dump, read


class Fate(StrEnum):
    """What became of a reservation."""

    ASKED = "asked"  # The station has not answered yet.
    HELD = "held"  # An EVSE is kept free.
    LAPSED = "lapsed"  # Its time is over; a start from before may still be reported.
    USED = "used"  # The driver came: its Session is charging or has charged.
    EXPIRED = "expired"  # Nobody came in time: its Session has ended, and is billed.
    CANCELED = "canceled"  # By the eMSP.
    DROPPED = "dropped"  # By us or the station, which the eMSP was told (CM-23).
    REFUSED = "refused"  # The station said no, or nothing.


STANDING = (Fate.ASKED, Fate.HELD)
OPEN = (*STANDING, Fate.LAPSED)
"""Those that a driver may still turn out to have used."""
BILLED = (Fate.EXPIRED, Fate.CANCELED)
"""Those that have cost what their Tariff asks for one that nobody used (CM-22)."""


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
    asker: str
    """The key of the partner's party that reserved: the others have ids of their own."""
    reservation_id: str
    """The id that this party gave."""
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
    record: str | None = Field(default=None, sa_type=Text)
    """What was fixed for its bill when it began, as JSON text; see modules.stations.reports."""
    fate: str = Fate.ASKED.value
    """See `Fate`."""

    @property
    def key(self) -> int:
        """The id of a stored reservation."""
        assert self.id is not None
        return self.id


async def reservation_of(
    db: AsyncSession,
    partner_id: int,
    askers: Collection[str],
    reservation_id: str,
    *,
    owner: str,
    location_id: str | None = None,
    lock: bool = False,
) -> Reservation | None:
    """The reservation of that id that stands, or the newest one; case does not matter in ids.

    It is one of the parties `askers` of the partner's, given as keys, with `owner`, the key of a
    party of ours. Given a Location, only what is there counts: a partner may use an id at each
    Location (CM-20).
    """
    query = (
        select(Reservation)
        .where(
            Reservation.partner_id == partner_id,
            col(Reservation.asker).in_(askers),
            Reservation.reservation_id == reservation_id.lower(),
            Reservation.owner == owner,
        )
        .order_by(col(Reservation.fate).in_(STANDING).desc(), col(Reservation.id).desc())
        .limit(1)
    )
    if location_id is not None:
        query = query.where(Reservation.location_id == location_id)
    found = await db.exec(query.with_for_update() if lock else query)
    return found.one_or_none()


async def reserved_at(
    database: Database, partner_id: int, asker: Party, reservation_id: str
) -> set[str]:
    """The keys of our parties with a reservation that stands, of a partner's party, by its id."""
    query = select(Reservation.owner).where(
        Reservation.partner_id == partner_id,
        Reservation.asker == asker.key,
        Reservation.reservation_id == reservation_id.lower().replace("\0", "\ufffd"),
        col(Reservation.fate).in_(STANDING),
    )
    async with database.read() as db:
        return set(await db.exec(query))


async def reserve(db: AsyncSession, errand: Errand, wanted: ReserveNow) -> Reservation:
    """The reservation that a RESERVE_NOW asks for, under a number of our own (CM-21).

    One that stands at the same Location under the same id of the partner's keeps our number, so
    that the station replaces it, and stays as it is until the station has done so (CM-20). Of two
    that come at once the second finds the first: see `came_before`.
    """
    standing = await reservation_of(
        db,
        errand.partner_id,
        {_asker(wanted)},
        wanted.reservation_id,
        owner=errand.owner.key,
        location_id=errand.location_id,
        lock=True,
    )
    if standing is None or standing.fate not in STANDING:
        standing = Reservation(**_asked(errand, wanted))
        db.add(standing)
        await db.flush()
    errand.reservation = standing.key
    await db.flush()
    return standing


def take_over(reservation: Reservation, errand: Errand) -> None:
    """Give a reservation what the RESERVE_NOW asked for that its station has accepted (CM-20)."""
    reservation.sqlmodel_update(_asked(errand, read(ReserveNow, errand.document)))


def _asker(wanted: ReserveNow) -> str:
    """The party for whose driver it is: the one that asks, also where no header says which."""
    return Party(wanted.token.country_code, wanted.token.party_id).key


def _asked(errand: Errand, wanted: ReserveNow) -> Document:
    """What a RESERVE_NOW says of its reservation."""
    return {
        "partner_id": errand.partner_id,
        "asker": _asker(wanted),
        "reservation_id": wanted.reservation_id.lower(),
        "errand_id": errand.id,
        "owner": errand.owner.key,
        "location_id": errand.location_id,
        "evse_uid": errand.evse_uid,
        "connector_id": None,
        "token_key": errand.token_key,
        "token": encode(dump(wanted.token)),
        "authorization_reference": wanted.authorization_reference,
        "expires_at": microseconds(wanted.expiry_date),
    }
