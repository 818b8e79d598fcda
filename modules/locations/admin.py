"""The operator's way to change our own Locations, EVSEs and Connectors."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field
from starlette.responses import Response

from modules.locations.own import patching_own, putting_own, remove_own, telling
from modules.locations.parts import Place, find_part
from modules.locations.store import locations
from modules.locations.tagging import tag_location, tags_of
from ocpi.admin import OwnParty, document_answer, takes, written_answer
from ocpi.editing import Edit
from ocpi.push.writing import write
from ocpi.request import Body, Here, Segment
from ocpi.spec.document import decode
from ocpi.spec.locations import EVSE, Connector, Location

router = APIRouter(prefix="/locations/{country_code}/{party_id}", tags=["locations"])

LocationID = Annotated[Segment, Path(description="Location.id")]
EVSEUID = Annotated[Segment, Path(description="EVSE.uid")]
ConnectorID = Annotated[Segment, Path(description="Connector.id")]


async def _get(here: Here, owner: OwnParty, place: Place) -> Response:
    text = await locations.text(here.database, (owner,), place.location_id)
    return document_answer(find_part(decode(text), place))


async def _put(here: Here, owner: OwnParty, place: Place, body: Body) -> Response:
    return await _write(here, owner, place, putting_own(owner, place, body))


async def _patch(here: Here, owner: OwnParty, place: Place, body: Body) -> Response:
    return await _write(here, owner, place, patching_own(owner, place, body))


async def _write(here: Here, owner: OwnParty, place: Place, edit: Edit) -> Response:
    return written_answer(await write(here.database, locations, edit, telling(owner, place)))


async def _remove(here: Here, owner: OwnParty, place: Place) -> Response:
    async with here.database.write() as db:
        await remove_own(db, owner, place)
    return await _get(here, owner, place)


@router.get("/{location_id}", response_model=Location, summary="Get a Location")
async def get_location(here: Here, owner: OwnParty, location_id: LocationID) -> Response:
    """The Location as it is stored."""
    return await _get(here, owner, Place(location_id))


@router.put(
    "/{location_id}",
    response_model=Location,
    summary="Put a Location",
    openapi_extra=takes(Location),
)
async def put_location(
    here: Here, owner: OwnParty, location_id: LocationID, body: Body
) -> Response:
    """Create or replace a Location; without `last_updated` it is dated now."""
    return await _put(here, owner, Place(location_id), body)


@router.patch(
    "/{location_id}",
    response_model=Location,
    summary="Change a Location",
    openapi_extra=takes(Location, partial=True),
)
async def patch_location(
    here: Here, owner: OwnParty, location_id: LocationID, body: Body
) -> Response:
    """Change the fields given; EVSEs given are put one by one."""
    return await _patch(here, owner, Place(location_id), body)


@router.delete("/{location_id}", response_model=Location, summary="Withdraw a Location")
async def delete_location(here: Here, owner: OwnParty, location_id: LocationID) -> Response:
    """Set every EVSE to REMOVED: sessions and CDRs still refer to the Location (LO-12, LO-13)."""
    return await _remove(here, owner, Place(location_id))


@router.get("/{location_id}/{evse_uid}", response_model=EVSE, summary="Get an EVSE")
async def get_evse(
    here: Here, owner: OwnParty, location_id: LocationID, evse_uid: EVSEUID
) -> Response:
    """The EVSE as it is stored."""
    return await _get(here, owner, Place(location_id, evse_uid))


@router.put(
    "/{location_id}/{evse_uid}",
    response_model=EVSE,
    summary="Put an EVSE",
    openapi_extra=takes(EVSE),
)
async def put_evse(
    here: Here, owner: OwnParty, location_id: LocationID, evse_uid: EVSEUID, body: Body
) -> Response:
    """Add or replace an EVSE of a known Location."""
    return await _put(here, owner, Place(location_id, evse_uid), body)


@router.patch(
    "/{location_id}/{evse_uid}",
    response_model=EVSE,
    summary="Change an EVSE",
    openapi_extra=takes(EVSE, partial=True),
)
async def patch_evse(
    here: Here, owner: OwnParty, location_id: LocationID, evse_uid: EVSEUID, body: Body
) -> Response:
    """Change the fields given, such as `status`."""
    return await _patch(here, owner, Place(location_id, evse_uid), body)


@router.delete("/{location_id}/{evse_uid}", response_model=EVSE, summary="Withdraw an EVSE")
async def delete_evse(
    here: Here, owner: OwnParty, location_id: LocationID, evse_uid: EVSEUID
) -> Response:
    """Set the EVSE to REMOVED (LO-12)."""
    return await _remove(here, owner, Place(location_id, evse_uid))


@router.get(
    "/{location_id}/{evse_uid}/{connector_id}", response_model=Connector, summary="Get a Connector"
)
async def get_connector(
    here: Here,
    owner: OwnParty,
    location_id: LocationID,
    evse_uid: EVSEUID,
    connector_id: ConnectorID,
) -> Response:
    """The Connector as it is stored."""
    return await _get(here, owner, Place(location_id, evse_uid, connector_id))


@router.put(
    "/{location_id}/{evse_uid}/{connector_id}",
    response_model=Connector,
    summary="Put a Connector",
    openapi_extra=takes(Connector),
)
async def put_connector(
    here: Here,
    owner: OwnParty,
    location_id: LocationID,
    evse_uid: EVSEUID,
    connector_id: ConnectorID,
    body: Body,
) -> Response:
    """Add or replace a Connector of a known EVSE."""
    return await _put(here, owner, Place(location_id, evse_uid, connector_id), body)


@router.patch(
    "/{location_id}/{evse_uid}/{connector_id}",
    response_model=Connector,
    summary="Change a Connector",
    openapi_extra=takes(Connector, partial=True),
)
async def patch_connector(
    here: Here,
    owner: OwnParty,
    location_id: LocationID,
    evse_uid: EVSEUID,
    connector_id: ConnectorID,
    body: Body,
) -> Response:
    """Change the fields given."""
    return await _patch(here, owner, Place(location_id, evse_uid, connector_id), body)


tags_router = APIRouter(prefix="/location-tags/{country_code}/{party_id}", tags=["locations"])


class Tags(BaseModel):
    """Our own words for a Location, by which rules choose it; partners never see them."""

    tags: list[str] = Field(examples=[["fleet"]])


@tags_router.get("/{location_id}", summary="The tags of a Location")
async def get_tags(here: Here, owner: OwnParty, location_id: LocationID) -> Tags:
    """In lower case."""
    async with here.database.read() as db:
        return Tags(tags=await tags_of(db, owner, location_id))


@tags_router.put("/{location_id}", summary="Set the tags of a Location")
async def put_tags(here: Here, owner: OwnParty, location_id: LocationID, wish: Tags) -> Tags:
    """Replaces all of them; partners with rules are told what that changes for them."""
    async with here.database.write() as db:
        tags = await tag_location(db, owner, location_id, add=tuple(wish.tags), only=True)
    return Tags(tags=tags)
