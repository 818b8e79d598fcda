"""Who asks something of a station, and the result that is reported once it is known."""

from __future__ import annotations

from dataclasses import dataclass

from ocpi.testing.cpo.charging import find_session
from ocpi.testing.cpo.pushing import driver_of
from ocpi.testing.mock.outgoing import (
    Address,
    Asking,
    first_party,
    known_peer,
    object_to_url,
    succeeded,
)
from ocpi.testing.mock.sender import addressed_party
from ocpi.testing.mock.state import State, owned_key, owner_of
from ocpi.testing.mock.wire import FROM, Document, Incoming

# How long a station may take, in seconds.
TIMEOUT = 30


@dataclass(frozen=True)
class Question:
    """What the `asker` wants of a station of the `owner`, and where it waits for the result."""

    owner: Address
    asker: Address
    response_url: str
    correlation_id: str | None


def read_question(state: State, incoming: Incoming, response_url: str) -> Question:
    """Without addresses the peer asks for its own first party (RT-04)."""
    incoming.objections += object_to_url(state, response_url, "RT-22")
    sender = incoming.pair(FROM)
    return Question(
        owner=addressed_party(state, incoming),
        asker=sender if all(sender) else first_party(known_peer(state)),
        response_url=response_url,
        correlation_id=incoming.headers.get("x-correlation-id"),
    )


def object_to_token(question: Question, token: Document) -> list[str]:
    """Who charges by command does so with a token of its own (CM-13)."""
    if owned_key(*owner_of(token), "") == owned_key(*question.asker, ""):
        return []
    return [f"the token is of {'*'.join(owner_of(token))}, not of who asks (CM-13)"]


def judge_session(state: State, question: Question, session_id: str) -> str:
    """What to answer who asks something of a session (CM-05, CP-06)."""
    session = find_session(state, question.owner, session_id)
    if session is None:
        return "UNKNOWN_SESSION"
    theirs = owned_key(*driver_of(session), "") == owned_key(*question.asker, "")
    return "ACCEPTED" if theirs and session["status"] != "COMPLETED" else "REJECTED"


async def report(state: State, question: Question, result: Document) -> None:
    """POST the bare result, the addresses turned round, to the letter of the URL (CM-07)."""
    async with Asking(state, known_peer(state).token_out) as asking:
        reply = await asking.ask(
            "POST",
            question.response_url,
            body=result,
            to=question.asker,
            sender=question.owner,
            correlation_id=question.correlation_id,
            given=True,
        )
    if succeeded(reply) and reply.data is not None:
        reply.message.blame("the answer to a result has data (CM-12, CP-10)")
