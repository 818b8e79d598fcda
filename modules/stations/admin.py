"""The way in for a charging station backend: what stations did; and what staff see of it."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, Field

from modules.stations.reported import bill_reported, dismiss_reported, list_reported
from modules.stations.reports.applying import Station, find_station, take_reports
from modules.stations.reports.examples import EXAMPLES
from modules.stations.reports.forms import FORMS, MOST, read_documents
from modules.stations.reports.record import Taken
from ocpi.editing import Document
from ocpi.errors import InvalidParameters
from ocpi.recent import Limit, Offset
from ocpi.request import Here, Segment

router = APIRouter(tags=["stations"])

ChargeID = Annotated[int, Path(ge=1, le=2**31 - 1)]


class ReportOutcome(BaseModel):
    """What one report came to."""

    result: Taken = Field(
        description="taken; repeated (known already, nothing changed); kept (it cannot be used, "
        "at least not yet); refused (it is wrong in itself, correct it and send it again)."
    )
    note: str | None = Field(
        None, description="Why, in a sentence.", examples=["The start was not reported yet."]
    )
    session_id: str | None = Field(None, description="The Session that it belongs to.")
    cdr_id: str | None = Field(None, description="The CDR that it led to.")


class ReportOutcomes(BaseModel):
    """What the reports came to, in their order."""

    results: list[ReportOutcome]


async def _station(
    here: Here,
    station_id: Annotated[Segment, Path(description="Location.id of the station.")],
    country_code: Annotated[
        str | None, Query(description="Of our party, where several have such a Location.")
    ] = None,
    party_id: Annotated[str | None, Query(description="Of our party.")] = None,
) -> Station:
    return await find_station(here.database, station_id, country_code, party_id)


async def _documents(request: Request) -> list[Any]:
    return read_documents(await request.body())


def _takes_reports() -> Document:
    """The request body for the OpenAPI document: one report or a list of them."""
    names = [form.__name__ for form in FORMS.values()]
    one = {"oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in names]}
    schema = {"anyOf": [one, {"type": "array", "items": one, "maxItems": MOST}]}
    examples = {name: {"value": example} for name, example in EXAMPLES.items()}
    content = {"application/json": {"schema": schema, "examples": examples}}
    return {"requestBody": {"required": True, "content": content}}


@router.post(
    "/stations/{station_id}/reports",
    summary="Report what a station did",
    openapi_extra=_takes_reports(),
)
async def post_reports(
    here: Here,
    station: Annotated[Station, Depends(_station)],
    documents: Annotated[list[Any], Depends(_documents)],
) -> ReportOutcomes:
    """One report, or a list in the order in which things happened.

    Each is answered by itself; what is taken is stored for good. A report may be repeated, come
    late or out of order. A single one that is refused is answered with HTTP 400.
    """
    outcomes = await take_reports(here, station, documents)
    if len(outcomes) == 1 and outcomes[0].result is Taken.REFUSED:
        raise InvalidParameters(outcomes[0].note)
    return ReportOutcomes(results=[ReportOutcome(**each.document()) for each in outcomes])


class ChargeView(BaseModel):
    """A session as its station reported it."""

    id: int
    station_id: str
    transaction_id: str
    evse_uid: str | None
    session_id: str | None
    started_at: str | None
    ended_at: str | None
    trouble: str | None = Field(description="Why it has no Session or no CDR.")
    notes: list[str] = Field(description="What staff should know of it.")


class ChargeList(BaseModel):
    """Some of the sessions that stations reported, and how many match in all."""

    total: int
    charges: list[ChargeView]


@router.get("/charges", summary="Sessions as stations reported them")
async def list_charges(
    here: Here,
    *,
    trouble: Annotated[bool, Query(description="Only those that need somebody.")] = False,
    limit: Limit = 100,
    offset: Offset = 0,
) -> ChargeList:
    """The newest first; those in trouble have no Session or no CDR, though they should."""
    total, found = await list_reported(here.database, trouble=trouble, limit=limit, offset=offset)
    return ChargeList(total=total, charges=[ChargeView(**each) for each in found])


@router.post("/charges/{charge_id}/bill", summary="Bill a session again")
async def bill(here: Here, charge_id: ChargeID) -> ReportOutcome:
    """Once its token or Tariff is known, or its station has one: what was in trouble is mended."""
    return ReportOutcome(**(await bill_reported(here, charge_id)).document())


@router.post("/charges/{charge_id}/dismiss", summary="Have a session in trouble no more")
async def dismiss(here: Here, charge_id: ChargeID) -> ChargeView:
    """When you have dealt with it: it is noted, and listed again only for what comes anew."""
    return ChargeView(**await dismiss_reported(here, charge_id))
