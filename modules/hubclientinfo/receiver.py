"""What other hubs push: the parties behind them, and how they stand (Receiver interface)."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path
from sqlmodel import col, select
from starlette.responses import Response

from modules.hubclientinfo.announcing import announce, read_client_info
from ocpi.admin import takes
from ocpi.directory import AnnouncedParty
from ocpi.envelope import Answer, ok
from ocpi.errors import ClientError, InvalidParameters, UnknownObject
from ocpi.headers import Party
from ocpi.request import Body, CallerOf, Here, Segment
from ocpi.spec.document import encode
from ocpi.spec.hubclientinfo import ClientInfo
from ocpi.spec.moments import format_moment, moment_of

router = APIRouter(prefix="/{country_code}/{party_id}")

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
    info = read_client_info(body, format_moment(datetime.now(UTC)))
    party = Party(info.country_code, info.party_id)
    if party.key != Party(country_code, party_id).key:
        raise InvalidParameters(f"party_id: the URL says {country_code}*{party_id}, not {party}")
    async with here.database.write() as db:
        created = await announce(db, caller.partner_id, info)
    return ok(created=created)


def _document(row: AnnouncedParty) -> dict[str, str]:
    return {
        "party_id": row.party_id,
        "country_code": row.country_code,
        "role": row.role,
        "status": row.status,
        "last_updated": format_moment(moment_of(row.last_updated)),
    }
