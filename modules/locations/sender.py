"""What eMSPs read: our Locations, EVSEs and Connectors (mod_locations, Sender interface)."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from modules.locations.parts import Place, find_part
from modules.locations.store import locations
from ocpi.context import Context
from ocpi.envelope import Answer, ok
from ocpi.headers import Party
from ocpi.parties import Caller
from ocpi.request import CallerOf, Here, List, Owners, Segment, pages
from ocpi.spec.document import decode, encode
from ocpi.spec.locations import EVSE, Connector, Location

router = APIRouter()

LocationID = Annotated[Segment, Path(description="Location.id")]
EVSEUID = Annotated[Segment, Path(description="EVSE.uid")]
ConnectorID = Annotated[Segment, Path(description="Connector.id")]


@router.get(
    "", response_model=Answer[list[Location]], summary="List Locations", openapi_extra=pages()
)
async def list_locations(here: Here, owners: Owners, listing: List) -> Response:
    """A page of Locations with all their EVSEs and Connectors, oldest creation first."""
    sight = listing.sight.of("locations")
    page = await locations.page(here.database, listing.paging, owners, sight=sight)
    return listing.answer(page)


@router.get("/{location_id}", response_model=Answer[Location], summary="Get a Location")
async def get_location(
    here: Here, caller: CallerOf, owners: Owners, location_id: LocationID
) -> Response:
    """One Location."""
    return ok(await _text(here, caller, owners, location_id))


@router.get("/{location_id}/{evse_uid}", response_model=Answer[EVSE], summary="Get an EVSE")
async def get_evse(
    here: Here, caller: CallerOf, owners: Owners, location_id: LocationID, evse_uid: EVSEUID
) -> Response:
    """One EVSE of a Location."""
    text = await _text(here, caller, owners, location_id)
    return ok(encode(find_part(decode(text), Place(location_id, evse_uid))))


@router.get(
    "/{location_id}/{evse_uid}/{connector_id}",
    response_model=Answer[Connector],
    summary="Get a Connector",
)
async def get_connector(
    *,
    here: Here,
    caller: CallerOf,
    owners: Owners,
    location_id: LocationID,
    evse_uid: EVSEUID,
    connector_id: ConnectorID,
) -> Response:
    """One Connector of an EVSE."""
    text = await _text(here, caller, owners, location_id)
    return ok(encode(find_part(decode(text), Place(location_id, evse_uid, connector_id))))


async def _text(
    context: Context, caller: Caller, owners: tuple[Party, ...], location_id: str
) -> bytes:
    """A Location that the caller may see; another one is as unknown as none."""
    sight = caller.sight.of("locations")
    return await locations.text(context.database, owners, location_id, sight)
