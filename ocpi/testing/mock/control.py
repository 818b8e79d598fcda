"""The JSON surface by which tests and demonstrations look into a mock and steer it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ocpi.testing.mock import credentials, pull
from ocpi.testing.mock.misbehaviour import Rule
from ocpi.testing.mock.outgoing import OPEN, Address, PeerFailed
from ocpi.testing.mock.state import Control, State
from ocpi.testing.mock.wire import encode


class Registration(msgspec.Struct, forbid_unknown_fields=True):
    versions_url: str
    token: str


async def show_state(state: State, _request: Request) -> Any:
    return state.summary()


async def show_objects(state: State, request: Request) -> Any:
    module = request.path_params["module"]
    if module not in state.objects:
        raise ValueError(f"there is no module {module}; there are {', '.join(state.objects)}")
    return state.documents(module)


async def show_messages(state: State, request: Request) -> Any:
    """Messages with a number above `since`, oldest first."""
    text = request.query_params.get("since", "0")
    if not re.fullmatch("[0-9]{1,18}", text):
        raise ValueError(f"since is {text!r}, not the number of a message")
    since = int(text)
    return [asdict(message) for message in state.messages if message.number > since]


async def show_violations(state: State, _request: Request) -> Any:
    return state.violations


async def show_rules(state: State, _request: Request) -> Any:
    return state.rules


async def set_rules(state: State, request: Request) -> Any:
    """Replace all rules by the list in the body."""
    state.rules = msgspec.json.decode(await request.body(), type=list[Rule])
    return state.rules


async def clear_rules(state: State, _request: Request) -> Any:
    state.rules = []
    return state.rules


async def register(state: State, request: Request) -> Any:
    wanted = msgspec.json.decode(await request.body(), type=Registration)
    await credentials.register(state, wanted.versions_url, wanted.token)
    return state.summary()


async def pull_lists(state: State, request: Request) -> Any:
    return await pull.pull(state, addressee(request))


async def reset(state: State, _request: Request) -> Any:
    state.reset()
    return state.summary()


# What every mock can do; its role adds more.
CONTROLS: tuple[Control, ...] = (
    ("GET", "/mock/state", show_state),
    ("GET", "/mock/objects/{module}", show_objects),
    ("GET", "/mock/messages", show_messages),
    ("GET", "/mock/violations", show_violations),
    ("GET", "/mock/misbehave", show_rules),
    ("PUT", "/mock/misbehave", set_rules),
    ("DELETE", "/mock/misbehave", clear_rules),
    ("POST", "/mock/register", register),
    ("POST", "/mock/pull", pull_lists),
    ("POST", "/mock/reset", reset),
)


def addressee(request: Request) -> Address | None:
    """`?to=DE*MSP` addresses that party, `?to=open` nobody; without it the peer's first is."""
    text = request.query_params.get("to")
    if text is None:
        return None
    if text == "open":
        return OPEN
    country_code, star, party_id = text.partition("*")
    if not (country_code and star and party_id):
        raise ValueError(f"to is {text!r}, not a party like DE*MSP, or open")
    return country_code, party_id


def control_routes(state: State) -> list[Route]:
    return [
        Route(path, _in_json(state, action), methods=[method])
        for method, path, action in (*CONTROLS, *state.controls)
    ]


def _in_json(
    state: State, action: Callable[[State, Request], Awaitable[Any]]
) -> Callable[[Request], Awaitable[Response]]:
    """Answer in JSON; 400 for what cannot be read, 502 when the peer is to blame."""

    async def answer(request: Request) -> Response:
        try:
            return _json(200, await action(state, request))
        except ValueError as failure:
            return _json(400, {"error": str(failure)})
        except PeerFailed as failure:
            return _json(502, {"error": str(failure)})

    return answer


def _json(status: int, value: Any) -> Response:
    return Response(encode(value), status, media_type="application/json")
