"""Partners that issue Tokens, as authorization sees them."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from itertools import islice

from sqlalchemy import bindparam, literal, select, union
from sqlmodel import col

from modules.tokens.store import OWNERS
from ocpi.agreements import Agreements, agreements_of
from ocpi.context import Context
from ocpi.database import Database
from ocpi.directory import AnnouncedParty
from ocpi.errands import Errand
from ocpi.headers import Party
from ocpi.parties import PartnerRole, PlatformID, options_of
from ocpi.pull.issuers import Issuer, read_issuers, read_some_issuers

MOST_BY_NAME = 50
"""Parties behind a hub that are asked about one card, if the hub itself may not be asked."""

_CONCERNED = union(
    select(col(Errand.partner_id), literal(value=True)).where(
        col(Errand.token_key) == bindparam("token_key")
    ),
    select(col(PartnerRole.partner_id), literal(value=False)).join(
        OWNERS, OWNERS.c.owner == col(PartnerRole.party)
    ),
    select(col(AnnouncedParty.partner_id), literal(value=False)).join(
        OWNERS, OWNERS.c.owner == col(AnnouncedParty.party)
    ),
)


async def partners_concerned(database: Database, token_key: str) -> tuple[set[int], set[int]]:
    """The partners that may know a token: who commanded it, and who may speak for its owner."""
    rows = await database.fetch("tokens.concerned", _CONCERNED, {"token_key": token_key})
    commanding = {partner_id for partner_id, commands in rows if commands}
    return commanding, {partner_id for partner_id, commands in rows if not commands}


async def read_issuers_for(context: Context, owner: Party) -> list[Issuer]:
    """Whoever may issue Tokens that are good at our stations.

    Parties of the hub come first and those of our own partners last, for the last one wins where
    one party is both. Of the hub's only those count that may talk to `owner`.
    """
    every = await read_issuers(context, PlatformID.CPO)
    if context.settings.is_hub:
        every += await read_issuers(context, PlatformID.HUB)
    return await _good_for(context, owner, every)


async def read_some_issuers_for(
    context: Context, owner: Party, partners: Collection[int], parties: Collection[str] | None
) -> list[Issuer]:
    """The same of some partners only; given some keys, of the parties behind a hub only these."""
    if not partners:
        return []
    return await _good_for(context, owner, await read_some_issuers(context, partners, parties))


async def _good_for(context: Context, owner: Party, issuers: Sequence[Issuer]) -> list[Issuer]:
    own = [each for each in issuers if each.platform is PlatformID.CPO]
    if len(own) == len(issuers) or not context.settings.is_hub:
        return own
    database, default = context.database, context.settings.hub_is_open
    agreements = await agreements_of(database, owner.key, default=default)
    found = []
    for issuer in issuers:
        if issuer.platform is not PlatformID.HUB:
            continue
        roles = [each for each in issuer.roles if _agree(agreements, each.party.key, owner)]
        announced = {
            key: party for key, party in issuer.announced.items() if _agree(agreements, key, owner)
        }
        if roles or announced:
            found.append(replace(issuer, roles=roles, announced=announced))
    return [*found, *own]


def _agree(agreements: Agreements, emsp: str, owner: Party) -> bool:
    """Whether Tokens may come from an eMSP, and questions go to it."""
    there, back = (emsp, owner.key), (owner.key, emsp)
    return all(agreements.may(*pair, "tokens") for pair in (there, back))


def url_of(issuer: Issuer) -> str | None:
    """Its tokens SENDER endpoint; None where it has none."""
    return issuer.lists.get("tokens")


def own_meaning(issuer: Issuer, status_code: int | None) -> str | None:
    """The Kind that a status code means to it alone (IP-37); None: it means what OCPI says."""
    return dict(each.split("=") for each in issuer.options.get("codes", ())).get(str(status_code))


def emsps_of(issuer: Issuer) -> Sequence[Party]:
    """Those of its parties that can be asked about a Token: an answer is one of them's alone.

    A hub is asked as such: it knows whose the Token is. Where agreements leave only parties behind
    it, these are asked one by one, so that the question comes to none that it is not meant for.
    """
    if issuer.hub is not None:
        return [issuer.hub]
    own = issuer.playing("EMSP") or list(issuer.parties.values())[:1]
    return [*own, *islice(issuer.announced.values(), MOST_BY_NAME)]


def allows_unasked(issuer: Issuer) -> bool:
    """Its drivers may charge where it cannot be asked; OCPI's own way is that they may not."""
    return issuer.options.get("offline_authorization") == "allow"


async def trusts_type(database: Database, partner_id: int) -> bool:
    """Whether a partner's Tokens are filed by the type in their body alone (AT-64)."""
    return bool((await options_of(database, partner_id)).get("token_type_from_body"))
