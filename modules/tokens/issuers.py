"""Partners that issue Tokens, as authorization sees them."""

from collections.abc import Sequence
from dataclasses import replace

from ocpi.agreements import Agreements, read_agreements
from ocpi.context import Context
from ocpi.database import Database
from ocpi.headers import Party
from ocpi.parties import PlatformID, options_of
from ocpi.pull.issuers import Issuer, read_issuers


async def read_issuers_for(context: Context, owner: Party) -> list[Issuer]:
    """Whoever may issue Tokens that are good at our stations.

    Parties of the hub come first and those of our own partners last, for the last one wins where
    one party is both. Of the hub's only those count that may talk to `owner`.
    """
    found = []
    if context.settings.is_hub:
        default = context.settings.hub_is_open
        agreements = await read_agreements(context.database, default=default)
        for issuer in await read_issuers(context, PlatformID.HUB):
            roles = [each for each in issuer.roles if _agree(agreements, each.party.key, owner)]
            announced = {
                key: party
                for key, party in issuer.announced.items()
                if _agree(agreements, key, owner)
            }
            if roles:
                found.append(replace(issuer, roles=roles, announced=announced))
    return [*found, *await read_issuers(context, PlatformID.CPO)]


def _agree(agreements: Agreements, emsp: str, owner: Party) -> bool:
    """Whether Tokens may come from an eMSP, and questions go to it."""
    there, back = (emsp, owner.key), (owner.key, emsp)
    return all(agreements.may(*pair, "tokens") for pair in (there, back))


def url_of(issuer: Issuer) -> str | None:
    """Its tokens SENDER endpoint; None where it has none."""
    return issuer.lists.get("tokens")


def emsps_of(issuer: Issuer) -> Sequence[Party]:
    """Those of its parties that can be asked about a Token: an answer is one of them's alone.

    A hub is asked as such: it knows whose the Token is.
    """
    if issuer.hub is not None:
        return [issuer.hub]
    return issuer.playing("EMSP") or list(issuer.parties.values())[:1]


def allows_unasked(issuer: Issuer) -> bool:
    """Its drivers may charge where it cannot be asked; OCPI's own way is that they may not."""
    return issuer.options.get("offline_authorization") == "allow"


async def trusts_type(database: Database, partner_id: int) -> bool:
    """Whether a partner's Tokens are filed by the type in their body alone (AT-64)."""
    return bool((await options_of(database, partner_id)).get("token_type_from_body"))
