"""What eMSPs read: our Locations, EVSEs and Connectors (mod_locations, Sender interface)."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from modules.locations.parts import Place, find_part
from modules.locations.store import locations
from ocpi.envelope import Answer, ok
from ocpi.request import Here, List, Owners, Segment, pages
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
    return listing.answer(await locations.page(here.database, listing.paging, owners))


@router.get("/{location_id}", response_model=Answer[Location], summary="Get a Location")
async def get_location(here: Here, owners: Owners, location_id: LocationID) -> Response:
    """One Location."""
    return ok(await locations.text(here.database, owners, location_id))


@router.get("/{location_id}/{evse_uid}", response_model=Answer[EVSE], summary="Get an EVSE")
async def get_evse(
    here: Here, owners: Owners, location_id: LocationID, evse_uid: EVSEUID
) -> Response:
    """One EVSE of a Location."""
    text = await locations.text(here.database, owners, location_id)
    return ok(encode(find_part(decode(text), Place(location_id, evse_uid))))


@router.get(
    "/{location_id}/{evse_uid}/{connector_id}",
    response_model=Answer[Connector],
    summary="Get a Connector",
)
async def get_connector(
    here: Here,
    owners: Owners,
    location_id: LocationID,
    evse_uid: EVSEUID,
    connector_id: ConnectorID,
) -> Response:
    """One Connector of an EVSE."""
    text = await locations.text(here.database, owners, location_id)
    return ok(encode(find_part(decode(text), Place(location_id, evse_uid, connector_id))))
