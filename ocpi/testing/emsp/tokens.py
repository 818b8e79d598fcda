"""Tokens of the mock's, as it pushes them to its peer."""

from __future__ import annotations

from ocpi.testing.emsp.outgoing import Reply, ask_peer
from ocpi.testing.emsp.state import State, token_key
from ocpi.testing.emsp.wire import Document, segment


async def push_token(state: State, token: Document, allowed: str) -> Reply:
    """Issue the Token, or issue it anew, and PUT it."""
    state.issue_token(token, allowed)
    return await ask_peer(state, "PUT", "RECEIVER", "tokens", _path(token), body=token)


async def patch_token(state: State, token: Document, changes: Document) -> Reply:
    """Change a Token that was issued, and PATCH what changed, `last_updated` included."""
    key = token_key(token)
    state.objects["tokens"][key] = {**state.objects["tokens"][key], **changes}
    return await ask_peer(state, "PATCH", "RECEIVER", "tokens", _path(token), body=changes)


def _path(token: Document) -> str:
    parts = [segment(token[name]) for name in ("country_code", "party_id", "uid")]
    return f"/{'/'.join(parts)}?type={segment(token['type'])}"
