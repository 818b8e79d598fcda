"""Stations: where they are and how they do, on a map and in a list, and one of them whole."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from modules.locations.finding import count_locations, points_tag, read_points, search_locations
from modules.locations.own import patch_own
from modules.locations.parts import Place
from modules.locations.store import LocationRow, locations
from modules.sessions.finding import Wanted, search_sessions
from modules.tariffs.pricing import (
    PricingError,
    Severity,
    describe,
    example,
    language_of,
    lint_connector,
    lint_tariff,
    read_tariff,
)
from modules.tariffs.store import tariffs
from ocpi.admin import own_party
from ocpi.console.access import Operator, Viewer
from ocpi.console.frame import address_of, go, page
from ocpi.console.searching import Before, Typed, address, one_of, typed
from ocpi.console.shown import Told, raw, shown, told
from ocpi.context import Context
from ocpi.editing import Document, object_key
from ocpi.errors import InvalidParameters, UnknownObject
from ocpi.headers import Party
from ocpi.parties import PlatformID, our_parties
from ocpi.recent import Found
from ocpi.request import Here
from ocpi.spec.document import decode
from ocpi.spec.locations import Status

router = APIRouter(prefix="/stations")

STATUSES = {each.value: each for each in Status}
ONE = "/{country_code}/{party_id}/{location_id:path}"
# Sessions that a station's page shows.
LATELY = 10
Text = Annotated[str, Form()]


@router.get("")
async def show_stations(
    request: Request,
    context: Here,
    _person: Viewer,
    *,
    q: Typed = "",
    status: Typed = "",
    before: Before = None,
) -> Response:
    """All Locations that are stored, partners' too, as a map and as a list."""
    form, problem = {"q": q, "status": status}, None
    found: Found[LocationRow] = Found((), None)
    try:
        found = await search_locations(
            context.database,
            text=typed(q) or "",
            status=one_of("status", status, STATUSES),
            before=before,
        )
    except InvalidParameters as error:
        problem = error.message
    return page(
        request,
        "stations.html",
        400 if problem else 200,
        form=form,
        problem=problem,
        statuses=list(STATUSES),
        total=await count_locations(context.database),
        stations=[_summary(row) for row in found.rows],
        older=address("/console/stations", form, found.older),
        first=before is None,
    )


def _summary(row: LocationRow) -> Document:
    location = decode(row.body)
    statuses = Counter(evse["status"] for evse in location.get("evses") or [])
    more = {"statuses": statuses.most_common(), "absent_since": row.absent_since}
    return Told(told(location) | more)


@router.get("/points")
async def get_points(request: Request, context: Here, _person: Viewer) -> Response:
    """What the map draws, see `read_points`; nothing when it is as the browser has it."""
    tag = f'"{await points_tag(context.database)}"'
    headers = {"ETag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    points = [point async for point in read_points(context.database)]
    body = f'{{"points":[{",".join(points)}]}}'
    return Response(body, media_type="application/json", headers=headers)


@router.get(ONE)
async def show_station(
    request: Request,
    context: Here,
    person: Viewer,
    country_code: str,
    party_id: str,
    location_id: str,
) -> Response:
    """One Location, its EVSEs and Connectors, prices, and who charges there."""
    owner = Party(country_code, party_id)
    location = await _location(context, owner, location_id)
    lately = await search_sessions(
        context.database, Wanted(owner=owner, location_id=location["id"]), limit=LATELY
    )
    ours = await our_parties(context.database, PlatformID.CPO)
    offers = await _tariffs(context, owner, location)
    return page(
        request,
        "station.html",
        location=told(location),
        own=owner.key in {each.key for each in ours},
        statuses=list(STATUSES),
        tariffs=offers,
        clashes=_clashes(location, offers),
        sessions=[told(shown(person, decode(row.body))) for row in lately.rows],
        raw=raw(location),
    )


@router.post(ONE)
async def set_status(
    request: Request,
    context: Here,
    _person: Operator,
    country_code: str,
    party_id: str,
    location_id: str,
    *,
    evse_uid: Text = "",
    status: Text = "",
) -> Response:
    """Set the status of an EVSE of ours; partners hear of it."""
    owner = await own_party(context, Party(country_code, party_id))
    if status not in STATUSES:
        raise InvalidParameters(f"status: {status!r} is none of {', '.join(STATUSES)}.")
    if not evse_uid:
        raise InvalidParameters("evse_uid: choose the EVSE whose status is to be set.")
    async with context.database.write() as db:
        place = Place(location_id, evse_uid)
        written = await patch_own(db, owner, place, {"status": status})
    evse = written.document
    said = f"{evse['uid']} is {evse['status']} now." if written.changed else "It was so already."
    return go(address_of(request), said)


async def _location(context: Context, owner: Party, location_id: str) -> Document:
    text = await locations.text_of(context.database, object_key(owner, location_id))
    if text is None:
        raise UnknownObject(f"There is no Location {location_id} of {owner}.")
    location: Document = decode(text)
    return location


async def _tariffs(context: Context, owner: Party, location: Document) -> dict[str, Document]:
    """What each Tariff says that a Connector names, by its id in lower case."""
    named: dict[str, str] = {}
    for connector in _connectors(location):
        named |= {each.lower(): each for each in connector.get("tariff_ids") or []}
    found: dict[str, Document] = {}
    for key, tariff_id in named.items():
        text = await tariffs.text_of(context.database, object_key(owner, tariff_id))
        words = {"id": tariff_id, "type": None, "problem": "It is not stored here."}
        if text is not None:
            words = await asyncio.to_thread(_in_words, decode(text), location.get("time_zone"))
        found[key] = {**words, "number": len(found) + 1}
    return found


def _connectors(location: Document) -> Iterator[Document]:
    for evse in location.get("evses") or []:
        yield from evse["connectors"]


def _clashes(location: Document, offers: dict[str, Document]) -> list[str]:
    """What is to be said of Connectors that name several Tariffs, each sentence once."""
    terms = {key: each["terms"] for key, each in offers.items() if "terms" in each}
    now = datetime.now(UTC)
    found = (lint_connector(each, terms, now) for each in _connectors(location))
    return list(dict.fromkeys(each.sentence for findings in found for each in findings))


def _in_words(tariff: Document, zone: str | None) -> Document:
    now = datetime.now(UTC)
    named = {"id": tariff["id"], "type": tariff.get("type"), "texts": language_of(tariff)}
    try:
        terms = read_tariff(tariff)
    except PricingError as error:
        return {**named, "problem": f"It can't be priced by: {error}"}
    findings = [each for each in lint_tariff(tariff, now=now) if each.severity != Severity.INFO]
    return {
        **named,
        "problem": None,
        "terms": terms,
        "prices": describe(terms),
        "example": example(terms, now, zone),
        "findings": findings,
    }
