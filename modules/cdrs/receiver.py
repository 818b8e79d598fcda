"""What CPOs push: CDRs, each once and for all (mod_cdrs, Receiver interface)."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path
from starlette.responses import Response

from modules.cdrs.received import keep
from modules.cdrs.store import cdrs
from ocpi.admin import takes
from ocpi.context import Context, Interface
from ocpi.editing import Document
from ocpi.envelope import Answer, ok
from ocpi.forgiving import Habit, forgive, read
from ocpi.headers import Party
from ocpi.owning import require_owner
from ocpi.parties import options_of
from ocpi.request import Body, CallerOf, Here, Segment, TheirParty
from ocpi.spec.cdrs import CDR
from ocpi.spec.reading import dump

router = APIRouter()

ONE = "/{country_code}/{party_id}/{cdr_id}"
CDRID = Annotated[Segment, Path(description="CDR.id")]


@router.post("", response_model=Answer[CDR], summary="Post a CDR", openapi_extra=takes(CDR))
async def post_cdr(here: Here, caller: CallerOf, body: Body) -> Response:
    """Store a CDR; the header `Location` is its address. The same one again is stored once."""
    document = dump(read(CDR, body))
    named = Party(document["country_code"], document["party_id"])
    owner = await require_owner(here.database, caller, "cdrs", named)
    created = await keep(here.database, caller.name, owner, document)
    if not created:
        forgive(Habit.REPEATED_CDR)
    headers = {"Location": _url(here, caller.platform, document)}
    if created and (await options_of(here.database, caller.partner_id)).get("cdr_answer_200"):
        created = False
    return ok(created=created, headers=headers)


@router.get(ONE, response_model=Answer[CDR], summary="Get a posted CDR")
async def get_cdr(here: Here, owner: TheirParty, cdr_id: CDRID) -> Response:
    """The CDR as it is stored here: this is the address that its POST was answered with (CD-04)."""
    return ok(await cdrs.text(here.database, (owner,), cdr_id))


def _url(here: Context, platform: str, cdr: Document) -> str:
    path = "/".join(quote(cdr[field], safe="") for field in ("country_code", "party_id", "id"))
    return f"{here.module_url(platform, Interface('cdrs', 'RECEIVER'))}/{path}"
