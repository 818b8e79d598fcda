"""Staff and backend set, ask for and clear charging profiles at partners' stations."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from modules.commands.admin import Name, PairingOf, Sent, sent_answer
from modules.commands.asking import Pairing, Question, ask, find_road
from ocpi.admin import takes
from ocpi.context import Context
from ocpi.dating import refuse_defects
from ocpi.editing import Document
from ocpi.gateway import Wish
from ocpi.request import Body, Here, Segment
from ocpi.spec.chargingprofiles import ChargingProfile, ChargingProfileResponse
from ocpi.spec.reading import dump, read

router = APIRouter(
    prefix="/partners/{name}/chargingprofiles/{session_id}", tags=["chargingprofiles"]
)

SessionID = Annotated[Segment, Path(description="The partner's Session.id.")]
Seconds = Annotated[int, Query(gt=0, description="For how many seconds from now.")]


@router.put(
    "",
    response_model=Sent,
    summary="Set a charging profile",
    openapi_extra=takes(ChargingProfile),
)
async def set_profile(
    here: Here, name: Name, session_id: SessionID, pairing: PairingOf, body: Body
) -> Response:
    """The body is an OCPI ChargingProfile; limits are ceilings, never targets (CP-16)."""
    profile = dump(read(ChargingProfile, body))
    refuse_defects(ChargingProfile, profile)
    request = {"charging_profile": profile}
    return await _ask(here, name, pairing, session_id, Wish.SET_CHARGING_PROFILE, request)


@router.get("", response_model=Sent, summary="Ask for the active charging profile")
async def get_profile(
    here: Here, name: Name, session_id: SessionID, pairing: PairingOf, duration: Seconds
) -> Response:
    """The profile comes later, as the result."""
    request = {"duration": duration}
    return await _ask(here, name, pairing, session_id, Wish.GET_CHARGING_PROFILE, request)


@router.delete("", response_model=Sent, summary="Clear the charging profile")
async def clear_profile(
    here: Here, name: Name, session_id: SessionID, pairing: PairingOf
) -> Response:
    """Whether it was cleared comes later, as the result."""
    return await _ask(here, name, pairing, session_id, Wish.CLEAR_CHARGING_PROFILE, {})


_METHODS = {
    Wish.SET_CHARGING_PROFILE: "PUT",
    Wish.GET_CHARGING_PROFILE: "GET",
    Wish.CLEAR_CHARGING_PROFILE: "DELETE",
}


async def _ask(
    here: Context, name: str, pairing: Pairing, session_id: str, wish: Wish, request: Document
) -> Response:
    road = await find_road(here, name, "chargingprofiles", pairing)
    question = Question(
        module="chargingprofiles",
        command=wish.value,
        method=_METHODS[wish],
        path=quote(session_id, safe=""),
        request=request,
        response=ChargingProfileResponse,
        session_id=session_id,
    )
    return sent_answer(await ask(here, road, question))
