"""The message log: a search, and one message with all that belongs to it, as it was said."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from ocpi.console.access import Viewer
from ocpi.console.frame import page
from ocpi.console.searching import Before, Typed, address, one_of, typed
from ocpi.errors import InvalidParameters
from ocpi.journal.curl import curl_of
from ocpi.journal.searching import (
    MOST_LEGS,
    MessageView,
    Wanted,
    find_messages,
    is_known,
    read_legs,
    read_message,
)
from ocpi.request import Here
from ocpi.spec.versions import ModuleID

router = APIRouter(prefix="/messages")

PAGE = 50
DIRECTIONS = {"IN": "from partners", "OUT": "to partners", "LOST": "missing ones"}
MODULES = {each.value: each.value for each in ModuleID}


@router.get("")
async def show_messages(  # noqa: PLR0913 - A field of the form each.
    request: Request,
    context: Here,
    _person: Viewer,
    *,
    partner: Typed = "",
    about: Annotated[str, Query(alias="object", max_length=1000)] = "",
    correlation: Typed = "",
    token: Typed = "",
    since: Typed = "",
    until: Typed = "",
    direction: Typed = "",
    module: Typed = "",
    failed: Typed = "",
    before: Before = None,
) -> Response:
    """The newest first; drivers are shown as they are stored, by marks."""
    form = {"partner": partner, "object": about, "correlation": correlation, "token": token}
    form |= {"since": since, "until": until, "direction": direction, "module": module}
    form["failed"] = failed
    found: list[MessageView] = []
    problem = None
    try:
        wanted = _wanted(form, before)
        found = await find_messages(context.database, context.seal, wanted)
        named = wanted.partner
        if named is not None and not found and not await is_known(context.database, named):
            problem = f"No partner is named {named}, and no message is of one."
    except InvalidParameters as error:
        problem = error.message
    more = len(found) > PAGE
    return page(
        request,
        "messages.html",
        400 if problem else 200,
        form=form,
        problem=problem,
        directions=DIRECTIONS,
        modules=list(MODULES),
        messages=found[:PAGE],
        older=address("/console/messages", form, found[PAGE - 1].id if more else None),
        first=before is None,
    )


def _wanted(form: dict[str, str], before: int | None) -> Wanted:
    return Wanted(
        partner=typed(form["partner"]),
        object=typed(form["object"]),
        correlation=typed(form["correlation"]),
        since=_moment(form["since"]),
        until=_moment(form["until"]),
        failed=bool(form["failed"]),
        direction=one_of("direction", form["direction"], {each: each for each in DIRECTIONS}),
        module=one_of("module", form["module"], MODULES),
        token=typed(form["token"]),
        before=before,
        # One more tells that there is more.
        limit=PAGE + 1,
    )


def _moment(text: str) -> str | None:
    """What a browser's field for a moment gives: it leaves out seconds that are none."""
    moment = typed(text)
    return (
        f"{moment}:00" if moment is not None and len(moment) == len("2026-01-31T12:00") else moment
    )


@router.get("/{number}")
async def show_message(
    request: Request,
    context: Here,
    _person: Viewer,
    number: Annotated[int, Path(ge=1, lt=2**63)],
) -> Response:
    """What was said, in both legs of what went through the hub, and how to try it again."""
    message = await read_message(context.database, number)
    legs = await read_legs(context.database, message)
    base = context.settings.base_url
    return page(
        request,
        "message.html",
        message=message,
        legs=[(leg, None if leg.direction == "LOST" else curl_of(leg, base)) for leg in legs],
        more=max(0, len(message.related) - MOST_LEGS + 1),
        together=f"/console/messages?{urlencode({'correlation': message.correlation_id})}",
        directions=DIRECTIONS,
    )
