"""The least that a relay can do with aiohttp: an ASGI function that sends on what it gets."""

import os
from typing import Any

import aiohttp

TARGET = os.environ["BENCH_TARGET"]
_HEADERS = {"Authorization": "Token other", "Content-Type": "application/json"}
_sessions: list[aiohttp.ClientSession] = []


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Read the body, send it on, and give the answer."""
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    if not _sessions:
        _sessions.append(aiohttp.ClientSession())
    url = TARGET + scope["path"]
    async with _sessions[0].request(scope["method"], url, data=body, headers=_HEADERS) as answer:
        content = await answer.read()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(content)),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
