"""What CPOs push: their Locations, EVSEs and Connectors (mod_locations, Receiver interface)."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from modules.locations.parts import Place, find_part, model_of, raise_parents
from modules.locations.store import check_complete, locations
from ocpi.admin import takes
from ocpi.editing import Document, Written, object_key
from ocpi.envelope import Answer, ok
from ocpi.forgiving import read, read_patch
from ocpi.headers import Party
from ocpi.push.feed import Change
from ocpi.request import Body, Here, PatchBody, Push, PushOf, Segment, TheirParty, answer_written
from ocpi.spec.document import decode, encode
from ocpi.spec.locations import EVSE, Connector, Location
from ocpi.spec.reading import dump

MODULE = "locations"

router = APIRouter(prefix="/{country_code}/{party_id}")

LocationID = Annotated[Segment, Path(description="Location.id")]
EVSEUID = Annotated[Segment, Path(description="EVSE.uid")]
ConnectorID = Annotated[Segment, Path(description="Connector.id")]


async def _get(here: Here, owner: Party, place: Place) -> Response:
    text = await locations.text(here.database, (owner,), place.location_id)
    return ok(encode(find_part(decode(text), place)))


async def _put(here: Here, push: Push, owner: Party, place: Place, body: Body) -> Response:
    document = dump(read(model_of(place), body))
    if not push.broadcast:
        # What is told to others keeps the dates that its owner gave it (RT-16).
        document = raise_parents(document)
    edit = locations.putting_at(owner, place, document)
    written = await push.write(here.database, locations, edit, lambda _: _change(owner, place))
    return answer_written(push.caller, written)


async def _patch(here: Here, push: Push, owner: Party, place: Place, body: Body) -> Response:
    if "evses" in body:
        check_complete(body["evses"])
    changes = read_patch(model_of(place), body)
    if not push.broadcast:
        changes = raise_parents(changes)
    edit = locations.patching_at(owner, place, changes)
    whole = place.connector_id is not None or "evses" in changes

    def tell(written: Written) -> Change:
        return _change(owner, place, None if whole else written.patch)

    written = await push.write(here.database, locations, edit, tell)
    return answer_written(push.caller, written)


def _change(owner: Party, place: Place, patch: Document | None = None) -> Change:
    key = object_key(owner, place.location_id)
    return Change(MODULE, key, part=place.evse_uid, patch=patch)


@router.get("/{location_id}", response_model=Answer[Location], summary="Get a pushed Location")
async def get_location(here: Here, owner: TheirParty, location_id: LocationID) -> Response:
    """The Location as it is stored here, for its owner to compare (LO-05)."""
    return await _get(here, owner, Place(location_id))


@router.put(
    "/{location_id}",
    response_model=Answer[Location],
    summary="Push a Location",
    openapi_extra=takes(Location),
)
async def put_location(
    here: Here, push: PushOf, owner: TheirParty, location_id: LocationID, body: Body
) -> Response:
    """Create or replace a Location with all its EVSEs and Connectors."""
    return await _put(here, push, owner, Place(location_id), body)


@router.patch(
    "/{location_id}",
    response_model=Answer[Location],
    summary="Push changes of a Location",
    openapi_extra=takes(Location, partial=True),
)
async def patch_location(
    here: Here, push: PushOf, owner: TheirParty, location_id: LocationID, body: PatchBody
) -> Response:
    """Change the fields given; EVSEs given are put one by one, and must be complete."""
    return await _patch(here, push, owner, Place(location_id), body)


@router.get("/{location_id}/{evse_uid}", response_model=Answer[EVSE], summary="Get a pushed EVSE")
async def get_evse(
    here: Here, owner: TheirParty, location_id: LocationID, evse_uid: EVSEUID
) -> Response:
    """The EVSE as it is stored here."""
    return await _get(here, owner, Place(location_id, evse_uid))


@router.put(
    "/{location_id}/{evse_uid}",
    response_model=Answer[EVSE],
    summary="Push an EVSE",
    openapi_extra=takes(EVSE),
)
async def put_evse(
    here: Here,
    push: PushOf,
    owner: TheirParty,
    location_id: LocationID,
    evse_uid: EVSEUID,
    body: Body,
) -> Response:
    """Add or replace an EVSE of a known Location."""
    return await _put(here, push, owner, Place(location_id, evse_uid), body)


@router.patch(
    "/{location_id}/{evse_uid}",
    response_model=Answer[EVSE],
    summary="Push changes of an EVSE",
    openapi_extra=takes(EVSE, partial=True),
)
async def patch_evse(
    here: Here,
    push: PushOf,
    owner: TheirParty,
    location_id: LocationID,
    evse_uid: EVSEUID,
    body: PatchBody,
) -> Response:
    """Change the fields given, such as `status`."""
    return await _patch(here, push, owner, Place(location_id, evse_uid), body)


@router.get(
    "/{location_id}/{evse_uid}/{connector_id}",
    response_model=Answer[Connector],
    summary="Get a pushed Connector",
)
async def get_connector(
    here: Here,
    owner: TheirParty,
    location_id: LocationID,
    evse_uid: EVSEUID,
    connector_id: ConnectorID,
) -> Response:
    """The Connector as it is stored here."""
    return await _get(here, owner, Place(location_id, evse_uid, connector_id))


@router.put(
    "/{location_id}/{evse_uid}/{connector_id}",
    response_model=Answer[Connector],
    summary="Push a Connector",
    openapi_extra=takes(Connector),
)
async def put_connector(
    here: Here,
    push: PushOf,
    owner: TheirParty,
    location_id: LocationID,
    evse_uid: EVSEUID,
    connector_id: ConnectorID,
    body: Body,
) -> Response:
    """Add or replace a Connector of a known EVSE."""
    return await _put(here, push, owner, Place(location_id, evse_uid, connector_id), body)


@router.patch(
    "/{location_id}/{evse_uid}/{connector_id}",
    response_model=Answer[Connector],
    summary="Push changes of a Connector",
    openapi_extra=takes(Connector, partial=True),
)
async def patch_connector(
    here: Here,
    push: PushOf,
    owner: TheirParty,
    location_id: LocationID,
    evse_uid: EVSEUID,
    connector_id: ConnectorID,
    body: PatchBody,
) -> Response:
    """Change the fields given."""
    return await _patch(here, push, owner, Place(location_id, evse_uid, connector_id), body)
