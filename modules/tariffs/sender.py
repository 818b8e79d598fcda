"""What eMSPs read: our Tariffs (mod_tariffs, Sender interface)."""

from fastapi import APIRouter
from starlette.responses import Response

from modules.tariffs.store import tariffs
from ocpi.envelope import Answer
from ocpi.request import Here, List, Owners, pages
from ocpi.spec.tariffs import Tariff

router = APIRouter()


@router.get("", response_model=Answer[list[Tariff]], summary="List Tariffs", openapi_extra=pages())
async def list_tariffs(here: Here, owners: Owners, listing: List) -> Response:
    """A page of Tariffs, oldest creation first."""
    sight = listing.sight.of("tariffs")
    page = await tariffs.page(here.database, listing.paging, owners, sight=sight)
    return listing.answer(page)
