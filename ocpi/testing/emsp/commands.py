"""Commands to stations, and the results that come for them."""

from __future__ import annotations

from uuid import uuid4

from ocpi.spec.commands import CommandResponse, CommandResult
from ocpi.testing.emsp.results import find_errand, send, take_result
from ocpi.testing.mock.errands import Command, Terms
from ocpi.testing.mock.outgoing import Address, first_party, known_peer
from ocpi.testing.mock.state import Routes, State
from ocpi.testing.mock.wire import Answer, Document, Incoming, ok, segment

TERMS = Terms(CommandResponse, CommandResult, "CM-03", "CM-07", "CM-11")


async def send_command(
    state: State,
    command: str,
    body: Document,
    to: Address | None = None,
    sender: Address | None = None,
) -> Command:
    """POST the command with a response_url of its own (CM-12)."""
    uid = str(uuid4())
    url = state.url("sender", "commands", command, uid)
    sent = Command(
        uid=uid,
        terms=TERMS,
        response_url=url,
        to=to or first_party(known_peer(state)),
        sender=sender or state.own_party(),
        body={**body, "response_url": url},
        command=command,
    )
    await send(state, sent, "POST", "commands", f"/{segment(command)}")
    return sent


async def post_result(state: State, incoming: Incoming) -> Answer:
    command = find_errand(state, Command, incoming.rest[1])
    take_result(incoming, command)
    return ok()


COMMAND_ROUTES: Routes = {("POST", 2): post_result}
