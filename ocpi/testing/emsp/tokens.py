"""Tokens of the mock's, as it pushes them to its peer."""

from __future__ import annotations

from ocpi.testing.mock.outgoing import Address, Reply, ask_peer, own_sender
from ocpi.testing.mock.state import State, key_of
from ocpi.testing.mock.wire import Document, segment


async def push_token(
    state: State,
    token: Document,
    allowed: str,
    to: Address | None = None,
    sender: Address | None = None,
) -> Reply:
    """Issue the Token, or issue it anew, and PUT it."""
    state.issue_token(token, allowed)
    return await _tell(state, "PUT", token, token, to, sender)


async def patch_token(
    state: State,
    token: Document,
    changes: Document,
    to: Address | None = None,
    sender: Address | None = None,
) -> Reply:
    """Change a Token that was issued, and PATCH what changed, `last_updated` included."""
    key = key_of("tokens", token)
    state.objects["tokens"][key] = {**state.objects["tokens"][key], **changes}
    return await _tell(state, "PATCH", token, changes, to, sender)


async def _tell(
    state: State,
    method: str,
    token: Document,
    body: Document,
    to: Address | None,
    sender: Address | None,
) -> Reply:
    parts = [segment(token[name]) for name in ("country_code", "party_id", "uid")]
    path = f"/{'/'.join(parts)}?type={segment(token['type'])}"
    said_by = sender or own_sender(state, token)
    return await ask_peer(
        state, method, "RECEIVER", "tokens", path, body=body, to=to, sender=said_by
    )
