"""Run any ASGI app over a real socket, inside the loop that asks for it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager, contextmanager

import httpx
import uvicorn
from starlette.types import ASGIApp, Receive


class _Server(uvicorn.Server):
    """A uvicorn that says when it is up and leaves the process's signals alone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets=sockets)
        except SystemExit as failure:  # It would end the whole loop.
            raise RuntimeError("the app refused to start; its log says why") from failure
        self.ready.set()

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


@asynccontextmanager
async def serving(app: ASGIApp, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
    """Serve `app` while the context is open; gives its base URL (port 0: any free port)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family)
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        ws="none",
        timeout_graceful_shutdown=1,
        # As long as the service's: who sends on a connection that closes has sent in vain.
        timeout_keep_alive=75,
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    up = asyncio.create_task(server.ready.wait())
    try:
        await asyncio.wait({running, up}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            await running
        yield f"http://{_reached(host)}:{listener.getsockname()[1]}"
    finally:
        up.cancel()
        server.should_exit = True
        await asyncio.wait({running})
        listener.close()


def _reached(host: str) -> str:
    """Who listens everywhere is still reached at one address."""
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"[{address}]" if ":" in address else address


async def hang_up(receive: Receive) -> None:
    """Close the caller's connection without an answer, once its request has been read.

    ASGI has no word for it: an app that raises or returns early is answered for with a 500. So
    uvicorn's connection is taken from the `receive` it handed out, which must not be wrapped.
    Where there is no socket (httpx's ASGITransport) the caller gets the error it would have met.
    """
    cycle = getattr(receive, "__self__", None)
    transport = getattr(cycle, "transport", None)
    if transport is None:
        raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
    transport.abort()
    # uvicorn would still answer for an app that returns before the connection is known to be lost.
    await receive()
