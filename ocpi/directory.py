"""The directory of the hub: every party that can be reached through it, and on whose connection."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    CompoundSelect,
    ForeignKey,
    Text,
    cast,
    func,
    literal,
    null,
    select,
    true,
    union_all,
)
from sqlmodel import Field, SQLModel, col

from ocpi.agreements import Agreements, read_agreements
from ocpi.database import Database
from ocpi.headers import Party
from ocpi.parties import OurParty, Partner, PartnerRole, PlatformID
from ocpi.settings import Settings
from ocpi.sides import hearers


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


@dataclass(frozen=True)
class Directory:
    """All members at one moment, and which of them may talk to each other."""

    hub: Party | None
    members: Mapping[str, Sequence[Member]]
    """By the party's key."""
    agreements: Agreements

    def of(self, partner_id: int) -> Iterator[Member]:
        """The members on a partner's connection, those that it announced included."""
        for members in self.members.values():
            yield from (each for each in members if each.partner_id == partner_id)

    def is_open(self, caller: Party, other: Party, module: str) -> bool:
        """Whether another party is there, and a party may send it messages of a module."""
        return other.key in self.members and self.agreements.may(caller.key, other.key, module)

    def open_to(self, caller: Party, module: str) -> list[Party]:
        """The other parties to which a party may send messages of a module."""
        return [
            members[0].party
            for key, members in self.members.items()
            if key != caller.key and self.agreements.may(caller.key, key, module)
        ]

    def shared_with(self, caller: Party, module: str) -> list[Party]:
        """The parties whose objects a party may list: those whose broadcasts it hears (RT-38).

        Whether it may send them anything is another question: the hub answers, and they are not
        asked.
        """
        own = {member.role for member in self.members.get(caller.key, ())}
        return [
            members[0].party
            for key, members in self.members.items()
            if key != caller.key
            and self.agreements.may(key, caller.key, module)
            and own & hearers(module, [member.role for member in members])
        ]


# None is stored as JSON's null.
_PRESENTED = func.coalesce(cast(col(PartnerRole.business_details), Text), "null") != "null"
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
        _PRESENTED,
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
    key = ("directory", settings.hub_is_open)
    return await database.kept.get(key, lambda: _read_directory(database, settings))


async def _read_directory(database: Database, settings: Settings) -> Directory:
    rows = await database.fetch("directory", MEMBERS, {})
    return Directory(
        hub=hub_party(settings),
        members=_grouped(rows),
        agreements=await read_agreements(database, default=settings.hub_is_open),
    )


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
