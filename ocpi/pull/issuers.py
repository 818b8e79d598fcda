"""Partners as the pull sees them: which parties are theirs, and which lists they offer."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, Executable, and_, bindparam, or_, select
from sqlmodel import col

from ocpi.client import Target
from ocpi.context import Context
from ocpi.database import Database, Rows, numbered
from ocpi.directory import AnnouncedParty
from ocpi.headers import Party
from ocpi.messages import log
from ocpi.owning import owned_by
from ocpi.parties import OurParty, Partner, PartnerEndpoint, PartnerRole, PartyRole, PlatformID
from ocpi.pull.pullable import Pullable, Pullables
from ocpi.push.addressee import SERVED
from ocpi.sealing import WrongKey
from ocpi.sides import owning
from ocpi.spec.document import decode
from ocpi.spec.hubclientinfo import ConnectionStatus

_ISSUERS = (
    select(
        col(Partner.id),
        col(Partner.name),
        col(Partner.token_out),
        col(Partner.options),
        col(Partner.platform),
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
    .where(*SERVED)
    .order_by(col(Partner.id), col(PartnerRole.id))
)
_OF_PLATFORM = _ISSUERS.where(col(Partner.platform) == bindparam("platform"))
_ANNOUNCED = select(
    col(AnnouncedParty.partner_id),
    col(AnnouncedParty.role),
    col(AnnouncedParty.party),
    col(AnnouncedParty.country_code),
    col(AnnouncedParty.party_id),
    col(AnnouncedParty.status),
).where(
    or_(
        col(AnnouncedParty.status) == ConnectionStatus.CONNECTED.value,
        col(AnnouncedParty.status) == ConnectionStatus.OFFLINE.value,
    ),
    # What is ours nobody else lists.
    col(AnnouncedParty.party).not_in(select(col(OurParty.party))),
)


@cache
def _issuers_among(*given: str) -> Executable:
    return _ISSUERS.where(col(Partner.id).in_(_parameters("partner_", given)))


@cache
def _announced_among(*given: str) -> Executable:
    query = _ANNOUNCED.where(col(AnnouncedParty.partner_id).in_(_parameters("partner_", given)))
    parties = _parameters("party_", given)
    return query.where(col(AnnouncedParty.party).in_(parties)) if parties else query


def _parameters(prefix: str, given: Iterable[str]) -> list[BindParameter[Any]]:
    return [bindparam(name) for name in given if name.startswith(prefix)]


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
    offline: Mapping[str, Party] = field(default_factory=dict)
    """Those that are not now; they speak for themselves no less."""
    behind: Mapping[str, Collection[str]] = field(default_factory=dict)
    """The roles of both, by the party's key."""

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


def parties_of(issuer: Issuer, module: str) -> dict[str, Party]:
    """The parties that a partner speaks for of a module, by key: those that may own its objects.

    A hub speaks for those that it announced as well (AT-36).
    """
    return {**_owning(issuer, issuer.announced, module), **_own(issuer, module)}


async def owners_of(database: Database, issuer: Issuer, module: str) -> dict[str, Party]:
    """The parties whose objects a partner may list, by key: who is offline still has some."""
    behind = {**issuer.offline, **issuer.announced}
    own = await owned_by(database, issuer.partner_id, issuer.roles, module)
    return {**_owning(issuer, behind, module), **own}


def _own(issuer: Issuer, module: str) -> dict[str, Party]:
    return {each.party.key: each.party for each in issuer.roles if owning(module, {each.role})}


def _owning(issuer: Issuer, behind: Mapping[str, Party], module: str) -> dict[str, Party]:
    return {key: each for key, each in behind.items() if owning(module, issuer.behind[key])}


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
        """The parties that are each asked for it; a hub lists what all parties behind it have.

        Of those that may own such objects, one may own them on another connection: `owners_of`.
        """
        hub = self.issuer.hub
        return list(_own(self.issuer, self.pullable.module).values()) if hub is None else [hub]

    @property
    def told(self) -> bool:
        """Whether other partners hear of what is in it: that is what a hub is for."""
        return self.issuer.platform is PlatformID.HUB


async def read_issuers(context: Context, platform: PlatformID) -> list[Issuer]:
    """Every partner of a platform that is registered and not suspended.

    One whose token was sealed with another key is logged, and as good as not there.
    """
    fetch = context.database.fetch
    rows = await fetch("pull.issuers", _OF_PLATFORM, {"platform": platform.value})
    return _issuers(context, rows, await fetch("pull.announced", _ANNOUNCED, {}))


async def read_some_issuers(
    context: Context, partners: Collection[int], parties: Collection[str] | None = None
) -> list[Issuer]:
    """The same of some partners only, whatever platform they are of.

    A hub may have announced thousands of parties: given some keys, only these are read of them.
    """
    key = ("issuers", frozenset(partners), None if parties is None else frozenset(parties))
    return await context.database.kept.get(key, lambda: _read_some(context, partners, parties))


async def _read_some(
    context: Context, partners: Collection[int], parties: Collection[str] | None
) -> list[Issuer]:
    ids = numbered("partner", sorted(partners))
    key = ("pull.some issuers", *ids)
    rows = await context.database.fetch(key, _issuers_among(*ids), ids)
    return _issuers(context, rows, await _announced_by(context.database, ids, parties))


async def _announced_by(
    database: Database, ids: Mapping[str, Any], parties: Collection[str] | None
) -> Rows:
    if parties is not None and not parties:
        return ()
    given = {**ids, **numbered("party", sorted(parties or ()))}
    return await database.fetch(("pull.some announced", *given), _announced_among(*given), given)


def _issuers(context: Context, rows: Rows, announcements: Rows) -> list[Issuer]:
    announced: dict[tuple[int, str], dict[str, Party]] = defaultdict(dict)
    behind: dict[int, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for partner_id, role, key, *codes, status in announcements:
        announced[partner_id, status][key] = Party(*codes)
        behind[partner_id][key].add(role)
    grouped: dict[int, list[Sequence[Any]]] = defaultdict(list)
    for row in rows:
        grouped[row[0]].append(row)
    found = []
    for partner_id, its_rows in grouped.items():
        try:
            found.append(
                replace(
                    _issuer(context, its_rows),
                    announced=announced[partner_id, ConnectionStatus.CONNECTED.value],
                    offline=announced[partner_id, ConnectionStatus.OFFLINE.value],
                    behind=behind[partner_id],
                )
            )
        except WrongKey as error:
            log.warning("a partner cannot be asked", partner=its_rows[0][1], error=str(error))
    return found


def _issuer(context: Context, rows: Rows) -> Issuer:
    partner_id, name, sealed, stored, platform = rows[0][:5]
    options = decode(stored)
    return Issuer(
        partner_id=partner_id,
        platform=PlatformID(platform),
        target=Target(name, context.seal.open(sealed), raw_token=bool(options.get("raw_token"))),
        # Each role comes with each endpoint.
        roles=list(dict.fromkeys(PartyRole(row[7], Party(*row[8:])) for row in rows)),
        lists={row[5]: row[6] for row in rows if row[5] is not None},
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
