"""The operator's way to change our own Tariffs."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from modules.tariffs.own import delete_own, patch_own, put_own
from modules.tariffs.store import tariffs
from ocpi.admin import OwnParty, document_answer, takes, written_answer
from ocpi.request import Body, Here, Segment
from ocpi.spec.document import decode
from ocpi.spec.tariffs import Tariff

router = APIRouter(prefix="/tariffs/{country_code}/{party_id}", tags=["tariffs"])

TariffID = Annotated[Segment, Path(description="Tariff.id")]


@router.get("/{tariff_id}", response_model=Tariff, summary="Get a Tariff")
async def get_tariff(here: Here, owner: OwnParty, tariff_id: TariffID) -> Response:
    """The Tariff as it is stored."""
    return document_answer(decode(await tariffs.text(here.database, (owner,), tariff_id)))


@router.put(
    "/{tariff_id}", response_model=Tariff, summary="Put a Tariff", openapi_extra=takes(Tariff)
)
async def put_tariff(here: Here, owner: OwnParty, tariff_id: TariffID, body: Body) -> Response:
    """Create or replace a Tariff; without `last_updated` it is dated now."""
    async with here.database.write() as db:
        return written_answer(await put_own(db, owner, tariff_id, body))


@router.patch(
    "/{tariff_id}",
    response_model=Tariff,
    summary="Change a Tariff",
    openapi_extra=takes(Tariff, partial=True),
)
async def patch_tariff(here: Here, owner: OwnParty, tariff_id: TariffID, body: Body) -> Response:
    """Change the fields given."""
    async with here.database.write() as db:
        return written_answer(await patch_own(db, owner, tariff_id, body))


@router.delete("/{tariff_id}", status_code=204, summary="Delete a Tariff")
async def delete_tariff(here: Here, owner: OwnParty, tariff_id: TariffID) -> Response:
    """Delete a Tariff here and at the partners; 409 while a Connector names it (TA-04)."""
    async with here.database.write() as db:
        await delete_own(db, owner, tariff_id)
    return Response(status_code=204)
