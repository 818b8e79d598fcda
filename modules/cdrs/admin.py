"""The operator's way to make CDRs, take them back, and see what became of them."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from modules.cdrs.audit import audit
from modules.cdrs.checks import count_checks, list_checks
from modules.cdrs.conflicts import list_conflicts
from modules.cdrs.exporting import CDRS
from modules.cdrs.own import credit_own, post_own
from modules.cdrs.receipts import with_receipts
from modules.cdrs.store import CDRRow, cdrs
from ocpi.admin import OwnParty, document_answer, own_party, takes, written_answer
from ocpi.errors import InvalidParameters
from ocpi.exportways import ANSWERS, endpoint
from ocpi.headers import Party
from ocpi.parties import PlatformID, our_parties
from ocpi.recent import Limit, Offset, newest
from ocpi.request import Body, Here, Segment
from ocpi.spec.cdrs import CDR
from ocpi.spec.document import decode

router = APIRouter(prefix="/cdrs", tags=["cdrs"])
audit_router = APIRouter(prefix="/push", tags=["push"])

ONE = "/{country_code}/{party_id}/{cdr_id}"
CDRID = Annotated[Segment, Path(description="CDR.id")]
Verdict = Annotated[
    Literal["agrees", "disputed", "unpriceable"] | None,
    Query(description="Only those that came to this."),
]
CreditID = Annotated[
    str | None,
    Query(max_length=39, description='The id of the credit CDR; without it the CDR\'s and "-C".'),
]


class ReceiptView(BaseModel):
    """That a partner accepted a CDR."""

    partner: str = Field(examples=["shiny"])
    accepted_at: str
    url: str | None = Field(None, description="Where its copy can be read.")
    request_id: str


class CDREntry(BaseModel):
    """A CDR of ours and who has accepted it."""

    cdr: CDR
    receipts: list[ReceiptView] = Field(description="None as long as its eMSP was not told.")


class CDRList(BaseModel):
    """Some of our CDRs, and how many there are."""

    total: int
    cdrs: list[CDREntry]


class CheckCount(BaseModel):
    """How many CDRs of one party came to one verdict."""

    party: str = Field(examples=["de*cpo"])
    verdict: str = Field(examples=["agrees", "disputed", "unpriceable"])
    count: int


class CheckedCDR(BaseModel):
    """A CDR that we received, and what came of checking its price."""

    cdr: CDR
    finding: dict[str, Any] = Field(description="`verdict`, `sentence`, differences and notes.")


class CheckList(BaseModel):
    """What CDRs that we received came to."""

    counts: list[CheckCount]
    cdrs: list[CheckedCDR]


class Contradiction(BaseModel):
    """Another CDR that a partner posted under the id of a known one."""

    partner: str
    at: str
    stored: CDR = Field(description="The one that counts.")
    refused: CDR


class UnprovenView(BaseModel):
    """A CDR of ours that its eMSP has not accepted."""

    partner: str = Field(examples=["shiny"])
    owner: str = Field(examples=["NL*TNM"])
    id: str
    last_updated: str
    age: int = Field(description="Seconds since then.")
    overdue: bool = Field(description="The partner can be told it, and should have been.")
    why: str = Field(description="As far as the push knows.")


class AuditView(BaseModel):
    """CDRs of ours without a receipt, read from the bills alone."""

    overdue: int = Field(description="How many should have one.", examples=[0])
    waiting: int = Field(description="How many wait for a partner that cannot be told any.")
    oldest: int | None = Field(None, description="Age in seconds of the oldest overdue one.")
    cdrs: list[UnprovenView] = Field(description="Some of both, the overdue ones first.")


@audit_router.get("/audit", summary="List CDRs that nobody has accepted")
async def get_audit(here: Here, limit: Limit = 50) -> AuditView:
    """Our CDRs, older than 15 minutes, for which there is no receipt of their eMSP."""
    return AuditView.model_validate(await audit(here, limit=limit), from_attributes=True)


@router.get("", response_model=CDRList, summary="List our CDRs")
async def list_cdrs(here: Here, limit: Limit = 50, offset: Offset = 0) -> Response:
    """The newest first, each with its receipts."""
    ours = await our_parties(here.database, PlatformID.CPO)
    total, texts = await newest(here.database, CDRRow, ours, limit=limit, offset=offset)
    entries = await with_receipts(here.database, [decode(text) for text in texts])
    return document_answer({"total": total, "cdrs": entries})


router.get("/export", response_class=Response, responses=ANSWERS, summary="Export our CDRs")(
    endpoint(CDRS, "cdrs")
)


@router.get("/conflicts", response_model=list[Contradiction], summary="List contradicting CDRs")
async def get_conflicts(here: Here, limit: Limit = 50, offset: Offset = 0) -> Response:
    """CDRs that partners posted under a known id, beside the ones that count (PD-08)."""
    found = await list_conflicts(here.database, limit=limit, offset=offset)
    return document_answer(found)


@router.get("/checks", response_model=CheckList, summary="List checked CDRs")
async def get_checks(
    here: Here, verdict: Verdict = None, limit: Limit = 50, offset: Offset = 0
) -> Response:
    """CDRs that partners posted, the newest first, and how many of each party came to what."""
    counts = await count_checks(here.database)
    found = await list_checks(here.database, verdict, limit=limit, offset=offset)
    return document_answer({"counts": counts, "cdrs": found})


@router.post("", response_model=CDR, summary="Make a CDR", openapi_extra=takes(CDR))
async def post_cdr(here: Here, body: Body) -> Response:
    """Store a CDR of ours for good, and have its eMSP told; without `last_updated` it is now."""
    owner = await own_party(here, _named_owner(body))
    return written_answer(await post_own(here.database, owner, body))


@router.get(ONE, response_model=CDR, summary="Get a CDR")
async def get_cdr(here: Here, owner: OwnParty, cdr_id: CDRID) -> Response:
    """The CDR as it is stored."""
    return document_answer(decode(await cdrs.text(here.database, (owner,), cdr_id)))


@router.post(f"{ONE}/credit", response_model=CDR, summary="Take a CDR back")
async def credit_cdr(
    here: Here, owner: OwnParty, cdr_id: CDRID, credit_id: CreditID = None
) -> Response:
    """Make its credit CDR, and have the eMSP told (CD-09, CD-10)."""
    async with here.database.write() as db:
        return written_answer(await credit_own(db, owner, cdr_id, credit_id))


def _named_owner(body: Body) -> Party:
    match body:
        case {"country_code": str(country_code), "party_id": str(party_id)}:
            return Party(country_code, party_id)
    raise InvalidParameters("country_code, party_id: are required, to tell whose CDR it is")
