"""Addresses that a partner gives us to be called at: they must lie with that partner (TA-08)."""

from sqlalchemy import bindparam, select
from sqlmodel import col

from ocpi.client import LONGEST_REQUEST_URL
from ocpi.context import Context
from ocpi.database import Database
from ocpi.egress import EgressRefused, check_url, same_origin
from ocpi.errors import InvalidParameters
from ocpi.homes import foreign_places
from ocpi.parties import Partner, PartnerEndpoint, options_of
from ocpi.reply import tells
from ocpi.sealing import WrongKey

_ENDPOINTS = select(col(PartnerEndpoint.url)).where(
    col(PartnerEndpoint.partner_id) == bindparam("partner_id")
)
_HOME = select(col(Partner.versions_url)).where(col(Partner.id) == bindparam("partner_id"))
_TOKEN = select(col(Partner.token_out)).where(col(Partner.id) == bindparam("partner_id"))


async def check_response_url(context: Context, partner_id: int, url: str) -> None:
    """Raises ``InvalidParameters`` unless a result can be told there, at the partner's (CM-07)."""
    try:
        check_url(
            url,
            allow_private=context.settings.allow_private_networks,
            ports=context.settings.partner_port_numbers,
            longest=LONGEST_REQUEST_URL,
        )
    except EgressRefused as refused:
        raise InvalidParameters(f"response_url: {refused.reason}") from None
    if await _tells_token(context, partner_id, url):
        raise InvalidParameters("response_url: it holds a token, which is for headers alone")
    if not await lies_with(context.database, partner_id, url):
        raise InvalidParameters(
            "response_url: its scheme, host and port must be those of an endpoint of yours, or its "
            "host that of your versions URL, one below that, or one that we have approved"
        )


async def _tells_token(context: Context, partner_id: int, url: str) -> bool:
    """Whether a URL, which is to be stored, holds the token that its partner gave us (TA-09)."""
    rows = await context.database.fetch("callbacks.token", _TOKEN, {"partner_id": partner_id})
    try:
        return any(tells(url, context.seal.open(sealed)) for (sealed,) in rows if sealed)
    except WrongKey:
        # Nobody can call it before it has given us another one.
        return False


async def lies_with(database: Database, partner_id: int, url: str) -> bool:
    """Whether a URL lies where the partner, as it is now, has endpoints or could have (TA-08).

    What is asked there gets the same token, so it takes the same approval, see ocpi.homes (TA-27).
    """
    given = {"partner_id": partner_id}
    rows = await database.fetch("callbacks.endpoints", _ENDPOINTS, given)
    if any(_lies_at(url, endpoint) for (endpoint,) in rows):
        return True
    homes = await database.fetch("callbacks.home", _HOME, given)
    approved = (await options_of(database, partner_id)).get("hosts", ())
    return any(home is not None and not foreign_places([url], home, approved) for (home,) in homes)


def _lies_at(url: str, address: str) -> bool:
    try:
        return same_origin(url, address)
    except ValueError:
        return False
