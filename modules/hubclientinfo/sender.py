"""What parties of the hub read: who else is there, and how they stand (Sender interface)."""

from fastapi import APIRouter
from starlette.responses import Response

from modules.hubclientinfo.store import client_infos, known_roles
from ocpi.context import Context
from ocpi.directory import read_directory
from ocpi.editing import object_key
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
    seen, own = await _visible(here, caller)
    page = await client_infos.page(here.database, listing.paging, seen, but=own)
    return listing.answer(page)


async def _visible(here: Context, caller: Caller) -> tuple[list[Party], list[str]]:
    """Those of whom its parties hear, those that it announced among them: as what is pushed.

    And the keys of what is told of these parties in the roles that they play by this connection.
    """
    directory = await read_directory(here.database, here.settings)
    members = tuple(directory.of(caller.partner_id))
    own = {object_key(each.party, each.role) for each in members}
    parties = {each.party.key for each in members}
    roles = await known_roles(here.database)
    seen = {
        party
        for party in {party for key, party in roles.items() if key not in own}
        if any(directory.agreements.knows(each, party) for each in parties)
    }
    left_out = sorted(key for key in own if roles.get(key) in seen)
    return [Party(*party.split("*", 1)) for party in sorted(seen)], left_out
