"""What CPOs push: Sessions of our drivers as they go on (mod_sessions, Receiver interface)."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import Response

from modules.sessions.store import sessions
from ocpi.admin import takes
from ocpi.editing import Document, Written
from ocpi.envelope import Answer, ok
from ocpi.forgiving import Habit, forgive, read, read_patch
from ocpi.push.writing import write
from ocpi.request import Body, CallerOf, Here, PatchBody, Segment, TheirParty, answer_written
from ocpi.spec.reading import dump
from ocpi.spec.sessions import Session

router = APIRouter(prefix="/{country_code}/{party_id}")

SessionID = Annotated[Segment, Path(description="Session.id")]


@router.get("/{session_id}", response_model=Answer[Session], summary="Get a pushed Session")
async def get_session(here: Here, owner: TheirParty, session_id: SessionID) -> Response:
    """The Session as it is stored here, for its owner to compare."""
    return ok(await sessions.text(here.database, (owner,), session_id))


@router.put(
    "/{session_id}",
    response_model=Answer[Session],
    summary="Push a Session",
    openapi_extra=takes(Session),
)
async def put_session(
    here: Here, caller: CallerOf, owner: TheirParty, session_id: SessionID, body: Body
) -> Response:
    """Create or replace a Session with its charging periods (SE-10); an ended one stays ended."""
    document = dump(read(Session, body))
    edit = sessions.putting(owner, session_id, document)
    written = await write(here.database, sessions, edit)
    return answer_written(caller, written, _note(document, written))


@router.patch(
    "/{session_id}",
    response_model=Answer[Session],
    summary="Push changes of a Session",
    openapi_extra=takes(Session, partial=True),
)
async def patch_session(
    here: Here, caller: CallerOf, owner: TheirParty, session_id: SessionID, body: PatchBody
) -> Response:
    """Change the fields given; charging periods given are added to those known (SE-11)."""
    changes = read_patch(Session, body)
    edit = sessions.patching(owner, session_id, changes)
    written = await write(here.database, sessions, edit)
    return answer_written(caller, written, _note(changes, written))


def _note(sent: Document, written: Written) -> str | None:
    status = written.document["status"]
    if written.stale or sent.get("status", status) == status:
        return None
    forgive(Habit.LATE_SESSION, "Session status")
    return f"The Session has ended: its status stays {status}, the rest is stored."
