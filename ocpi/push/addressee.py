"""A partner as the push sees it: what it must hear of, where, and under which names."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, bindparam, literal, select
from sqlalchemy.orm import aliased
from sqlmodel import col

from ocpi.client import ExchangeFailed, Target
from ocpi.context import Context
from ocpi.directory import (
    PRESENTED,
    REGISTERED,
    AnnouncedParty,
    Directory,
    Member,
    live_partners,
    read_directory,
)
from ocpi.editing import object_key
from ocpi.headers import Party, routing_headers
from ocpi.parties import OurParty, Partner, PartnerEndpoint, PartnerRole, PlatformID
from ocpi.push.feed import FeedRow, SyncObject, feed_key
from ocpi.push.lanes import HeldObject
from ocpi.push.outcome import Doubt, Kind, Outcome, judge
from ocpi.push.reading import Line
from ocpi.reply import Reply, redact
from ocpi.settings import Settings
from ocpi.sides import OF_DRIVERS
from ocpi.sight import ALL, Sight, read_sight
from ocpi.spec.document import decode
from ocpi.spec.hubclientinfo import ConnectionStatus

_HAS_TOKEN = col(Partner.token_out).is_not(None)
SERVED = (*REGISTERED, _HAS_TOKEN)
"""The partners that are told anything: registered and not suspended."""
# Each by itself: a list would be a parameter that statements past the ORM do not know.
_OF_DRIVERS = [literal(role) for role in OF_DRIVERS]
OWN_DRIVERS = col(PartnerRole.role).in_(_OF_DRIVERS)
"""The roles of partners that are told of charging: by its codes alone a CPO would be, too.

Only those that are presented: another one may still be behind a hub, or be there again.
"""
DRIVERS_BEHIND = col(AnnouncedParty.role).in_(_OF_DRIVERS)
"""The same of those that partners announce."""


def told_partners(settings: Settings) -> tuple[ColumnElement[bool], ...]:
    """The partners that are told what changes: where a check is required, those that passed it."""
    return (*live_partners(settings), _HAS_TOKEN)


# Whom a message is for when the partner plays several roles: a hub takes it for all behind it.
_RECEIVES = ("HUB", "EMSP", "NSP", "OTHER", "SCSP", "NAP", "CPO")


CLIENT_INFOS = "hubclientinfo"


def info_key(member: Member) -> str:
    """The feed's key of what is told of a member: of each role that a party plays (AT-48)."""
    return feed_key(CLIENT_INFOS, object_key(member.party, member.role))


# What only the hub tells: on the other platform nobody else's objects are told on.
_OF_HUB = frozenset({"tokens", CLIENT_INFOS})


@dataclass(frozen=True)
class Addressee:
    """One registered partner, read at one moment."""

    partner_id: int
    target: Target
    sealed: str
    """The token as stored: another one there means that the credentials have changed."""
    versions_url: str | None
    endpoints: Mapping[str, str]
    """The RECEIVER endpoints, by module."""
    owners: Mapping[str, Party]
    """Our own parties, by key: what they own concerns it."""
    parties: Mapping[str, Party]
    """The parties reached at the partner that have drivers, by key: theirs concerns it alone."""
    away: Mapping[str, str]
    """How those of them stand, by key, that a hub tells are not connected: theirs has to wait."""
    party: Party | None
    """To whom messages are addressed that are not for one party."""
    options: Mapping[str, Any] = field(default_factory=dict)
    directory: Directory | None = None
    """Who else is there, for a partner of the hub."""
    sight: Sight = ALL
    """What it may see of Locations and Tariffs."""
    elsewhere: frozenset[tuple[str, str]] = frozenset()
    """What parties at a partner of the hub, by key, are told by our CPO platform: by module."""
    parted: frozenset[str] = frozenset()
    """Keys of parties that it was told of, may not know any more, and is to be told are gone."""

    @property
    def put_only(self) -> bool:
        """It does not understand PATCH (IP-40)."""
        return bool(self.options.get("put_only"))

    @property
    def catches_up(self) -> bool:
        """After an absence it GETs by itself what it has missed, as OCPI has it."""
        return self.options.get("offline_policy") == "spec_strict"

    @property
    def pushes_per_minute(self) -> int:
        """The most requests that it wants to get; 0: no limit."""
        return int(self.options.get("pushes_per_minute", 0))

    @property
    def codes(self) -> Mapping[int, Kind]:
        """What its own OCPI status codes mean."""
        pairs = (each.split("=") for each in self.options.get("codes", ()))
        return {int(code): Kind(meaning) for code, meaning in pairs}

    def may_hear(self, module: str, audience: str | None) -> bool:
        """Whether an object is meant for this partner, whoever owns it, and can be sent to it.

        Endpoints that were added since it was read begin a lane anew, which reads it again.
        """
        return module in self.endpoints and (audience is None or audience in self.parties)

    def recipients(self, row: FeedRow | Line) -> Sequence[Party | None]:
        """The parties at this partner that must hear of an object, each by a message of its own.

        None stands for the partner as such: a message of a module that knows no addresses.
        """
        module, owner, audience = row.module, row.owner, row.audience
        if module not in self.endpoints:
            return ()
        if self.directory is not None:
            return self._at_hub(self.directory, row)
        if owner not in self.owners or module in _OF_HUB:
            return ()
        if not self.may_hear(module, audience):
            return ()
        return (self.party if audience is None else self.parties[audience],)

    def _at_hub(self, directory: Directory, row: FeedRow | Line) -> Sequence[Party | None]:
        module, owner, audience = row.module, row.owner, row.audience
        own, may = self._own, directory.agreements.may
        if module == CLIENT_INFOS:
            known = self._may_know(owner) or owner in self.parted
            return (None,) if known and row.key not in self._own_infos else ()
        if audience is not None:
            told = owner in self.owners and audience in self.parties
            told = told and (module, audience) not in self.elsewhere
            return (self.parties[audience],) if told and may(owner, audience, module) else ()
        # Of who has left, or is not CONNECTED yet or any more, nobody hears.
        hearing = directory.hearers_of(owner, module, self.partner_id)
        # What is behind a partner that is a hub hears it from that one.
        direct = (m for m in own if m.status is None and m.presented)
        heard_by = (m.party for m in direct if m.role in hearing)
        allowed = {party.key: party for party in heard_by if may(owner, party.key, module)}
        return tuple(allowed.values())

    def loses(self, module: str, owner: str) -> bool:
        """Whether it is to be told that a party is gone that none of its own may know any more."""
        return module == CLIENT_INFOS and owner in self.parted and not self._may_know(owner)

    def _may_know(self, party: str) -> bool:
        knows = None if self.directory is None else self.directory.agreements.knows
        return knows is not None and any(knows(each.party.key, party) for each in self._own)

    @cached_property
    def _own(self) -> Sequence[Member]:
        """The members of the hub on its connection, looked for once: each change asks for them."""
        return () if self.directory is None else tuple(self.directory.of(self.partner_id))

    @cached_property
    def _own_infos(self) -> Collection[str]:
        """The feed's keys of what is told of these members: of no other role that they play."""
        return {info_key(each) for each in self._own}

    def concerns(self, row: FeedRow | Line) -> bool:
        """Whether this partner must hear of an object."""
        return bool(self.recipients(row))

    def judge(
        self, method: str, answer: Reply | ExchangeFailed, doubt: Doubt = Doubt.NONE
    ) -> Outcome:
        """What its answer to a request means, see `ocpi.push.outcome`; without its token."""
        now = datetime.now(UTC)
        outcome = judge(method, answer, now=now, doubt=doubt, codes=self.codes)
        return replace(outcome, sentence=redact(outcome.sentence, self.target.token))

    def url(self, module: str, path: str) -> str:
        """The address of an object below the partner's endpoint of its module."""
        endpoint = self.endpoints[module]
        return f"{endpoint.rstrip('/')}/{path.lstrip('/')}" if path else endpoint

    def headers(self, owner: str, audience: str | None, to: Party | None) -> dict[str, str]:
        """The routing headers of a message about an object (RT-01); a broadcast is the hub's."""
        if self.directory is None:
            return routing_headers(to, self.owners.get(owner))
        sender = self.directory.hub if audience is None else self.owners[owner]
        return {} if to is None else routing_headers(to, sender)


_PARTNER = select(
    col(Partner.name),
    col(Partner.platform),
    col(Partner.versions_url),
    col(Partner.token_out),
    col(Partner.options),
    col(Partner.rules),
    col(Partner.mappings),
    col(Partner.passed_at),
).where(*SERVED, col(Partner.id) == bindparam("partner_id"))
_ENDPOINTS = select(col(PartnerEndpoint.identifier), col(PartnerEndpoint.url)).where(
    col(PartnerEndpoint.partner_id) == bindparam("partner_id"),
    col(PartnerEndpoint.role) == "RECEIVER",
)
_OWNERS = select(col(OurParty.party), col(OurParty.country_code), col(OurParty.party_id)).where(
    col(OurParty.platform) == bindparam("platform")
)
_ANNOUNCED = select(
    col(AnnouncedParty.status), col(AnnouncedParty.country_code), col(AnnouncedParty.party_id)
).where(col(AnnouncedParty.partner_id) == bindparam("partner_id"), DRIVERS_BEHIND)
_HERE = aliased(PartnerRole)
# The parties at a partner that our CPO platform reaches as well, and what it tells them.
_DIRECT = (
    select(col(PartnerEndpoint.identifier), col(PartnerRole.party), col(Partner.passed_at))
    .join(Partner, col(Partner.id) == col(PartnerEndpoint.partner_id))
    .join(PartnerRole, col(PartnerRole.partner_id) == col(Partner.id))
    .join(_HERE, col(_HERE.party) == col(PartnerRole.party))
    .where(
        *SERVED,
        PRESENTED,
        OWN_DRIVERS,
        col(PartnerEndpoint.role) == "RECEIVER",
        col(PartnerRole.platform) == PlatformID.CPO.value,
        col(_HERE.partner_id) == bindparam("partner_id"),
    )
)
_PARTED = (
    select(col(SyncObject.owner))
    .join(HeldObject, col(HeldObject.object_key) == col(SyncObject.key))
    .where(
        col(HeldObject.partner_id) == bindparam("partner_id"),
        col(HeldObject.object_key).startswith(f"{CLIENT_INFOS}/"),
    )
)
_ROLES = (
    select(
        PRESENTED,
        col(PartnerRole.role),
        col(PartnerRole.country_code),
        col(PartnerRole.party_id),
    )
    .where(col(PartnerRole.partner_id) == bindparam("partner_id"))
    .order_by(col(PartnerRole.id))
)


async def read_addressee(
    context: Context, partner_id: int, modules: Collection[str]
) -> Addressee | None:
    """A partner as it is now; None when it is not registered, suspended, or still to be checked.

    Of its endpoints only those of the modules given count. Raises ``WrongKey`` when its token was
    sealed with another key.
    """
    database, this = context.database, {"partner_id": partner_id}
    found = await database.fetch("addressee.partner", _PARTNER, this)
    if not found:
        return None
    name, platform, versions_url, sealed, stored, rules, mappings, passed_at = found[0]
    required = context.settings.require_check
    if required and passed_at is None:
        return None
    endpoints = await database.fetch("addressee.endpoints", _ENDPOINTS, this)
    owners = await database.fetch("addressee.owners", _OWNERS, {"platform": PlatformID.CPO.value})
    agreed = await database.fetch("addressee.roles", _ROLES, this)
    is_hub = "HUB" in {role for _, role, *_ in agreed}
    roles = [role for presented, *role in agreed if presented]
    announced = await database.fetch("addressee.announced", _ANNOUNCED, this) if is_hub else ()
    parties = [Party(*codes) for role, *codes in roles if role in OF_DRIVERS]
    parties += [Party(*codes) for _, *codes in announced]
    at_hub = platform == PlatformID.HUB
    parted = await database.fetch("addressee.parted", _PARTED, this) if at_hub else ()
    direct = await database.fetch("addressee.direct", _DIRECT, this) if at_hub else ()
    options = decode(stored)
    target = Target(name, context.seal.open(sealed), raw_token=bool(options.get("raw_token")))
    return Addressee(
        partner_id=partner_id,
        target=target,
        sealed=sealed,
        versions_url=versions_url,
        endpoints={module: url for module, url in endpoints if module in modules},
        owners={key: Party(country, party) for key, country, party in owners},
        parties={party.key: party for party in parties},
        away=_away(announced, own={Party(*codes).key for _, *codes in roles}),
        party=addressed(roles),
        options=options,
        directory=await read_directory(database, context.settings) if at_hub else None,
        sight=read_sight(rules, mappings),
        elsewhere=frozenset(
            (module, party)
            for module, party, passed in direct
            if passed is not None or not required
        ),
        parted=frozenset(owner for (owner,) in parted),
    )


def _away(announced: Sequence[Sequence[str]], own: Collection[str]) -> Mapping[str, str]:
    """How parties stand of whom no role that has drivers is connected.

    A partner's `own` are, since it is: a hub may announce an eMSP that has its codes.
    """
    status = {Party(*codes).key: status for status, *codes in announced}
    back = {Party(*codes).key for word, *codes in announced if word == ConnectionStatus.CONNECTED}
    return {key: word for key, word in status.items() if key not in back and key not in own}


def addressed(roles: Sequence[Sequence[str]]) -> Party | None:
    """The party to which messages go: the only one, or the one that most likely receives.

    Of each role that was presented its name, country_code and party_id.
    """
    if not roles:
        return None
    _, country_code, party_id = min(
        roles, key=lambda role: _RECEIVES.index(role[0]) if role[0] in _RECEIVES else 99
    )
    return Party(country_code, party_id)
