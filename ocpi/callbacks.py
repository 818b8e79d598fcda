"""Addresses that a partner gives us to be called at: they must lie with that partner (TA-08)."""

from typing import Any

from sqlalchemy import CompoundSelect, bindparam, select, union_all
from sqlmodel import col

from ocpi.client import LONGEST_REQUEST_URL
from ocpi.context import Context
from ocpi.database import Database
from ocpi.egress import EgressRefused, check_url, same_origin
from ocpi.errors import InvalidParameters
from ocpi.parties import Partner, PartnerEndpoint

_ADDRESSES: CompoundSelect[Any] = union_all(
    select(col(PartnerEndpoint.url)).where(
        col(PartnerEndpoint.partner_id) == bindparam("partner_id")
    ),
    select(col(Partner.versions_url)).where(col(Partner.id) == bindparam("partner_id")),
)


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
    if not await lies_with(context.database, partner_id, url):
        raise InvalidParameters(
            "response_url: its scheme, host and port must be those of an endpoint of yours, "
            "or of your versions URL"
        )


async def lies_with(database: Database, partner_id: int, url: str) -> bool:
    """Whether a URL lies where the partner's own ones do, as they are now (TA-08)."""
    rows = await database.fetch("callbacks.addresses", _ADDRESSES, {"partner_id": partner_id})
    return any(_lies_at(url, address) for (address,) in rows if address is not None)


def _lies_at(url: str, address: str) -> bool:
    try:
        return same_origin(url, address)
    except ValueError:
        return False
