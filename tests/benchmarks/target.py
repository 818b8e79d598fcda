"""A partner that answers at once: what the relay is measured in front of, by plain ASGI."""

from typing import Any

ANSWER = b'{"status_code":1000,"timestamp":"2026-01-01T12:00:00Z"}'
_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(ANSWER))],
}


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Read the body, and say that all is well."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send(_START)
    await send({"type": "http.response.body", "body": ANSWER})
