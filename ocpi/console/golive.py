"""Before a partner goes live: what it may see, what it sees, and whether it is ready."""

import time
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Path, Query, Request
from starlette.responses import HTMLResponse, Response

from credentials.partners import show_partner
from ocpi.console.access import Admin, Operator, Viewer
from ocpi.console.checks import Checks
from ocpi.console.frame import go, page
from ocpi.console.searching import Typed, one_of
from ocpi.context import Context
from ocpi.errors import InvalidParameters, UnknownObject
from ocpi.golive.asking import NOTHING, Writes
from ocpi.golive.checking import last_report, newest_check
from ocpi.golive.mapping import Mapped, list_mappings, remove_mapping, set_mapping
from ocpi.golive.preview import MODULES, preview, preview_view
from ocpi.golive.ruling import Ruled, add_rules, list_rules, remove_rule
from ocpi.golive.showing import html_of
from ocpi.parties import PlatformID, named_party, our_parties
from ocpi.request import Here
from ocpi.sight import RULED

LONGEST = 900
"""Seconds that a check may take: thirty for each answer of a partner that hangs."""
UNHEARD = (
    "Nothing was heard of it for 15 minutes: the process that asked may have ended. Check again."
)

router = APIRouter(prefix="/partners/{name}")

Name = Annotated[str, Path(max_length=64)]
Text = Annotated[str, Form(max_length=100)]
Tick = Annotated[str, Form(max_length=10)]

PAGE = 50
EITHER = {"yes": True, "no": False}


@dataclass(frozen=True)
class TypedRule:
    """A rule as it was typed in."""

    module: str = RULED[0]
    hide: str = "no"
    id: str = ""
    country: str = ""
    tag: str = ""
    group: str = ""
    publish: str = ""

    def wish(self) -> dict[str, object]:
        """What is wanted; an empty field is no condition. Raises ``InvalidParameters``."""
        given = {name: text.strip() for name, text in vars(self).items() if text.strip()}
        publish = one_of("publish", self.publish, EITHER)
        conditions = given if publish is None else {**given, "publish": publish}
        return {**conditions, "hide": bool(one_of("hide", self.hide, EITHER))}


@dataclass(frozen=True)
class TypedMapping:
    """A mapping as it was typed in."""

    party: str = ""
    tariff: str = ""
    instead: str = ""


@router.get("/rules")
async def show_rules(request: Request, context: Here, _person: Viewer, name: Name) -> Response:
    """Its rules, and a form for a further one."""
    return await _rules(request, context, name)


@router.post("/rules")
async def take_rule(  # noqa: PLR0913 - A field of the form each.
    request: Request,
    context: Here,
    _person: Admin,
    name: Name,
    *,
    module: Text = RULED[0],
    hide: Tick = "no",
    id: Text = "",  # noqa: A002 - As the rule has it.
    country: Text = "",
    tag: Text = "",
    group: Text = "",
    publish: Tick = "",
) -> Response:
    """Add a rule; the partner is told what that changes for it."""
    typed = TypedRule(module, hide, id, country, tag, group, publish)
    try:
        ruled = await add_rules(context, request.app.state.stores, name, [typed.wish()])
    except InvalidParameters as error:
        return await _rules(request, context, name, rule=typed, problem=error.message)
    return go(f"/console/partners/{name}/rules", f"The rule is added: {_effect(ruled)}")


@router.post("/rules/remove")
async def take_remove(
    request: Request, context: Here, _person: Admin, name: Name, number: Annotated[int, Form()]
) -> Response:
    """Remove a rule by its number."""
    ruled = await remove_rule(context, request.app.state.stores, name, number)
    return go(f"/console/partners/{name}/rules", f"Rule {number} is removed: {_effect(ruled)}")


def _effect(ruled: Ruled) -> str:
    return f"{ruled.shown} more objects are visible, {ruled.hidden} more are hidden."


@router.post("/rules/tariffs")
async def take_mapping(
    request: Request,
    context: Here,
    _person: Admin,
    name: Name,
    *,
    party: Text = "",
    tariff: Text = "",
    instead: Text = "",
) -> Response:
    """Give the partner a Tariff instead of another; it is told what that changes for it."""
    typed = TypedMapping(party, tariff.strip(), instead.strip())
    try:
        owner = await named_party(context.database, party)
        wanted = (owner, typed.tariff, typed.instead)
        done = await set_mapping(context, request.app.state.stores, name, *wanted)
    except (InvalidParameters, UnknownObject) as error:
        return await _rules(request, context, name, mapping=typed, problem=error.message)
    said = f"It gets {typed.instead} instead of {typed.tariff}: {_told(done)}"
    return go(f"/console/partners/{name}/rules", said)


@router.post("/rules/tariffs/remove")
async def take_unmapping(
    request: Request, context: Here, _person: Admin, name: Name, *, party: Text, tariff: Text
) -> Response:
    """Give the partner the Tariff that others get."""
    owner = await named_party(context.database, party)
    done = await remove_mapping(context, request.app.state.stores, name, owner, tariff)
    return go(f"/console/partners/{name}/rules", f"It gets {tariff} like others: {_told(done)}")


def _told(done: Mapped) -> str:
    return f"it is told {done.effect.told} Locations and Tariffs anew."


async def _rules(
    request: Request,
    context: Context,
    name: str,
    *,
    rule: TypedRule | None = None,
    mapping: TypedMapping | None = None,
    problem: str | None = None,
) -> Response:
    return page(
        request,
        "partner-rules.html",
        400 if problem else 200,
        name=name,
        rules=await list_rules(context, name),
        modules=RULED,
        typed=rule or TypedRule(),
        mappings=(await list_mappings(context, name)).live,
        parties=await our_parties(context.database, PlatformID.CPO),
        mapping=mapping or TypedMapping(),
        problem=None if mapping else problem,
        mapping_problem=problem if mapping else None,
    )


@router.get("/preview")
async def show_preview(
    request: Request,
    context: Here,
    _person: Viewer,
    name: Name,
    module: Typed = MODULES[0],
    visible: Typed = "",
    number: Annotated[int, Query(alias="page", ge=1, le=1_000_000)] = 1,
) -> Response:
    """What it would be given of a module, and what is hidden from it and why."""
    found = await preview(
        context,
        request.app.state.stores,
        name,
        module,
        offset=(number - 1) * PAGE,
        limit=PAGE,
        only=one_of("visible", visible, EITHER),
    )
    return page(
        request,
        "partner-preview.html",
        name=name,
        found=preview_view(found),
        modules=MODULES,
        module=module,
        visible=visible,
        number=number,
        size=PAGE,
    )


@router.get("/check")
async def show_check(
    request: Request,
    context: Here,
    _person: Viewer,
    name: Name,
    after: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
    begun: Annotated[int, Query(ge=0, lt=2**63)] = 0,
) -> Response:
    """The last report; with `after`, a check's number, the page waits for a newer one.

    It does not wait for ever: the process that checks may end, and tells nobody. `begun` says when
    it began, in seconds since 1970.
    """
    checks: Checks = request.app.state.checks
    number, report = await newest_check(context, name)
    step = checks.step(name)
    wanted = step is None and after is not None and number <= after
    late = wanted and time.time() > begun + LONGEST
    failure = checks.failure(name, number) or (UNHEARD if late else None)
    waits = step is not None or (wanted and failure is None)
    return page(
        request,
        "partner-check.html",
        partner=await show_partner(context, name),
        report=report,
        step=step,
        waits=waits,
        failure=failure,
    )


@router.get("/check.html")
async def get_report(context: Here, _person: Viewer, name: Name) -> Response:
    """The last report as a file to be sent to the partner."""
    text = html_of(await last_report(context, name))
    saved = {"Content-Disposition": f'attachment; filename="check-{name}.html"'}
    return HTMLResponse(text, headers=saved)


@router.post("/check")
async def take_check(request: Request, context: Here, _person: Operator, name: Name) -> Response:
    """Ask the partner everything that changes nothing; it goes on while the page waits."""
    return await _check(request, context, name, NOTHING)


@router.get("/check/writes")
async def ask_writes(request: Request, context: Here, _person: Admin, name: Name) -> Response:
    """What a round of writes means, before it is done."""
    return page(request, "partner-writes.html", partner=await show_partner(context, name))


@router.post("/check/writes")
async def take_writes(
    request: Request, context: Here, _person: Admin, name: Name, cdr: Tick = ""
) -> Response:
    """The same check with test objects, to which the partner has agreed."""
    return await _check(request, context, name, Writes(agreed=True, cdr=bool(cdr)))


async def _check(request: Request, context: Context, name: str, wishes: Writes) -> Response:
    number, _ = await newest_check(context, name)
    await request.app.state.checks.begin(name, wishes, number)
    now = int(time.time())
    return go(f"/console/partners/{name}/check?after={number}&begun={now}")
