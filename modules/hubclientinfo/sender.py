"""What parties of the hub read: who else is there, and how they stand (Sender interface)."""

from fastapi import APIRouter
from starlette.responses import Response

from modules.hubclientinfo.store import client_infos, known_owners
from ocpi.agreements import read_agreements
from ocpi.context import Context
from ocpi.envelope import Answer
from ocpi.headers import Party
from ocpi.parties import Caller
from ocpi.request import CallerOf, Here, List, pages
from ocpi.spec.hubclientinfo import ClientInfo

router = APIRouter()


@router.get(
    "",
    response_model=Answer[list[ClientInfo]],
    summary="List the parties of the hub",
    openapi_extra=pages(),
)
async def list_client_infos(here: Here, caller: CallerOf, listing: List) -> Response:
    """A page of the parties that the caller may talk to (HC-02, HC-13), without its own."""
    seen = await _visible(here, caller)
    return listing.answer(await client_infos.page(here.database, listing.paging, seen))


async def _visible(here: Context, caller: Caller) -> list[Party]:
    default = here.settings.hub_agreements == "open"
    agreements = await read_agreements(here.database, default=default)
    own = {party.key for party in caller.parties}
    return [
        Party(*key.split("*", 1))
        for key in await known_owners(here.database)
        if key not in own and any(agreements.knows(each, key) for each in own)
    ]
