"""The metrics of a process that serves nothing else, at a port of their own."""

import socket
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from ocpi.observing.scraping import Scraping


class _Server(uvicorn.Server):
    """One beside other duties: signals are for the whole process."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave them to whom they are for."""
        yield


class MetricsServer:
    """A duty that answers `/metrics` and `/health/live`."""

    def __init__(self, scraping: Scraping, host: str, port: int) -> None:
        """Raises OSError when the port is taken; 0 is any free one, see `port`."""
        self._scraping = scraping
        config = uvicorn.Config(
            self._app,
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            timeout_graceful_shutdown=2,
        )
        self._server = _Server(config)
        # Bound here, since a duty that fails later would not end the process.
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family)
        self.port: int = self._socket.getsockname()[1]

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        if scope["path"] == "/metrics":
            given = headers.get(b"authorization", b"").decode("latin-1")
            address, _ = scope["client"] or ("", 0)
            answer: Response = await self._scraping.answer(given, address)
        elif scope["path"] == "/health/live":
            answer = PlainTextResponse("ok\n")
        else:
            answer = PlainTextResponse("There is /metrics here, and /health/live.\n", 404)
        await answer(scope, receive, send)

    async def run(self) -> None:
        """Serve until `stop`."""
        await self._server.serve(sockets=[self._socket])

    async def stop(self) -> None:
        """End `run`."""
        self._server.should_exit = True
