"""Deliveries: what partners have still to hear of, what they did not take, and helping it along."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Query, Request
from starlette.responses import Response

from modules.cdrs.audit import audit
from ocpi.console.access import Operator, Viewer
from ocpi.console.frame import go, page, status_of
from ocpi.context import Context
from ocpi.errors import InvalidParameters
from ocpi.push.operating import (
    asked_pause,
    drop_parked,
    list_parked,
    partner_id_of,
    retry_parked,
    rewind_partner,
)
from ocpi.push.parking import Why
from ocpi.push.status import lane_status, pending_objects
from ocpi.push.verifying import MODULES, Verification, Wanted, verify
from ocpi.request import Here

router = APIRouter(prefix="/deliveries")

Name = Annotated[str, Path(max_length=64)]
Key = Annotated[str, Form(max_length=1000)]
Number = Annotated[int, Query(ge=1, le=1_000_000)]

PAGE = 50
AUDITED = 200
COMPARED = 100
"""Objects that one drift check looks at: ten a second, and somebody waits."""


@dataclass(frozen=True)
class Pages:
    """Which part of the lists is shown."""

    pending: int = 1
    parked: int = 1
    audit: bool = False
    """With the CDRs that have no receipt."""


WORDS: Mapping[str, str] = {
    Why.TRANSIENT: "The partner failed on it, and is tried again by itself.",
    Why.REJECTED: "The partner refused it. It is tried again by itself, ever more seldom.",
    Why.LATE: "An older state of it may have arrived last, so it is sent once more.",
    Why.DEAD: "The partner refused it too often. Its next change, or a retry, tries it again.",
    Why.DROPPED: "Staff gave it up. Its next change, or a retry of this object, tries it again.",
}


@router.get("")
async def show_deliveries(
    request: Request,
    context: Here,
    _person: Viewer,
    audited: Annotated[str, Query(alias="audit")] = "",
) -> Response:
    """How far each partner is up to date; the audit of CDRs when it is asked for."""
    async with context.database.read() as db:
        lanes = await lane_status(db, require_check=context.settings.require_check)
    found = await _audit(request, context, None) if audited else None
    return page(request, "deliveries.html", lanes=lanes, audit=found)


@router.get("/{name}")
async def show_delivery(
    request: Request,
    context: Here,
    _person: Viewer,
    name: Name,
    pending: Number = 1,
    parked: Number = 1,
    audited: Annotated[str, Query(alias="audit")] = "",
) -> Response:
    """One partner: what is pending, what is parked and why."""
    return await _show(request, context, name, Pages(pending, parked, audit=bool(audited)))


@router.post("/{name}/retry")
async def take_retry(context: Here, _person: Operator, name: Name, key: Key = "") -> Response:
    """One object, or all that are parked."""
    count = await retry_parked(context.database, name, key or None)
    what = key or f"{count} parked {'object' if count == 1 else 'objects'}"
    until = await asked_pause(context.database, name)
    when = "now" if until is None else f"after the pause that it has asked for, until {until}"
    return go(_at(name), f"{what} {'is' if count == 1 else 'are'} tried again {when}.")


@router.get("/{name}/drop")
async def ask_drop(
    request: Request, context: Here, _person: Operator, name: Name, key: str
) -> Response:
    """What it means to give an object up, before it is done."""
    async with context.database.read() as db:
        await partner_id_of(db, name)
    return _ask_drop(request, name, key)


@router.post("/{name}/drop")
async def take_drop(
    request: Request,
    context: Here,
    _person: Operator,
    name: Name,
    key: Key,
    force: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """A CDR only by force: nobody would pay it."""
    if key.startswith("cdrs/") and not force:
        return _ask_drop(request, name, key, 409, "Tick that you know that nobody will pay it.")
    await drop_parked(context.database, name, key, force=bool(force))
    return go(_at(name), f"{name} is not told {key} until it changes, or is retried.")


@router.post("/{name}/rewind")
async def take_rewind(
    request: Request,
    context: Here,
    _person: Operator,
    name: Name,
    since: Annotated[str, Form(max_length=100)] = "",
    everything: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Tell a partner again what changed since a moment, or all of it."""
    try:
        begin = await rewind_partner(context.database, name, _since(since, everything))
    except InvalidParameters as error:
        return await _show(request, context, name, Pages(), error.message, since)
    told = "everything again" if begin is None else f"again what changed since {begin}"
    return go(_at(name), f"{name} is told {told}.")


@router.post("/{name}/verify")
async def take_verify(
    request: Request,
    context: Here,
    _person: Operator,
    name: Name,
    module: Annotated[str, Form(max_length=40)] = "",
    after: Annotated[str, Form(max_length=1000)] = "",
    repair: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Compare what a partner holds with what it should hold, and then, if wanted, mend that."""
    wanted = Wanted(module or None, after, COMPARED, repair=bool(repair))
    done, problem, status = Verification(), None, 200
    try:
        done = await verify(context, request.app.state.sources, name, wanted)
    except InvalidParameters as error:
        problem, status = error.message, status_of(error)
    return page(
        request,
        "verification.html",
        status,
        name=name,
        module=module,
        after=after,
        repair=bool(repair),
        done=done,
        problem=problem,
    )


def _since(text: str, everything: str) -> str | None:
    if everything:
        return None
    if not text.strip():
        raise InvalidParameters("since: a moment is due, or a tick at everything")
    return text.strip()


def _ask_drop(
    request: Request, name: str, key: str, status: int = 200, problem: str | None = None
) -> Response:
    bill = key.startswith("cdrs/")
    return page(request, "drop.html", status, name=name, key=key, bill=bill, problem=problem)


async def _show(
    request: Request,
    context: Context,
    name: str,
    pages: Pages,
    problem: str | None = None,
    since: str = "",
) -> Response:
    async with context.database.read() as db:
        await partner_id_of(db, name)
        lanes = await lane_status(db, [name], require_check=context.settings.require_check)
        waiting = await pending_objects(db, name, limit=PAGE, offset=(pages.pending - 1) * PAGE)
    kept = await list_parked(context.database, name, limit=PAGE, offset=(pages.parked - 1) * PAGE)
    return page(
        request,
        "delivery.html",
        200 if problem is None else 400,
        **({} if problem is None else {"here": _at(name)}),
        name=name,
        lane=lanes[0] if lanes else None,
        waiting=waiting,
        parked=kept,
        pages=pages,
        size=PAGE,
        words=WORDS,
        modules=MODULES,
        audit=await _audit(request, context, name) if pages.audit else None,
        problem=problem,
        since=since,
    )


async def _audit(request: Request, context: Context, name: str | None) -> Any:
    """It reads every bill, so a page that is asked for again once a second goes without."""
    if "hx-request" in request.headers:
        return None
    return await audit(context, partner=name, limit=AUDITED)


def _at(name: str) -> str:
    return f"/console/deliveries/{name}"
