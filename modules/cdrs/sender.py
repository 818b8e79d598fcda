"""What eMSPs read: our CDRs of their drivers (mod_cdrs, Sender interface)."""

from fastapi import APIRouter
from starlette.responses import Response

from modules.cdrs.store import cdrs
from ocpi.envelope import Answer
from ocpi.request import Here, List, Owners, pages
from ocpi.spec.cdrs import CDR

router = APIRouter()


@router.get("", response_model=Answer[list[CDR]], summary="List CDRs", openapi_extra=pages())
async def list_cdrs(here: Here, owners: Owners, listing: List) -> Response:
    """A page of the CDRs that concern the caller, oldest creation first (CD-01, AT-58)."""
    page = await cdrs.page(here.database, listing.paging, owners, listing.parties)
    return listing.answer(page)
