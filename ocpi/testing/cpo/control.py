"""What programs may have a mock CPO do, besides what every mock does."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request

from ocpi.testing.cpo import authorizing, pushing
from ocpi.testing.mock.control import addressee
from ocpi.testing.mock.receiver import LEVELS
from ocpi.testing.mock.state import Control, State
from ocpi.testing.mock.strict import find_defects
from ocpi.testing.mock.wire import Document, decode

TOLD = ("locations", "tariffs", "sessions", "cdrs")


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    uid: str
    kind: str = "RFID"
    location_references: Document | None = None


async def push_object(state: State, request: Request) -> Any:
    """Take the object in the body as ours, and PUT it, or POST it if it is a CDR."""
    module, to = request.path_params["module"], addressee(request)
    if module not in TOLD:
        raise ValueError(f"there is no module {module}; there are {', '.join(TOLD)}")
    document = decode(await request.body())
    model = LEVELS[module][0].model
    if found := find_defects(document, model):
        raise ValueError(f"the {model.__name__} is not as OCPI has it: {'; '.join(found)}")
    if module == "cdrs":
        return (await pushing.post_cdr(state, document, to)).document()
    return (await pushing.put_object(state, module, document, to)).document()


async def authorize(state: State, request: Request) -> Any:
    wanted = msgspec.convert(decode(await request.body()), Wanted)
    reply = await authorizing.authorize(
        state,
        wanted.uid,
        wanted.kind,
        wanted.location_references,
        addressee(request),
    )
    return {**reply.document(), "data": reply.data}


CPO_CONTROLS: tuple[Control, ...] = (
    ("POST", "/mock/objects/{module}", push_object),
    ("POST", "/mock/authorize", authorize),
)
