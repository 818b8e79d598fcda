"""Who speaks for whom: our platforms and their parties, partners with their roles and endpoints."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    UniqueConstraint,
    bindparam,
    delete,
    literal_column,
    null,
    select,
    update,
)
from sqlmodel import Field, SQLModel, col

from ocpi.database import Database, clock
from ocpi.errors import InvalidParameters, NotAuthenticated, UnknownObject
from ocpi.headers import Party, read_tokens
from ocpi.sealing import hash_token
from ocpi.sight import ALL, Sight, read_sight
from ocpi.spec.document import decode

VERSION = "2.2.1"


class PlatformID(StrEnum):
    """One of our faces: `cpo` speaks for our own CPO parties, `hub` for the hub alone (CR-28)."""

    CPO = "cpo"
    HUB = "hub"


# Each platform has one kind of party.
ROLES = {PlatformID.CPO: "CPO", PlatformID.HUB: "HUB"}


class State(StrEnum):
    """How far the registration of a partner is (IP-02, AT-09)."""

    OFFERED = "offered"  # A registration token exists; nothing was exchanged yet.
    ISSUED = "issued"  # Credentials were exchanged; the partner has not used its new token yet.
    CONFIRMED = "confirmed"  # The partner has used its token: both sides hold working tokens.
    UNREGISTERED = "unregistered"  # One side sent DELETE; only staff can open a registration again.


class OurParty(SQLModel, table=True):
    """A party of one of our platforms: a CredentialsRole that we present."""

    __tablename__ = "our_party"
    __table_args__ = (UniqueConstraint("platform", "role", "party"),)

    id: int | None = Field(default=None, primary_key=True)
    platform: str
    role: str
    party: str
    country_code: str
    party_id: str
    business_details: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))


class Partner(SQLModel, table=True):
    """The platform at the other end of one connection to one of our platforms."""

    __tablename__ = "partner"

    id: int | None = Field(default=None, primary_key=True)
    name: str = Field(unique=True)
    platform: str
    state: str
    suspended: bool = False
    versions_url: str | None = None
    token_out: str | None = None
    """Sealed, see ocpi.sealing."""
    options: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    """Settings for what this partner does its own way, see PartnerOptions."""
    rules: list[dict[str, Any]] | None = Field(
        default=None, sa_column=Column(JSON(none_as_null=True))
    )
    """What it may see of our Locations and Tariffs, see ocpi.sight; None: everything."""
    mappings: list[dict[str, Any]] | None = Field(
        default=None, sa_column=Column(JSON(none_as_null=True))
    )
    """Which Tariffs of ours it gets instead of others, see ocpi.mappings; None: never any."""
    passed_at: int | None = Field(default=None, sa_type=BigInteger)
    """When it first passed the check before it goes live."""
    note: str | None = None
    """What the last handshake came to, in a sentence for staff."""
    created_at: int = Field(sa_type=BigInteger)
    registered_at: int | None = Field(default=None, sa_type=BigInteger)

    @property
    def key(self) -> int:
        """The id of a stored partner."""
        assert self.id is not None
        return self.id


def waits_for_check(name: str) -> str:
    """Why a partner gets no live data where OCPI_REQUIRE_CHECK is on."""
    return (
        f"It gets no live data before it has passed `ocpi partner check {name}` "
        "(OCPI_REQUIRE_CHECK)."
    )


class PartnerRole(SQLModel, table=True):
    """A party role of a partner: fixed when registration is offered (TA-04), and live only once."""

    __tablename__ = "partner_role"
    __table_args__ = (
        UniqueConstraint("platform", "role", "party"),
        Index("ix_partner_role_party", "party"),
    )

    id: int | None = Field(default=None, primary_key=True)
    partner_id: int = Field(
        sa_column=Column(ForeignKey("partner.id", ondelete="CASCADE"), nullable=False, index=True)
    )
    platform: str
    role: str
    party: str
    country_code: str
    party_id: str
    business_details: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON))
    """None until the partner has presented this role."""


class PartnerEndpoint(SQLModel, table=True):
    """An endpoint from a partner's version details; (identifier, role) is unique (VE-06)."""

    __tablename__ = "partner_endpoint"

    partner_id: int = Field(
        sa_column=Column(ForeignKey("partner.id", ondelete="CASCADE"), primary_key=True)
    )
    identifier: str = Field(primary_key=True)
    role: str = Field(primary_key=True)
    url: str


class WithheldEndpoint(SQLModel, table=True):
    """An endpoint at a place that nobody has approved, see ocpi.homes (TA-27).

    It stands in a table of its own, so that nothing that calls partners can meet it.
    """

    __tablename__ = "withheld_endpoint"

    partner_id: int = Field(
        sa_column=Column(ForeignKey("partner.id", ondelete="CASCADE"), primary_key=True)
    )
    identifier: str = Field(primary_key=True)
    role: str = Field(primary_key=True)
    url: str


class IssuedToken(SQLModel, table=True):
    """A token that a partner presents to us (`token_in`), as its hash only."""

    __tablename__ = "issued_token"

    hash: str = Field(primary_key=True)
    partner_id: int = Field(
        sa_column=Column(ForeignKey("partner.id", ondelete="CASCADE"), nullable=False, index=True)
    )
    registration: bool
    """Good for versions and credentials only (TOKEN_A)."""
    created_at: int = Field(sa_type=BigInteger)
    expires_at: int | None = Field(default=None, sa_type=BigInteger)
    used_at: int | None = Field(default=None, sa_type=BigInteger)


@dataclass(frozen=True)
class PartyRole:
    """A role that a partner plays as a party."""

    role: str
    party: Party


@dataclass(frozen=True)
class Caller:
    """Who sent a request, as its token tells."""

    partner_id: int
    name: str
    platform: str
    roles: tuple[PartyRole, ...]
    state: State
    registration: bool
    """The token was a registration token (TOKEN_A)."""
    token: str
    """The token as presented, since GET credentials must tell it again (AT-07)."""
    sight: Sight = ALL
    passed: bool = False
    """It has passed the check before it goes live."""
    ours: tuple[Party, ...] = ()
    """The parties of the platform of ours that was asked, oldest first."""

    @property
    def parties(self) -> tuple[Party, ...]:
        """The parties that it speaks for, each once."""
        return tuple({role.party.key: role.party for role in self.roles}.values())

    def __repr__(self) -> str:
        return f"Caller({self.name})"


_PRESENTED = (
    select(
        col(IssuedToken.hash),
        col(IssuedToken.registration),
        col(IssuedToken.expires_at),
        col(IssuedToken.used_at),
        col(Partner.id),
        col(Partner.name),
        col(Partner.state),
        col(Partner.suspended),
        col(PartnerRole.role),
        col(PartnerRole.country_code),
        col(PartnerRole.party_id),
        col(Partner.rules),
        col(Partner.passed_at),
        col(Partner.mappings),
    )
    .join(Partner, col(Partner.id) == col(IssuedToken.partner_id))
    .outerjoin(PartnerRole, col(PartnerRole.partner_id) == col(Partner.id))
    .where(
        col(IssuedToken.hash) == bindparam("hash"), col(Partner.platform) == bindparam("platform")
    )
)
# Both in one statement, since every request needs both: our parties have no hash.
_FACED = select(
    *(null() for _ in range(9)),
    col(OurParty.country_code),
    col(OurParty.party_id),
    null(),
    null(),
    null(),
    col(OurParty.id),
).where(col(OurParty.platform) == bindparam("platform"))
_PRESENTED_AND_FACED = _PRESENTED.add_columns(literal_column("0").label("age")).union_all(_FACED)


async def authenticate(
    database: Database, platform: str, authorization: str | None, now: int
) -> Caller:
    """Who presents this Authorization header to one of our platforms (TR-04, TR-05).

    `now` is in microseconds since 1970. Raises ``NotAuthenticated``.
    """
    key = ("presented", platform, authorization)
    presented = await database.kept.get(key, lambda: _presented(database, platform, authorization))
    caller = presented.caller
    if presented.expires_at is not None and presented.expires_at <= now:
        raise NotAuthenticated("This token has expired: ask for a new one.")
    if presented.suspended:
        raise NotAuthenticated("This connection is suspended by the operator of this platform.")
    if presented.used:
        return caller
    hashed = hash_token(caller.token)
    await _first_use(database, caller.partner_id, hashed, registration=caller.registration)
    return caller if caller.registration else replace(caller, state=State.CONFIRMED)


@dataclass(frozen=True)
class _Presented:
    """A token that is known here, and who presents it."""

    caller: Caller
    expires_at: int | None
    used: bool
    suspended: bool


async def _presented(database: Database, platform: str, authorization: str | None) -> _Presented:
    for token in read_tokens(authorization):
        given = {"hash": hash_token(token), "platform": platform}
        rows = await database.fetch("parties.presented", _PRESENTED_AND_FACED, given)
        presented = [row for row in rows if row[0] is not None]
        if presented:
            faced = sorted((row[14], row[9], row[10]) for row in rows if row[0] is None)
            ours = tuple(Party(*codes) for _, *codes in faced)
            return _read_presented(platform, token, presented, ours)
    raise NotAuthenticated("This token is not known here (any more).")


def _read_presented(platform: str, token: str, rows: Any, ours: tuple[Party, ...]) -> _Presented:
    _, registration, expires_at, used_at, partner_id, name, state, suspended = rows[0][:8]
    roles = tuple(PartyRole(row[8], Party(row[9], row[10])) for row in rows if row[8] is not None)
    rules, passed_at, mappings = rows[0][11:14]
    caller = Caller(
        partner_id,
        name,
        platform,
        roles,
        State(state),
        bool(registration),
        token,
        read_sight(rules, mappings),
        passed=passed_at is not None,
        ours=ours,
    )
    return _Presented(caller, expires_at, used=used_at is not None, suspended=bool(suspended))


async def _first_use(
    database: Database, partner_id: int, hashed: str, *, registration: bool
) -> None:
    """The first use of a token proves that it arrived, so older ones can go (AT-08)."""
    async with database.write() as db:
        # Registration locks the partner before its tokens too; the other order would deadlock.
        await db.get(Partner, partner_id, with_for_update={"key_share": True})
        now = await clock(db)
        used = await db.exec(
            update(IssuedToken)
            .where(col(IssuedToken.hash) == hashed, col(IssuedToken.used_at).is_(None))
            .values(used_at=now)
            .returning(col(IssuedToken.created_at))
        )
        created_at = used.scalar_one_or_none()
        if created_at is None or registration:
            return
        await db.exec(
            delete(IssuedToken).where(
                col(IssuedToken.partner_id) == partner_id,
                col(IssuedToken.hash) != hashed,
                col(IssuedToken.created_at) <= created_at,
            )
        )
        await db.exec(
            update(Partner)
            .where(col(Partner.id) == partner_id, col(Partner.state) == State.ISSUED)
            .values(state=State.CONFIRMED)
        )


_OUR_PARTIES = (
    select(col(OurParty.country_code), col(OurParty.party_id))
    .where(col(OurParty.platform) == "")
    .order_by(col(OurParty.id))
)


async def our_parties(database: Database, platform: str) -> tuple[Party, ...]:
    """The parties of a platform of ours, oldest first."""
    given = {"platform_1": platform}
    rows = await database.kept.get(
        ("ours", platform), lambda: database.fetch("parties.ours", _OUR_PARTIES, given)
    )
    return tuple(Party(country_code, party_id) for country_code, party_id in rows)


async def named_party(database: Database, named: str | None) -> Party:
    """The CPO party of ours that a command names, such as `DE*ABC`; the only one needs no name.

    Raises ``InvalidParameters`` and ``UnknownObject``.
    """
    ours = await our_parties(database, PlatformID.CPO)
    if named is None and len(ours) == 1:
        return ours[0]
    listed = ", ".join(str(party) for party in ours) or "none yet: see `ocpi party add --help`"
    if named is None:
        raise InvalidParameters(f"--party is needed; our parties: {listed}")
    for party in ours:
        if party.key == named.replace("-", "*").lower():
            return party
    raise UnknownObject(f"{named} is no party of ours; our parties: {listed}")


_OPTIONS = select(col(Partner.options)).where(col(Partner.id) == bindparam("partner_id"))


async def options_of(database: Database, partner_id: int) -> dict[str, Any]:
    """What is done a partner's own way, as stored; `credentials.options` has them all."""
    given = {"partner_id": partner_id}
    rows = await database.kept.get(
        ("options", partner_id), lambda: database.fetch("parties.options", _OPTIONS, given)
    )
    return {name: value for (stored,) in rows for name, value in decode(stored).items()}


def our_party(platform: PlatformID, party: Party, business_details: dict[str, Any]) -> OurParty:
    """A row for a party of ours; its role is the one that the platform has (CR-28)."""
    return OurParty(
        platform=platform.value,
        role=ROLES[platform],
        party=party.key,
        country_code=party.country_code,
        party_id=party.party_id,
        business_details=business_details,
    )
