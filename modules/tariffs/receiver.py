"""What CPOs push: their Tariffs, whole or withdrawn (mod_tariffs, Receiver interface)."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from modules.tariffs.source import withdrawal
from modules.tariffs.store import tariffs
from ocpi.admin import takes
from ocpi.editing import object_key
from ocpi.envelope import Answer, ok
from ocpi.forgiving import read
from ocpi.push.feed import Change, changed
from ocpi.request import Body, Here, PushOf, Segment, TheirParty, answer_written
from ocpi.spec.reading import dump
from ocpi.spec.tariffs import Tariff

router = APIRouter(prefix="/{country_code}/{party_id}")

TariffID = Annotated[Segment, Path(description="Tariff.id")]


@router.get("/{tariff_id}", response_model=Answer[Tariff], summary="Get a pushed Tariff")
async def get_tariff(here: Here, owner: TheirParty, tariff_id: TariffID) -> Response:
    """The Tariff as it is stored here, for its owner to compare."""
    return ok(await tariffs.text(here.database, (owner,), tariff_id))


@router.put(
    "/{tariff_id}",
    response_model=Answer[Tariff],
    summary="Push a Tariff",
    openapi_extra=takes(Tariff),
)
async def put_tariff(
    here: Here, push: PushOf, owner: TheirParty, tariff_id: TariffID, body: Body
) -> Response:
    """Create or replace a Tariff."""
    document = dump(read(Tariff, body))
    edit = tariffs.putting(owner, tariff_id, document)
    change = Change("tariffs", object_key(owner, tariff_id))
    written = await push.write(here.database, tariffs, edit, lambda _: change)
    return answer_written(push.caller, written)


@router.delete("/{tariff_id}", response_model=Answer[Tariff], summary="Withdraw a Tariff")
async def delete_tariff(
    here: Here, push: PushOf, owner: TheirParty, tariff_id: TariffID
) -> Response:
    """Forget a Tariff that is not used any more; what CDRs hold of it stays (TA-03)."""
    async with here.database.write() as db:
        stored = await tariffs.lock(db, owner, tariff_id)
        await tariffs.delete(db, owner, tariff_id)
        if stored is not None and push.broadcast:
            gone = withdrawal(object_key(owner, tariff_id), stored)
            await changed(db, replace(gone, correlation_id=push.correlation_id))
    return ok()
