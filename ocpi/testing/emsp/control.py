"""The JSON surface by which tests and demonstrations look into the mock and steer it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ocpi.testing.emsp.misbehaviour import Rule
from ocpi.testing.emsp.mock import MockEMSP
from ocpi.testing.emsp.outgoing import PeerFailed
from ocpi.testing.emsp.wire import encode

Action = Callable[[Request], Awaitable[Any]]


class Registration(msgspec.Struct, forbid_unknown_fields=True):
    versions_url: str
    token: str


class Controls:
    """What `/mock/...` can do; each method gives the JSON that is answered."""

    def __init__(self, mock: MockEMSP) -> None:
        self.mock = mock

    async def show_state(self, _request: Request) -> Any:
        return self.mock.summary()

    async def show_objects(self, request: Request) -> Any:
        module = request.path_params["module"]
        if module not in self.mock.objects:
            raise ValueError(
                f"there is no module {module}; there are {', '.join(self.mock.objects)}"
            )
        return self.mock.documents(module)

    async def show_messages(self, request: Request) -> Any:
        """Messages with a number above `since`, oldest first."""
        since = int(request.query_params.get("since", "0"))
        return [asdict(message) for message in self.mock.messages if message.number > since]

    async def show_violations(self, _request: Request) -> Any:
        return self.mock.violations

    async def show_rules(self, _request: Request) -> Any:
        return self.mock.rules

    async def set_rules(self, request: Request) -> Any:
        """Replace all rules by the list in the body."""
        self.mock.rules = msgspec.json.decode(await request.body(), type=list[Rule])
        return self.mock.rules

    async def clear_rules(self, _request: Request) -> Any:
        self.mock.rules = []
        return self.mock.rules

    async def register(self, request: Request) -> Any:
        wanted = msgspec.json.decode(await request.body(), type=Registration)
        await self.mock.register(wanted.versions_url, wanted.token)
        return self.mock.summary()

    async def pull(self, _request: Request) -> Any:
        return await self.mock.pull()

    async def reset(self, _request: Request) -> Any:
        self.mock.reset()
        return self.mock.summary()


def control_routes(mock: MockEMSP) -> list[Route]:
    controls = Controls(mock)
    table: list[tuple[str, str, Action]] = [
        ("GET", "/mock/state", controls.show_state),
        ("GET", "/mock/objects/{module}", controls.show_objects),
        ("GET", "/mock/messages", controls.show_messages),
        ("GET", "/mock/violations", controls.show_violations),
        ("GET", "/mock/misbehave", controls.show_rules),
        ("PUT", "/mock/misbehave", controls.set_rules),
        ("DELETE", "/mock/misbehave", controls.clear_rules),
        ("POST", "/mock/register", controls.register),
        ("POST", "/mock/pull", controls.pull),
        ("POST", "/mock/reset", controls.reset),
    ]
    return [Route(path, _in_json(action), methods=[method]) for method, path, action in table]


def _in_json(action: Action) -> Callable[[Request], Awaitable[Response]]:
    """Answer in JSON; 400 for what cannot be read, 502 when the peer is to blame."""

    async def answer(request: Request) -> Response:
        try:
            return _json(200, await action(request))
        except ValueError as failure:
            return _json(400, {"error": str(failure)})
        except PeerFailed as failure:
            return _json(502, {"error": str(failure)})

    return answer


def _json(status: int, value: Any) -> Response:
    return Response(encode(value), status, media_type="application/json")
