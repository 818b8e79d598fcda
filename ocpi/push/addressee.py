"""A partner as the push sees it: what it must hear of, where, and under which names."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import bindparam, or_, select
from sqlmodel import col

from ocpi.client import Target
from ocpi.database import Database
from ocpi.headers import Party, routing_headers
from ocpi.parties import OurParty, Partner, PartnerEndpoint, PartnerRole, State
from ocpi.sealing import Seal
from ocpi.spec.document import decode

SERVED = (
    or_(col(Partner.state) == State.ISSUED, col(Partner.state) == State.CONFIRMED),
    col(Partner.suspended).is_(False),
    col(Partner.token_out).is_not(None),
)
"""The partners that are told anything: registered and not suspended."""
# Whom a message is for when the partner plays several roles: a hub takes it for all behind it.
_RECEIVES = ("HUB", "EMSP", "NSP", "OTHER", "SCSP", "NAP", "CPO")


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
    """Our parties of the partner's platform, by key: what they own concerns it."""
    parties: Mapping[str, Party]
    """The partner's own parties, by key: what is meant for one of them concerns it alone."""
    party: Party | None
    """To whom messages are addressed that are not for one party."""
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def put_only(self) -> bool:
        """It does not understand PATCH (IP-40)."""
        return bool(self.options.get("put_only"))

    def may_hear(self, audience: str | None) -> bool:
        """Whether an object is meant for this partner, if it has anywhere to send it."""
        return audience is None or audience in self.parties

    def concerns(self, module: str, owner: str, audience: str | None) -> bool:
        """Whether this partner must hear of an object."""
        return self.may_hear(audience) and owner in self.owners and module in self.endpoints

    def url(self, module: str, path: str) -> str:
        """The address of an object below the partner's endpoint of its module."""
        endpoint = self.endpoints[module]
        return f"{endpoint.rstrip('/')}/{path.lstrip('/')}" if path else endpoint

    def headers(self, owner: str, audience: str | None) -> dict[str, str]:
        """The routing headers of a message about an object of ours (RT-01)."""
        to = self.party if audience is None else self.parties[audience]
        return routing_headers(to, self.owners.get(owner))


_PARTNER = select(
    col(Partner.name),
    col(Partner.platform),
    col(Partner.versions_url),
    col(Partner.token_out),
    col(Partner.options),
).where(*SERVED, col(Partner.id) == bindparam("partner_id"))
_ENDPOINTS = select(col(PartnerEndpoint.identifier), col(PartnerEndpoint.url)).where(
    col(PartnerEndpoint.partner_id) == bindparam("partner_id"),
    col(PartnerEndpoint.role) == "RECEIVER",
)
_OWNERS = select(col(OurParty.party), col(OurParty.country_code), col(OurParty.party_id)).where(
    col(OurParty.platform) == bindparam("platform")
)
_ROLES = (
    select(col(PartnerRole.role), col(PartnerRole.country_code), col(PartnerRole.party_id))
    .where(col(PartnerRole.partner_id) == bindparam("partner_id"))
    .order_by(col(PartnerRole.id))
)


async def read_addressee(
    database: Database, seal: Seal, partner_id: int, modules: Collection[str]
) -> Addressee | None:
    """A partner as it is now; None when it is not registered, or suspended.

    Of its endpoints only those of the modules given count. Raises ``WrongKey`` when its token was
    sealed with another key.
    """
    this = {"partner_id": partner_id}
    found = await database.fetch("addressee.partner", _PARTNER, this)
    if not found:
        return None
    name, platform, versions_url, sealed, stored = found[0]
    endpoints = await database.fetch("addressee.endpoints", _ENDPOINTS, this)
    owners = await database.fetch("addressee.owners", _OWNERS, {"platform": platform})
    roles = await database.fetch("addressee.roles", _ROLES, this)
    options = decode(stored)
    target = Target(name, seal.open(sealed), raw_token=bool(options.get("raw_token")))
    return Addressee(
        partner_id=partner_id,
        target=target,
        sealed=sealed,
        versions_url=versions_url,
        endpoints={module: url for module, url in endpoints if module in modules},
        owners={key: Party(country, party) for key, country, party in owners},
        parties={party.key: party for party in (Party(*codes) for _, *codes in roles)},
        party=_addressed(roles),
        options=options,
    )


def _addressed(roles: Sequence[Sequence[str]]) -> Party | None:
    """The party to which messages go: the only one, or the one that most likely receives."""
    if not roles:
        return None
    _, country_code, party_id = min(
        roles, key=lambda role: _RECEIVES.index(role[0]) if role[0] in _RECEIVES else 99
    )
    return Party(country_code, party_id)
