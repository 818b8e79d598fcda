"""Partners that issue Tokens: which parties are theirs, and where they can be asked."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, bindparam, select
from sqlmodel import col

from ocpi.client import Target
from ocpi.context import Context
from ocpi.database import Database
from ocpi.headers import Party
from ocpi.messages import log
from ocpi.parties import Partner, PartnerEndpoint, PartnerRole, PlatformID
from ocpi.push.addressee import SERVED
from ocpi.sealing import WrongKey
from ocpi.spec.document import decode

_ISSUERS = (
    select(
        col(Partner.id),
        col(Partner.name),
        col(Partner.token_out),
        col(Partner.options),
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
            col(PartnerEndpoint.identifier) == "tokens",
            col(PartnerEndpoint.role) == "SENDER",
        ),
    )
    .where(*SERVED, col(Partner.platform) == PlatformID.CPO.value)
    .order_by(col(Partner.id), col(PartnerRole.id))
)
_OPTIONS = select(col(Partner.options)).where(col(Partner.id) == bindparam("partner_id"))


@dataclass(frozen=True)
class Issuer:
    """One registered partner of our CPO platform, read at one moment."""

    partner_id: int
    target: Target
    url: str | None
    """Its tokens SENDER endpoint; None where it has none."""
    parties: Mapping[str, Party]
    """Its parties, by key."""
    emsps: Sequence[Party]
    """Those of them that issue Tokens: a list, or an answer, is one of them's alone."""
    options: Mapping[str, Any]

    @property
    def allows_unasked(self) -> bool:
        """Its drivers may charge where it cannot be asked; OCPI's own way is that they may not."""
        return self.options.get("offline_authorization") == "allow"


async def read_issuers(context: Context) -> list[Issuer]:
    """Every partner that is registered and not suspended.

    One whose token was sealed with another key is logged, and as good as not there.
    """
    grouped: dict[int, list[Sequence[Any]]] = defaultdict(list)
    for row in await context.database.fetch("tokens.issuers", _ISSUERS, {}):
        grouped[row[0]].append(row)
    found = []
    for rows in grouped.values():
        try:
            found.append(_issuer(context, rows))
        except WrongKey as error:
            log.warning("tokens: a partner cannot be asked", partner=rows[0][1], error=str(error))
    return found


def _issuer(context: Context, rows: Sequence[Sequence[Any]]) -> Issuer:
    partner_id, name, sealed, stored, url = rows[0][:5]
    options = decode(stored)
    parties = {party.key: party for party in (Party(*row[6:]) for row in rows)}
    emsps = [Party(*row[6:]) for row in rows if row[5] == "EMSP"]
    return Issuer(
        partner_id=partner_id,
        target=Target(name, context.seal.open(sealed), raw_token=bool(options.get("raw_token"))),
        url=url,
        parties=parties,
        emsps=emsps or list(parties.values())[:1],
        options=options,
    )


async def trusts_type(database: Database, partner_id: int) -> bool:
    """Whether a partner's Tokens are filed by the type in their body alone (AT-64)."""
    rows = await database.fetch("tokens.options", _OPTIONS, {"partner_id": partner_id})
    return bool(rows) and bool(decode(rows[0][0]).get("token_type_from_body"))
