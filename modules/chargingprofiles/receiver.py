"""What eMSPs want of running sessions: charging profiles set, asked for and cleared.

Each request is answered before the station is; its result goes to `response_url`.
"""

from typing import Annotated

from fastapi import APIRouter, Path, Request
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.responses import Response

from modules.chargingprofiles.judging import WINDOW, judge
from modules.chargingprofiles.query import read_query
from modules.commands.accepting import (
    CROWDED,
    Asker,
    AskerOf,
    Task,
    add_errand,
    announced_timeout,
    came_before,
    is_crowded,
    location_of,
    place_of,
    session_of,
)
from modules.commands.judging import ACCEPTED, Verdict
from ocpi.admin import takes
from ocpi.callbacks import check_response_url
from ocpi.context import Context
from ocpi.database import clock
from ocpi.editing import Document
from ocpi.envelope import Answer, ok
from ocpi.errands import Errand
from ocpi.errors import InvalidParameters
from ocpi.forgiving import read
from ocpi.gateway import Wish
from ocpi.parties import Partner
from ocpi.request import Body, Here, Segment
from ocpi.spec.chargingprofiles import ChargingProfileResponse, SetChargingProfile
from ocpi.spec.document import encode
from ocpi.spec.reading import dump
from ocpi.spec.types import CalledURL, Integer, OCPIModel

router = APIRouter()

SessionID = Annotated[Segment, Path(description="Session.id")]
WISHES = (Wish.SET_CHARGING_PROFILE, Wish.GET_CHARGING_PROFILE, Wish.CLEAR_CHARGING_PROFILE)
# A GET works at a station: whoever repeated it from a cache would do harm (AT-70).
UNCACHED = {"Cache-Control": "no-store"}


class GetProfile(OCPIModel):
    """What the query of a GET asks."""

    duration: Integer
    response_url: CalledURL


class ClearProfile(OCPIModel):
    """What the query of a DELETE asks."""

    response_url: CalledURL


def _parameters(**texts: str) -> Document:
    """The query parameters, for the OpenAPI document; `read_query` reads them."""
    return {
        "parameters": [
            {
                "name": name,
                "in": "query",
                "required": True,
                "description": text,
                "schema": {"type": "integer"} if name == "duration" else {"type": "string"},
            }
            for name, text in texts.items()
        ]
    }


_GOES_TO = "Where the result is to be POSTed, percent-encoded."


@router.get(
    "/{session_id}",
    response_model=Answer[ChargingProfileResponse],
    summary="Ask for the active charging profile",
    openapi_extra=_parameters(duration="For how many seconds from now.", response_url=_GOES_TO),
)
async def get_profile(
    here: Here, asker: AskerOf, session_id: SessionID, request: Request
) -> Response:
    """The profile that the EVSE has planned goes to `response_url` (CP-01)."""
    wanted = read(GetProfile, read_query(request.url.query))
    if wanted.duration <= 0:
        raise InvalidParameters("duration: must be more than 0 seconds")
    return await _answer(here, asker, session_id, Wish.GET_CHARGING_PROFILE, dump(wanted))


@router.put(
    "/{session_id}",
    response_model=Answer[ChargingProfileResponse],
    summary="Set a charging profile",
    openapi_extra=takes(SetChargingProfile),
)
async def put_profile(here: Here, asker: AskerOf, session_id: SessionID, body: Body) -> Response:
    """Limit a running session, or replace its limits (CP-02)."""
    wanted = dump(read(SetChargingProfile, body))
    return await _answer(here, asker, session_id, Wish.SET_CHARGING_PROFILE, wanted)


@router.delete(
    "/{session_id}",
    response_model=Answer[ChargingProfileResponse],
    summary="Clear the charging profile",
    openapi_extra=_parameters(response_url=_GOES_TO),
)
async def clear_profile(
    here: Here, asker: AskerOf, session_id: SessionID, request: Request
) -> Response:
    """Take the limits set here off a running session (CP-02)."""
    wanted = dump(read(ClearProfile, read_query(request.url.query)))
    wanted.pop("duration", None)
    return await _answer(here, asker, session_id, Wish.CLEAR_CHARGING_PROFILE, wanted)


async def _answer(
    here: Context, asker: Asker, session_id: str, wish: Wish, wanted: Document
) -> Response:
    await check_response_url(here, asker.partner_id, wanted["response_url"])
    verdict = await _decide(here, asker, session_id, wish, wanted)
    timeout = announced_timeout(here) if verdict == ACCEPTED else 0
    response = encode({"result": verdict.result, "timeout": timeout})
    # A ChargingProfileResponse has no place for the reason, the envelope has.
    return ok(response, message=verdict.reason, headers=UNCACHED)


async def _decide(
    here: Context, asker: Asker, session_id: str, wish: Wish, wanted: Document
) -> Verdict:
    """The verdict, after what it promises is stored for good."""
    if not here.gateway.supports(wish):
        return Verdict("NOT_SUPPORTED", "No station here can be asked for this.")
    session = await session_of(here.database, asker.owner, session_id)
    location_id = "" if session is None else session["location_id"]
    location = await location_of(here.database, asker.owner, location_id)
    async with here.database.write() as db:
        if session and await came_before(db, asker, wanted, session_id=session["id"]):
            return ACCEPTED
        recent = 0 if session is None else await _recent(db, asker, session["id"])
        verdict = judge(session, location, asker.parties, recent)
        if verdict == ACCEPTED and await is_crowded(db, asker):
            verdict = Verdict("TOO_OFTEN", CROWDED)
        if verdict == ACCEPTED:
            assert session is not None
            task = Task(wish, place_of(session), wanted, session["id"])
            await add_errand(db, here, asker, task)
    if verdict == ACCEPTED:
        here.errands.set()
    return verdict


async def _recent(db: AsyncSession, asker: Asker, session_id: str) -> int:
    """How many requests about a session were accepted of late."""
    # Of those that come at once each must see the ones before.
    partner = select(Partner.id).where(Partner.id == asker.partner_id)
    await db.exec(partner.with_for_update(key_share=True))
    found = await db.exec(
        select(func.count())
        .select_from(Errand)
        .where(
            Errand.owner_country_code == asker.owner.country_code,
            Errand.owner_party_id == asker.owner.party_id,
            Errand.session_id == session_id,
            col(Errand.wish).in_(WISHES),
            # What we told of the session afterwards is kept as errands too, told by PUT.
            Errand.method == "POST",
            Errand.created_at > await clock(db) - WINDOW * 1_000_000,
        )
    )
    return found.one()
