"""The parties that our own platforms speak for, and the Credentials object that presents them."""

from typing import Any

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from credentials.forms import PartyView
from ocpi.context import Context
from ocpi.errors import Conflict
from ocpi.headers import Party
from ocpi.parties import OurParty, Partner, PartnerRole, PlatformID, our_party
from ocpi.push.returning import take_for_us
from ocpi.spec.document import encode


def require_platform(context: Context, platform: str) -> None:
    """Raises ``Conflict`` for the hub where it is off: nobody would be answered there."""
    if platform == PlatformID.HUB and not context.settings.is_hub:
        raise Conflict(
            "The hub is off: turn it on with OCPI_HUB_COUNTRY_CODE, OCPI_HUB_PARTY_ID and "
            "OCPI_HUB_NAME."
        )


async def add_party(
    context: Context, platform: PlatformID, party: Party, name: str, website: str | None = None
) -> PartyView:
    """Add a party to a platform of ours; raises ``Conflict`` when a partner has it.

    A hub that has announced it loses it. It could keep a party from coming to us otherwise.
    """
    require_platform(context, platform)
    row = _row(platform, party, name, website)
    async with context.database.write() as db:
        if await _find(db, row) is not None:
            raise Conflict(f"The platform {platform} has the party {party} already.")
        holder = await holder_of(db, row.role, row.party)
        if holder is not None:
            raise Conflict(f"{row.role} {party} is a party of the partner {holder}.")
        if await _is_hub_and_party(db, row):
            raise Conflict(
                f"{party} would be the hub and one of its parties: see `ocpi hub parties`."
            )
        db.add(row)
        await db.flush()
        await take_for_us(db, row.party)
    return _view(row)


async def list_parties(context: Context) -> list[PartyView]:
    """Our parties, by platform and age."""
    async with context.database.read() as db:
        rows = await db.exec(select(OurParty).order_by(col(OurParty.platform), col(OurParty.id)))
        return [_view(row) for row in rows]


async def present(context: Context, platform: str, token: str) -> str:
    """Our Credentials object as JSON text, with the token that its reader is to present (CR-17).

    Raises ``Conflict`` when the platform has no party that could be presented.
    """
    require_platform(context, platform)
    async with context.database.read() as db:
        rows = await db.exec(
            select(OurParty).where(OurParty.platform == platform).order_by(col(OurParty.id))
        )
        roles = [_credentials_role(row) for row in rows]
    if not roles:
        raise Conflict(
            f"The platform {platform} has no party yet: set OCPI_COUNTRY_CODE, OCPI_PARTY_ID and "
            "OCPI_NAME, or add one with `ocpi party add`."
        )
    return encode({"token": token, "url": context.versions_url(platform), "roles": roles})


async def holder_of(
    db: AsyncSession, role: str, party: str, *, platform: str | None = None
) -> str | None:
    """The name of the partner that holds a party role, on one platform or any; `party` is a key."""
    query = (
        select(Partner.name)
        .join(PartnerRole, col(PartnerRole.partner_id) == col(Partner.id))
        .where(PartnerRole.role == role, PartnerRole.party == party)
    )
    if platform is not None:
        query = query.where(PartnerRole.platform == platform)
    found = await db.exec(query)
    return found.first()


async def is_ours(db: AsyncSession, role: str, party: str) -> bool:
    """Whether a party role is one of our own, on whichever platform; `party` is a key."""
    found = await db.exec(select(OurParty.id).where(OurParty.role == role, OurParty.party == party))
    return found.first() is not None


async def _find(db: AsyncSession, row: OurParty) -> OurParty | None:
    found = await db.exec(
        select(OurParty).where(
            OurParty.platform == row.platform,
            OurParty.role == row.role,
            OurParty.party == row.party,
        )
    )
    return found.one_or_none()


async def _is_hub_and_party(db: AsyncSession, row: OurParty) -> bool:
    """Whether the hub would have the codes of a party, whose messages would be for all then."""
    if row.platform != PlatformID.HUB:
        return await is_ours(db, "HUB", row.party)
    at_hub = select(PartnerRole.id).where(
        PartnerRole.platform == PlatformID.HUB, PartnerRole.party == row.party
    )
    return await is_ours(db, "CPO", row.party) or (await db.exec(at_hub)).first() is not None


def _row(platform: PlatformID, party: Party, name: str, website: str | None = None) -> OurParty:
    details = {"name": name} | ({"website": website} if website else {})
    return our_party(platform, party, details)


def _credentials_role(row: OurParty) -> dict[str, Any]:
    return {
        "role": row.role,
        "business_details": row.business_details,
        "party_id": row.party_id,
        "country_code": row.country_code,
    }


def _view(row: OurParty) -> PartyView:
    return PartyView(
        platform=PlatformID(row.platform),
        role=row.role,
        country_code=row.country_code,
        party_id=row.party_id,
        name=row.business_details["name"],
        website=row.business_details.get("website"),
    )
