"""The directory of the hub: every party that can be reached through it, and on whose connection."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    CompoundSelect,
    ForeignKey,
    Select,
    Text,
    and_,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    true,
    union_all,
)
from sqlmodel import Field, SQLModel, col
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.agreements import Agreements, read_agreements
from ocpi.database import Database
from ocpi.headers import Party
from ocpi.parties import OurParty, Partner, PartnerRole, PlatformID, State
from ocpi.settings import Settings
from ocpi.sides import hearers, owning
from ocpi.spec.hubclientinfo import ConnectionStatus

REGISTERED: tuple[ColumnElement[bool], ...] = (
    or_(col(Partner.state) == State.ISSUED, col(Partner.state) == State.CONFIRMED),
    col(Partner.suspended).is_(False),
)
"""The partners with which there is a connection, be it interrupted: not suspended."""


def live_partners(settings: Settings) -> tuple[ColumnElement[bool], ...]:
    """Those that give and get live data: where a check is required, the ones that passed it."""
    passed = col(Partner.passed_at).is_not(None)
    return (*REGISTERED, passed) if settings.require_check else REGISTERED


class AnnouncedParty(SQLModel, table=True):
    """A party behind a partner that is a hub, as that one's HubClientInfo tells (TA-28)."""

    __tablename__ = "announced_party"

    partner_id: int = Field(
        sa_column=Column(ForeignKey("partner.id", ondelete="CASCADE"), primary_key=True)
    )
    role: str = Field(primary_key=True)
    party: str = Field(primary_key=True, index=True)
    country_code: str
    party_id: str
    status: str
    """A ConnectionStatus."""
    last_updated: int = Field(sa_type=BigInteger)


@dataclass(frozen=True)
class Member:
    """A role that a party plays at the hub."""

    party: Party
    role: str
    partner_id: int | None
    """The connection it is reached by; None: it is a CPO party of our own."""
    status: str | None = None
    """What the partner that it is behind tells of it; None: it is a party of the partner itself."""
    presented: bool = True
    """False: it was agreed on, but the partner's Credentials do not name it (yet, or any more)."""
    shares: bool = True
    """It is CONNECTED or OFFLINE, so that what it has shared is listed and told (HC-09)."""


@dataclass(frozen=True)
class Directory:
    """All members at one moment, and which of them may talk to each other."""

    hub: Party | None
    members: Mapping[str, Sequence[Member]]
    """By the party's key."""
    agreements: Agreements
    _known: dict[str, Mapping[str, Sequence[Member]]] = field(default_factory=dict, compare=False)

    def of(self, partner_id: int) -> Iterator[Member]:
        """The members on a partner's connection, those that it announced included."""
        for members in self.members.values():
            yield from (each for each in members if each.partner_id == partner_id)

    def is_open(self, caller: Party, other: Party, module: str) -> bool:
        """Whether another party is there, and a party may send it messages of a module."""
        return other.key in self.members and self.agreements.may(caller.key, other.key, module)

    def open_to(self, caller: Party, partner_id: int, module: str, shared: str) -> list[Party]:
        """The parties that a message of a module can be for by what they share of another one.

        They share it now, not from the sender's own connection, and it may send them the message.
        """
        return [
            self.members[key][0].party
            for key, sharers in self._all_sharers(shared).items()
            if self.agreements.may(caller.key, key, module)
            and all(each.partner_id != partner_id for each in sharers)
        ]

    def shared_with(self, caller: Party, partner_id: int, module: str) -> list[Party]:
        """The parties whose objects a party may list: those whose broadcasts it hears (RT-38).

        It is heard as what it is on the connection that it calls by. Whether it may send them
        anything is another question: the hub answers, and they are not asked.
        """
        here = (m for m in self.members.get(caller.key, ()) if m.partner_id == partner_id)
        own = {member.role for member in here if member.presented}
        return [
            members[0].party
            for key, members in self.members.items()
            if self.agreements.may(key, caller.key, module)
            and own & self.hearers_of(key, module, partner_id)
        ]

    def sharers(self, owner: str, module: str) -> Sequence[Member]:
        """As whom a party, by its key, shares objects of a module: it may play other roles as well.

        Nobody while it is PLANNED or SUSPENDED as such: receivers would refuse them (HC-11, HC-12).
        By a role that is agreed on, and no more, it owns nothing yet (see `ocpi.owning`).
        """
        known = self._known.get(module)
        return (
            _sharing(self.members.get(owner, ()), module) if known is None else known.get(owner, ())
        )

    def _all_sharers(self, module: str) -> Mapping[str, Sequence[Member]]:
        """The same of all that share something, by key: worked out once, for message by message."""
        if module not in self._known:
            shared = {key: _sharing(each, module) for key, each in self.members.items()}
            self._known[module] = {key: each for key, each in shared.items() if each}
        return self._known[module]

    def hearers_of(self, owner: str, module: str, partner_id: int) -> frozenset[str]:
        """The roles at a partner that hear what a party, by its key, shares now.

        None where it shares it from there. Another connection is another client of the hub, also
        where it is of the same party in another role.
        """
        sharers = self.sharers(owner, module)
        if not sharers or any(each.partner_id == partner_id for each in sharers):
            return frozenset()
        return hearers(module, [each.role for each in sharers])


def _sharing(members: Sequence[Member], module: str) -> Sequence[Member]:
    role = owning(module, [each.role for each in members if each.presented])
    return [each for each in members if each.role == role and each.shares]


# None is stored as JSON's null.
PRESENTED = func.coalesce(cast(col(PartnerRole.business_details), Text), "null") != "null"
"""Whether the partner's Credentials name a role: not while it is offered, nor when it has left."""
MEMBERS: CompoundSelect[Any] = union_all(
    select(
        literal("CPO").label("role"),
        col(OurParty.party).label("party"),
        col(OurParty.country_code).label("country_code"),
        col(OurParty.party_id).label("party_id"),
        null().label("partner_id"),
        null().label("status"),
        true().label("presented"),
    ).where(col(OurParty.platform) == PlatformID.CPO.value),
    select(
        col(PartnerRole.role),
        col(PartnerRole.party),
        col(PartnerRole.country_code),
        col(PartnerRole.party_id),
        col(PartnerRole.partner_id),
        null(),
        PRESENTED,
    ).where(col(PartnerRole.platform) == PlatformID.HUB.value),
    select(
        col(AnnouncedParty.role),
        col(AnnouncedParty.party),
        col(AnnouncedParty.country_code),
        col(AnnouncedParty.party_id),
        col(AnnouncedParty.partner_id),
        col(AnnouncedParty.status),
        true(),
    )
    .join(Partner, col(Partner.id) == col(AnnouncedParty.partner_id))
    .where(col(Partner.platform) == PlatformID.HUB.value),
)


async def read_directory(database: Database, settings: Settings) -> Directory:
    """The directory as it is now."""
    key = ("directory", settings.hub_is_open, settings.require_check)
    return await database.kept.get(key, lambda: _read_directory(database, settings))


async def _read_directory(database: Database, settings: Settings) -> Directory:
    key = ("directory", settings.require_check)
    rows = await database.fetch(key, _members(live_partners(settings)), {})
    return Directory(
        hub=hub_party(settings),
        members=_grouped(rows),
        agreements=await read_agreements(database, default=settings.hub_is_open),
    )


async def read_some(db: AsyncSession, parties: Collection[str]) -> Directory:
    """Some parties, by their keys, as they are in a transaction: who shares what.

    Whether all have passed a check that is required is left aside.
    """
    query = _members(REGISTERED)
    some = query.where(query.selected_columns.party.in_(parties))
    rows = (await db.exec(some)).all()  # type: ignore[call-overload]
    return Directory(None, _grouped(rows), Agreements({}, default=True))


def _members(live: Sequence[ColumnElement[bool]]) -> Select[Any]:
    """All members, and which of them share: not by what was told of them, which comes later."""
    members = MEMBERS.subquery()
    left_out = (ConnectionStatus.PLANNED.value, ConnectionStatus.SUSPENDED.value)
    shares = and_(
        members.c.presented,
        or_(members.c.partner_id.is_(None), and_(*live)),
        or_(members.c.status.is_(None), members.c.status.not_in(left_out)),
    )
    return select(members, shares).outerjoin(Partner, col(Partner.id) == members.c.partner_id)


def _grouped(rows: Collection[Any]) -> dict[str, list[Member]]:
    members: dict[str, list[Member]] = defaultdict(list)
    for role, key, *more in rows:
        members[key].append(_member(role, *more))
    return dict(members)


@lru_cache(maxsize=16_384)
def _member(role: str, country_code: str, party_id: str, *connection: Any) -> Member:
    """Kept, since each message that is for all reads them all again."""
    return Member(Party(country_code, party_id), role, *connection)


def hub_party(settings: Settings) -> Party | None:
    """The party of the hub platform, None where that is off."""
    if settings.hub_country_code is None or settings.hub_party_id is None:
        return None
    return Party(settings.hub_country_code.upper(), settings.hub_party_id.upper())
