"""The operator's way to see and change our own Sessions."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel
from starlette.responses import Response

from modules.sessions.exporting import SESSIONS
from modules.sessions.own import patch_own, put_own
from modules.sessions.store import SessionRow, sessions, with_status
from ocpi.admin import OwnParty, document_answer, takes, written_answer
from ocpi.exportways import ANSWERS, endpoint
from ocpi.parties import PlatformID, our_parties
from ocpi.recent import Limit, Offset, newest, spliced
from ocpi.request import Body, Here, Segment
from ocpi.spec.document import decode
from ocpi.spec.sessions import Session

router = APIRouter(prefix="/sessions", tags=["sessions"])

ONE = "/{country_code}/{party_id}/{session_id}"
SessionID = Annotated[Segment, Path(description="Session.id")]
Status = Annotated[str | None, Query(description="Only Sessions with this status.")]


class SessionList(BaseModel):
    """Some of our Sessions, and how many match in all."""

    total: int
    sessions: list[Session]


@router.get("", response_model=SessionList, summary="List our Sessions")
async def list_sessions(
    here: Here, status: Status = None, limit: Limit = 50, offset: Offset = 0
) -> Response:
    """The newest first."""
    ours = await our_parties(here.database, PlatformID.CPO)
    total, texts = await newest(
        here.database, SessionRow, ours, *with_status(status), limit=limit, offset=offset
    )
    return Response(spliced(total, "sessions", texts), media_type="application/json")


router.get("/export", response_class=Response, responses=ANSWERS, summary="Export our Sessions")(
    endpoint(SESSIONS, "sessions")
)


@router.get(ONE, response_model=Session, summary="Get a Session")
async def get_session(here: Here, owner: OwnParty, session_id: SessionID) -> Response:
    """The Session as it is stored."""
    return document_answer(decode(await sessions.text(here.database, (owner,), session_id)))


@router.put(ONE, response_model=Session, summary="Put a Session", openapi_extra=takes(Session))
async def put_session(here: Here, owner: OwnParty, session_id: SessionID, body: Body) -> Response:
    """Create or replace a Session that has not ended; without `last_updated` it is dated now."""
    return written_answer(await put_own(here.database, owner, session_id, body))


@router.patch(
    ONE,
    response_model=Session,
    summary="Change a Session",
    openapi_extra=takes(Session, partial=True),
)
async def patch_session(here: Here, owner: OwnParty, session_id: SessionID, body: Body) -> Response:
    """Change the fields given; charging periods given are added to those known."""
    return written_answer(await patch_own(here.database, owner, session_id, body))


@router.delete(ONE, response_model=Session, summary="Withdraw a Session")
async def delete_session(here: Here, owner: OwnParty, session_id: SessionID) -> Response:
    """Set its status to INVALID: it will not be billed. Sessions are never deleted (SE-14)."""
    return written_answer(await patch_own(here.database, owner, session_id, {"status": "INVALID"}))
