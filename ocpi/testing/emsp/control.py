"""What programs may have a mock eMSP do, besides what every mock does."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request

from ocpi.spec.tokens import AllowedType, Token
from ocpi.testing.emsp import commands, profiles, tokens
from ocpi.testing.mock.control import addressee
from ocpi.testing.mock.errands import ProfileRequest
from ocpi.testing.mock.outgoing import Address
from ocpi.testing.mock.state import Control, State
from ocpi.testing.mock.strict import find_defects
from ocpi.testing.mock.wire import Document, decode


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


async def show_commands(state: State, _request: Request) -> Any:
    return [command.document() for command in state.commands]


async def send_command(state: State, request: Request) -> Any:
    wanted = msgspec.convert(decode(await request.body()), WantedCommand)
    sent = await commands.send_command(state, wanted.command, wanted.body, addressee(request))
    return sent.document()


async def show_profiles(state: State, _request: Request) -> Any:
    return {
        "requests": [each.document() for each in state.profile_requests],
        "updates": state.profile_updates,
    }


async def send_profile(state: State, request: Request) -> Any:
    wanted = msgspec.convert(decode(await request.body()), Setting | Getting | Clearing)
    return (await _ask_profile(state, wanted, addressee(request))).document()


async def push_token(state: State, request: Request) -> Any:
    """Issue the Token in the body and PUT it; `?allowed=` is the verdict of authorize."""
    token = decode(await request.body())
    if found := find_defects(token, Token):
        raise ValueError(f"the Token is not as OCPI has it: {'; '.join(found)}")
    allowed = AllowedType(request.query_params.get("allowed", "ALLOWED"))
    reply = await tokens.push_token(state, token, allowed.value, addressee(request))
    return reply.document()


EMSP_CONTROLS: tuple[Control, ...] = (
    ("GET", "/mock/commands", show_commands),
    ("POST", "/mock/command", send_command),
    ("GET", "/mock/profiles", show_profiles),
    ("POST", "/mock/profile", send_profile),
    ("POST", "/mock/tokens", push_token),
)


async def _ask_profile(
    state: State, wanted: Setting | Getting | Clearing, to: Address | None
) -> ProfileRequest:
    match wanted:
        case Setting():
            return await profiles.set_profile(state, wanted.session_id, wanted.profile, to)
        case Getting():
            return await profiles.get_profile(state, wanted.session_id, wanted.duration, to)
        case Clearing():
            return await profiles.clear_profile(state, wanted.session_id, to)
