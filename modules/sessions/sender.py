"""What eMSPs read: our Sessions of their drivers (mod_sessions, Sender interface)."""

from fastapi import APIRouter
from starlette.responses import Response

from modules.sessions.store import sessions
from ocpi.envelope import Answer
from ocpi.errors import InvalidParameters
from ocpi.request import Here, List, Owners, pages
from ocpi.spec.sessions import Session

router = APIRouter()


@router.get(
    "",
    response_model=Answer[list[Session]],
    summary="List Sessions",
    openapi_extra=pages(required=("date_from",)),
)
async def list_sessions(here: Here, owners: Owners, listing: List) -> Response:
    """A page of the Sessions that concern the caller, oldest creation first (SE-01, SE-02)."""
    if listing.paging.date_from is None:
        raise InvalidParameters("date_from: is required for Sessions")
    page = await sessions.page(here.database, listing.paging, owners, listing.parties)
    return listing.answer(page)
