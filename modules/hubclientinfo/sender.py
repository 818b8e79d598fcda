"""What parties of the hub read: who else is there, and how they stand (Sender interface)."""

from fastapi import APIRouter
from starlette.responses import Response

from modules.hubclientinfo.store import client_infos, known_owners
from ocpi.context import Context
from ocpi.directory import read_directory
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
    """Those of whom its parties hear, those that it announced among them: as what is pushed."""
    directory = await read_directory(here.database, here.settings)
    own = {member.party.key for member in directory.of(caller.partner_id)}
    return [
        Party(*key.split("*", 1))
        for key in await known_owners(here.database)
        if key not in own and any(directory.agreements.knows(each, key) for each in own)
    ]
