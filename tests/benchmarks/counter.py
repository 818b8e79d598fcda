"""Partners that take whatever they are told, and count it: at /count it is told how much it was."""

from typing import Any

from tests.benchmarks.target import ANSWER

_HEADERS = [(b"content-type", b"application/json")]
_told = 0


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Read the body, count, and say that all is well."""
    global _told  # noqa: PLW0603 - It is all that this process is for.
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    _told += scope["method"] != "GET"
    body = b"%d" % _told if scope["path"] == "/count" else ANSWER
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": body})
