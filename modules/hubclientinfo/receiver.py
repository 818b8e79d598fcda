"""What other hubs push: the parties behind them, and how they stand (Receiver interface)."""

from typing import Annotated

from fastapi import APIRouter, Path
from sqlalchemy import func
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.responses import Response

from ocpi.admin import takes
from ocpi.directory import AnnouncedParty
from ocpi.envelope import Answer, ok
from ocpi.errors import ClientError, Conflict, InvalidParameters, UnknownObject
from ocpi.headers import Party
from ocpi.parties import Caller, OurParty, Partner, PartnerRole
from ocpi.request import Body, CallerOf, Here, Segment
from ocpi.spec.document import encode
from ocpi.spec.hubclientinfo import ClientInfo
from ocpi.spec.moments import format_moment, microseconds, moment_of, parse_moment
from ocpi.spec.reading import dump, read

router = APIRouter(prefix="/{country_code}/{party_id}")

MOST_BEHIND_ONE = 5000
"""Parties that one hub may announce (TA-28)."""

CountryCode = Annotated[Segment, Path(description="Country code of the party that it tells of.")]
PartyID = Annotated[Segment, Path(description="Party id of the party that it tells of.")]


@router.get("", response_model=Answer[ClientInfo], summary="Get a pushed ClientInfo")
async def get_client_info(
    here: Here, caller: CallerOf, country_code: CountryCode, party_id: PartyID
) -> Response:
    """The ClientInfo as it is stored here; of a party with several roles the newest (AT-48)."""
    async with here.database.read() as db:
        found = await db.exec(
            select(AnnouncedParty)
            .where(
                AnnouncedParty.partner_id == caller.partner_id,
                AnnouncedParty.party == Party(country_code, party_id).key,
            )
            .order_by(col(AnnouncedParty.last_updated).desc())
        )
        row = found.first()
    if row is None:
        raise UnknownObject(f"No ClientInfo of {country_code}*{party_id} was pushed.")
    return ok(encode(_document(row)))


@router.put(
    "",
    response_model=Answer[ClientInfo],
    summary="Push a ClientInfo",
    openapi_extra=takes(ClientInfo),
)
async def put_client_info(
    here: Here, caller: CallerOf, country_code: CountryCode, party_id: PartyID, body: Body
) -> Response:
    """A party that is new behind a hub, or how it stands now (HC-04, HC-06)."""
    if "HUB" not in {role.role for role in caller.roles}:
        raise ClientError("Only a hub tells who is behind it.")
    info = read(ClientInfo, body)
    party = Party(info.country_code, info.party_id)
    if party.key != Party(country_code, party_id).key:
        raise InvalidParameters(f"party_id: the URL says {country_code}*{party_id}, not {party}")
    async with here.database.write() as db:
        created = await announce(db, caller, info)
    return ok(created=created)


async def announce(db: AsyncSession, caller: Caller, info: ClientInfo) -> bool:
    """Store what a hub tells of a party; gives whether it is new. What is older is left alone.

    Raises ``Conflict`` for a party that is known otherwise: a hub cannot take it over (TA-28).
    """
    await db.get(Partner, caller.partner_id, with_for_update=True)
    party, role = Party(info.country_code, info.party_id), str(info.role)
    if await _is_known_otherwise(db, caller, party, role):
        raise Conflict(f"{role} {party} is known here by another connection.")
    moment = microseconds(parse_moment(dump(info)["last_updated"]))
    row = await db.get(AnnouncedParty, (caller.partner_id, role, party.key))
    if row is None:
        await _require_room(db, caller)
        db.add(
            AnnouncedParty(
                partner_id=caller.partner_id,
                role=role,
                party=party.key,
                country_code=party.country_code,
                party_id=party.party_id,
                status=str(info.status),
                last_updated=moment,
            )
        )
        return True
    if moment >= row.last_updated:
        row.status, row.last_updated = str(info.status), moment
    return False


async def _is_known_otherwise(db: AsyncSession, caller: Caller, party: Party, role: str) -> bool:
    direct = select(PartnerRole.id).where(PartnerRole.party == party.key, PartnerRole.role == role)
    ours = select(OurParty.id).where(OurParty.party == party.key)
    behind = select(AnnouncedParty.party).where(
        AnnouncedParty.party == party.key,
        AnnouncedParty.role == role,
        AnnouncedParty.partner_id != caller.partner_id,
    )
    for query in (direct, ours, behind):
        if (await db.exec(query)).first() is not None:
            return True
    return False


async def _require_room(db: AsyncSession, caller: Caller) -> None:
    count = await db.exec(
        select(func.count())
        .select_from(AnnouncedParty)
        .where(AnnouncedParty.partner_id == caller.partner_id)
    )
    if count.one() >= MOST_BEHIND_ONE:
        raise ClientError(f"A hub may announce {MOST_BEHIND_ONE} parties here, and no more.")


def _document(row: AnnouncedParty) -> dict[str, str]:
    return {
        "party_id": row.party_id,
        "country_code": row.country_code,
        "role": row.role,
        "status": row.status,
        "last_updated": format_moment(moment_of(row.last_updated)),
    }
