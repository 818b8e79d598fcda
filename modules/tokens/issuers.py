"""Partners that issue Tokens, as authorization sees them."""

from collections.abc import Sequence

from sqlalchemy import bindparam, select
from sqlmodel import col

from ocpi.database import Database
from ocpi.headers import Party
from ocpi.parties import Partner
from ocpi.pull.issuers import Issuer
from ocpi.spec.document import decode

_OPTIONS = select(col(Partner.options)).where(col(Partner.id) == bindparam("partner_id"))


def url_of(issuer: Issuer) -> str | None:
    """Its tokens SENDER endpoint; None where it has none."""
    return issuer.lists.get("tokens")


def emsps_of(issuer: Issuer) -> Sequence[Party]:
    """Those of its parties that can be asked about a Token: an answer is one of them's alone."""
    return issuer.playing("EMSP") or list(issuer.parties.values())[:1]


def allows_unasked(issuer: Issuer) -> bool:
    """Its drivers may charge where it cannot be asked; OCPI's own way is that they may not."""
    return issuer.options.get("offline_authorization") == "allow"


async def trusts_type(database: Database, partner_id: int) -> bool:
    """Whether a partner's Tokens are filed by the type in their body alone (AT-64)."""
    rows = await database.fetch("tokens.options", _OPTIONS, {"partner_id": partner_id})
    return bool(rows) and bool(decode(rows[0][0]).get("token_type_from_body"))
