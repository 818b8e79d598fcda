"""Commands to the mock's stations: answered at once, done and reported afterwards."""

from __future__ import annotations

from contextlib import suppress

from ocpi.spec.commands import (
    CancelReservation,
    ReserveNow,
    StartSession,
    StopSession,
    UnlockConnector,
)
from ocpi.spec.types import OCPIModel
from ocpi.testing.cpo.answering import (
    TIMEOUT,
    Question,
    judge_session,
    object_to_token,
    read_question,
    report,
)
from ocpi.testing.cpo.charging import find_place, perform
from ocpi.testing.cpo.pushing import put_object
from ocpi.testing.mock.outgoing import PeerFailed
from ocpi.testing.mock.state import Routes, State
from ocpi.testing.mock.strict import read_document, refuse_defects
from ocpi.testing.mock.wire import Answer, Document, Incoming, envelope, ok

MODELS: dict[str, type[OCPIModel]] = {
    "CANCEL_RESERVATION": CancelReservation,
    "RESERVE_NOW": ReserveNow,
    "START_SESSION": StartSession,
    "STOP_SESSION": StopSession,
    "UNLOCK_CONNECTOR": UnlockConnector,
}


async def post_command(state: State, incoming: Incoming) -> Answer:
    [command] = incoming.rest
    if command not in MODELS:
        incoming.objections.append(f"there is no command {command} (CM-01)")
        return ok({"result": "NOT_SUPPORTED", "timeout": 0})
    body = read_document(incoming)
    refuse_defects(body, MODELS[command])
    question = read_question(state, incoming, body["response_url"])
    if "token" in body:
        incoming.objections += object_to_token(question, body["token"])
    if "location_id" in body and not find_place(state, question.owner, body):
        refusal = {"result": "REJECTED", "timeout": 0}
        return Answer(200, envelope(2003, refusal, "There is no such place."))
    verdict = "ACCEPTED"
    if command == "STOP_SESSION":
        verdict = judge_session(state, question, body["session_id"])
    if verdict != "ACCEPTED":
        return ok({"result": verdict, "timeout": 0})
    incoming.afterwards.append(_carry_out(state, command, body, question))
    return ok({"result": verdict, "timeout": TIMEOUT})


COMMAND_ROUTES: Routes = {("POST", 1): post_command}


async def _carry_out(state: State, command: str, body: Document, question: Question) -> None:
    result, session = perform(state, command, body, question.owner, question.asker)
    # A lost result need not be repeated (CM-11), and the log of messages shows it.
    with suppress(PeerFailed):
        await report(state, question, {"result": result})
    if session is not None:
        with suppress(PeerFailed):
            await put_object(state, "sessions", session)
