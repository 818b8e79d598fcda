"""Requests as no well-meant client makes them: their path and query go out byte for byte."""

from __future__ import annotations

import httpx

from ocpi.headers import Party, routing_headers
from tests.house import present
from tests.ocpi.hub.town import Peer, Town


async def send_raw(
    town: Town,
    peer: Peer,
    method: str,
    path: bytes,
    *,
    query: bytes = b"",
    body: bytes = b"",
    to: Party | None = None,
    sender: Party | None = None,
) -> httpx.Response:
    """Send the hub a request, below `/ocpi/hub/` unless its path begins with a slash."""
    headers = {**present(peer.token), **routing_headers(to, sender or peer.member.party)}
    raw_path = path if path.startswith(b"/") else b"/ocpi/hub/2.2.1/" + path
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "https",
        "path": raw_path.decode("latin-1"),
        "raw_path": raw_path,
        "query_string": query,
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: object) -> None:
        assert isinstance(message, dict)
        sent.append(message)

    await town.app(scope, receive, send)
    start, *rest = sent
    content = b"".join(part.get("body", b"") for part in rest)  # type: ignore[misc]
    return httpx.Response(start["status"], headers=start["headers"], content=content)  # type: ignore[arg-type]
