"""Partners as the pull sees them: which parties are theirs, and which lists they offer."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, Executable, and_, bindparam, select
from sqlmodel import col

from ocpi.client import Target
from ocpi.context import Context
from ocpi.database import numbered
from ocpi.directory import AnnouncedParty
from ocpi.headers import Party
from ocpi.messages import log
from ocpi.parties import Partner, PartnerEndpoint, PartnerRole, PartyRole, PlatformID
from ocpi.pull.pullable import Pullable, Pullables
from ocpi.push.addressee import SERVED
from ocpi.sealing import WrongKey
from ocpi.spec.document import decode
from ocpi.spec.hubclientinfo import ConnectionStatus

_ISSUERS = (
    select(
        col(Partner.id),
        col(Partner.name),
        col(Partner.token_out),
        col(Partner.options),
        col(PartnerEndpoint.identifier),
        col(PartnerEndpoint.url),
        col(PartnerRole.role),
        col(PartnerRole.country_code),
        col(PartnerRole.party_id),
    )
    .join(PartnerRole, col(PartnerRole.partner_id) == col(Partner.id))
    .outerjoin(
        PartnerEndpoint,
        and_(
            col(PartnerEndpoint.partner_id) == col(Partner.id),
            col(PartnerEndpoint.role) == "SENDER",
        ),
    )
    .where(*SERVED, col(Partner.platform) == bindparam("platform"))
    .order_by(col(Partner.id), col(PartnerRole.id))
)
_ANNOUNCED = select(
    col(AnnouncedParty.partner_id),
    col(AnnouncedParty.party),
    col(AnnouncedParty.country_code),
    col(AnnouncedParty.party_id),
).where(col(AnnouncedParty.status) == ConnectionStatus.CONNECTED.value)


@cache
def _queries(*among: str) -> tuple[Executable, Executable]:
    """Partners and what they announced: of all, or of those whose ids the parameters give."""
    if not among:
        return _ISSUERS, _ANNOUNCED
    ids: list[BindParameter[int]] = [bindparam(name) for name in among]
    return (
        _ISSUERS.where(col(Partner.id).in_(ids)),
        _ANNOUNCED.where(col(AnnouncedParty.partner_id).in_(ids)),
    )


@dataclass(frozen=True)
class Issuer:
    """One registered partner of a platform of ours, read at one moment."""

    partner_id: int
    platform: PlatformID
    target: Target
    roles: Sequence[PartyRole]
    lists: Mapping[str, str]
    """Its SENDER endpoints, by module."""
    options: Mapping[str, Any]
    announced: Mapping[str, Party] = field(default_factory=dict)
    """The parties behind a hub that are connected to it, by key."""

    @property
    def parties(self) -> dict[str, Party]:
        """Its own parties, by key."""
        return {each.party.key: each.party for each in self.roles}

    @property
    def hub(self) -> Party | None:
        """The hub that it is; None where it is none."""
        return next((each.party for each in self.roles if each.role == "HUB"), None)

    def playing(self, role: str) -> list[Party]:
        """Its parties in a role."""
        return [each.party for each in self.roles if each.role == role]


def parties_of(issuer: Issuer) -> dict[str, Party]:
    """The parties that a partner speaks for, by key: a hub for those that it announced (AT-36)."""
    return {**issuer.announced, **issuer.parties}


@dataclass(frozen=True)
class TheirList:
    """A partner's list of one module."""

    issuer: Issuer
    pullable: Pullable

    @property
    def key(self) -> tuple[int, str]:
        """The partner and the module."""
        return self.issuer.partner_id, self.pullable.module

    @property
    def url(self) -> str:
        """Where it is."""
        return self.issuer.lists[self.pullable.module]

    @property
    def name(self) -> str:
        """The partner's name."""
        return self.issuer.target.name

    @property
    def asked(self) -> Sequence[Party]:
        """The parties that are each asked for it; a hub lists what all parties behind it have."""
        hub = self.issuer.hub
        return self.issuer.playing(self.pullable.role) if hub is None else [hub]

    @property
    def told(self) -> bool:
        """Whether other partners hear of what is in it: that is what a hub is for."""
        return self.issuer.platform is PlatformID.HUB


async def read_issuers(
    context: Context, platform: PlatformID, partners: Collection[int] | None = None
) -> list[Issuer]:
    """Every partner of a platform that is registered and not suspended; given ids, of those only.

    One whose token was sealed with another key is logged, and as good as not there.
    """
    among = {} if partners is None else numbered("partner", sorted(partners))
    if partners is not None and not among:
        return []
    issuers, announcements = _queries(*among)
    given = {"platform": platform.value, **among}
    grouped: dict[int, list[Sequence[Any]]] = defaultdict(list)
    for row in await context.database.fetch(("pull.issuers", *among), issuers, given):
        grouped[row[0]].append(row)
    if not grouped:
        return []
    announced: dict[int, dict[str, Party]] = defaultdict(dict)
    rows = await context.database.fetch(("pull.announced", *among), announcements, among)
    for partner_id, key, *codes in rows:
        announced[partner_id][key] = Party(*codes)
    found = []
    for partner_id, rows in grouped.items():
        try:
            issuer = _issuer(context, platform, rows)
            found.append(replace(issuer, announced=announced[partner_id]))
        except WrongKey as error:
            log.warning("a partner cannot be asked", partner=rows[0][1], error=str(error))
    return found


def _issuer(context: Context, platform: PlatformID, rows: Sequence[Sequence[Any]]) -> Issuer:
    partner_id, name, sealed, stored = rows[0][:4]
    options = decode(stored)
    return Issuer(
        partner_id=partner_id,
        platform=platform,
        target=Target(name, context.seal.open(sealed), raw_token=bool(options.get("raw_token"))),
        # Each role comes with each endpoint.
        roles=list(dict.fromkeys(PartyRole(row[6], Party(*row[7:])) for row in rows)),
        lists={row[4]: row[5] for row in rows if row[4] is not None},
        options=options,
    )


def lists_of(issuer: Issuer, pullables: Pullables) -> list[TheirList]:
    """What is pulled from a partner."""
    lists = [TheirList(issuer, each) for each in pullables.get(issuer.platform, ())]
    return [each for each in lists if each.pullable.module in issuer.lists and each.asked]


async def read_lists(context: Context, pullables: Pullables) -> list[TheirList]:
    """Every list that is pulled."""
    return [
        each
        for platform in pullables
        for issuer in await read_issuers(context, platform)
        for each in lists_of(issuer, pullables)
    ]
