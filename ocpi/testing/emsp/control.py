"""The JSON surface by which tests and demonstrations look into the mock and steer it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ocpi.spec.tokens import AllowedType, Token
from ocpi.testing.emsp.errands import ProfileRequest
from ocpi.testing.emsp.misbehaviour import Rule
from ocpi.testing.emsp.mock import MockEMSP
from ocpi.testing.emsp.outgoing import PeerFailed
from ocpi.testing.emsp.strict import find_defects
from ocpi.testing.emsp.wire import Document, decode, encode

Action = Callable[[Request], Awaitable[Any]]


class Registration(msgspec.Struct, forbid_unknown_fields=True):
    versions_url: str
    token: str


class WantedCommand(msgspec.Struct, forbid_unknown_fields=True):
    command: str
    body: Document


class Setting(msgspec.Struct, forbid_unknown_fields=True, tag="PUT", tag_field="method"):
    session_id: str
    profile: Document


class Getting(msgspec.Struct, forbid_unknown_fields=True, tag="GET", tag_field="method"):
    session_id: str
    duration: int


class Clearing(msgspec.Struct, forbid_unknown_fields=True, tag="DELETE", tag_field="method"):
    session_id: str


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

    async def show_commands(self, _request: Request) -> Any:
        return [command.document() for command in self.mock.commands]

    async def send_command(self, request: Request) -> Any:
        wanted = msgspec.convert(decode(await request.body()), WantedCommand)
        return (await self.mock.command(wanted.command, wanted.body)).document()

    async def show_profiles(self, _request: Request) -> Any:
        return {
            "requests": [each.document() for each in self.mock.profile_requests],
            "updates": self.mock.profile_updates,
        }

    async def send_profile(self, request: Request) -> Any:
        wanted = msgspec.convert(decode(await request.body()), Setting | Getting | Clearing)
        return (await self._ask_profile(wanted)).document()

    async def _ask_profile(self, wanted: Setting | Getting | Clearing) -> ProfileRequest:
        match wanted:
            case Setting():
                return await self.mock.set_profile(wanted.session_id, wanted.profile)
            case Getting():
                return await self.mock.get_profile(wanted.session_id, wanted.duration)
            case Clearing():
                return await self.mock.clear_profile(wanted.session_id)

    async def push_token(self, request: Request) -> Any:
        """Issue the Token in the body and PUT it; `?allowed=` is the verdict of authorize."""
        token = decode(await request.body())
        if found := find_defects(token, Token):
            raise ValueError(f"the Token is not as OCPI has it: {'; '.join(found)}")
        allowed = AllowedType(request.query_params.get("allowed", "ALLOWED"))
        reply = await self.mock.push_token(token, allowed.value)
        return {
            "http_status": reply.http_status,
            "status_code": reply.status_code,
            "status_message": reply.status_message,
        }

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
        ("GET", "/mock/commands", controls.show_commands),
        ("POST", "/mock/command", controls.send_command),
        ("GET", "/mock/profiles", controls.show_profiles),
        ("POST", "/mock/profile", controls.send_profile),
        ("POST", "/mock/tokens", controls.push_token),
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
