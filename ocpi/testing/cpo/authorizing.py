"""Ask the eMSP that issued a token whether its driver may charge."""

from __future__ import annotations

from ocpi.spec.tokens import AuthorizationInfo
from ocpi.testing.mock.outgoing import Address, Reply, ask_peer, succeeded
from ocpi.testing.mock.state import State
from ocpi.testing.mock.strict import find_defects
from ocpi.testing.mock.wire import Document, segment


async def authorize(
    state: State,
    uid: str,
    kind: str = "RFID",
    location_references: Document | None = None,
    to: Address | None = None,
    sender: Address | None = None,
) -> Reply:
    path = f"/{segment(uid)}/authorize?type={segment(kind)}"
    reply = await ask_peer(
        state, "POST", "SENDER", "tokens", path, body=location_references, to=to, sender=sender
    )
    if succeeded(reply) and (found := find_defects(reply.data, AuthorizationInfo)):
        reply.message.blame(f"the AuthorizationInfo is not as OCPI has it: {'; '.join(found)}")
    return reply
