"""Partners: who they are, how they do, and what staff may do about it."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Query, Request
from starlette.responses import Response

from credentials import handshake, partners
from credentials.forms import PartnerView
from credentials.partners import count_partners, list_partners, show_partner
from modules.cdrs.audit import audit
from modules.cdrs.checks import count_checks
from ocpi.console.access import Admin, Operator, Viewer
from ocpi.console.frame import go, page, status_of
from ocpi.console.joining import show_offer
from ocpi.console.optionform import changes_of, fields_as_typed, fields_of, shown
from ocpi.context import Context
from ocpi.errors import InvalidParameters, OCPIError, UnknownObject
from ocpi.headers import Party
from ocpi.pull.admin import pulled_view
from ocpi.pull.pulling import sync_partner
from ocpi.push.status import lane_status, receipt_count
from ocpi.request import Here

router = APIRouter(prefix="/partners")

PAGE = 50

Name = Annotated[str, Path(max_length=64)]


@dataclass(frozen=True)
class Act:
    """Something that is done to a partner after it was asked about once more."""

    title: str
    meaning: str
    danger: bool = False


ACTS = {
    "rotate": Act(
        "Rotate the tokens",
        "Both sides get new tokens, at once. Do it after a suspected leak. The old token works "
        "until the partner has used the new one, so nothing is cut off.",
    ),
    "reissue": Act(
        "Reissue the registration token",
        "The registration is opened again with a new token, which you send to the partner. It is "
        "for a partner that lost its token or its data. A token that works goes on working.",
    ),
    "approve": Act(
        "Approve its hosts",
        "These endpoints lie on another host than the versions URL. Approve them only when the "
        "partner's staff have told you, by a way that you know, that the host is theirs: your data "
        "and their token go there from now on.",
        danger=True,
    ),
    "suspend": Act(
        "Suspend the partner",
        "Its requests are refused with 401 and nothing is sent to it until you resume. What it "
        "misses meanwhile it is told afterwards, as its option Offline policy says.",
        danger=True,
    ),
    "resume": Act(
        "Resume the partner",
        "The suspension ends: its requests are answered, and it is told what it has missed.",
    ),
    "remove": Act(
        "Remove the partner",
        "The partner is told that the relation ends, and then forgotten here: its tokens, "
        "endpoints and options are gone. Objects that it sent stay, and receipts of what it has "
        "accepted. It cannot be undone.",
        danger=True,
    ),
}


@router.get("")
async def show_partners(
    request: Request,
    context: Here,
    _person: Viewer,
    number: Annotated[int, Query(alias="page", ge=1, le=1_000_000)] = 1,
) -> Response:
    """A page of them, with how far they are up to date."""
    found = await list_partners(context, (number - 1) * PAGE, PAGE)
    names = [each.name for each in found]
    async with context.database.read() as db:
        lanes = await lane_status(db, names, require_check=context.settings.require_check)
    return page(
        request,
        "partners.html",
        partners=found,
        lanes={lane.partner: lane for lane in lanes},
        total=await count_partners(context.database),
        number=number,
        size=PAGE,
    )


@router.get("/{name}")
async def show_one(request: Request, context: Here, _person: Viewer, name: Name) -> Response:
    """One of them: everything that is known, and what can be done."""
    return await _show(request, context, await show_partner(context, name))


@router.post("/{name}/options")
async def take_options(request: Request, context: Here, _person: Admin, name: Name) -> Response:
    """What differs from what the page has shown is set; the rest stays as it is by now."""
    form = await request.form()
    try:
        await partners.set_options(context, name, changes_of(form))
    except InvalidParameters as error:
        partner = await show_partner(context, name)
        fields = fields_as_typed(fields_of(partner.options), form)
        told = {"fields": fields, "problem": error.message, "here": f"/console/partners/{name}"}
        return await _show(request, context, partner, 400, **told)
    return go(f"/console/partners/{name}", "The options are changed.")


@router.post("/{name}/sync")
async def take_sync(
    request: Request,
    context: Here,
    _person: Operator,
    name: Name,
    full: Annotated[str, Form()] = "",
) -> Response:
    """Answered when all lists are pulled, with what came of each."""
    pullables = request.app.state.pullables
    try:
        pulled = await sync_partner(context, pullables, name, full=bool(full))
    except UnknownObject:
        raise
    except OCPIError as error:
        return page(
            request,
            "partner-sync.html",
            status_of(error),
            name=name,
            pulled=[],
            problem=error.message,
        )
    views = [pulled_view(each) for each in pulled]
    return page(request, "partner-sync.html", name=name, pulled=views, problem=None)


@router.get("/{name}/{act}")
async def ask(request: Request, context: Here, _person: Admin, name: Name, act: str) -> Response:
    """What an act means, before it is done."""
    return await _ask(request, context, name, act)


@router.post("/{name}/{act}")
async def take_act(
    request: Request,
    context: Here,
    _person: Admin,
    name: Name,
    act: str,
    typed: Annotated[str, Form(max_length=200)] = "",
    force: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Do it; a failure is told beside the button, which then tries again."""
    try:
        if act == "approve":
            return await _approve(request, context, name)
        return await _act(request, context, name, act, typed, force=bool(force))
    except UnknownObject:
        raise
    except OCPIError as error:
        return await _ask(
            request, context, name, act, status_of(error), error.message, typed, force
        )


async def _act(
    request: Request, context: Context, name: str, act: str, typed: str, *, force: bool
) -> Response:
    here = f"/console/partners/{name}"
    match act:
        case "rotate":
            remarks = await handshake.rotate(context, name)
            return go(here, " ".join([f"New tokens were exchanged with {name}.", *remarks]))
        case "reissue":
            return await show_offer(request, context, await partners.reissue(context, name))
        case "suspend" | "resume":
            await partners.suspend(context, name, suspended=act == "suspend")
            state = "suspended" if act == "suspend" else "no longer suspended"
            return go(here, f"{name} is {state}.")
        case "remove":
            return await _remove(context, name, typed, force=force)
    raise UnknownObject("There is no such page.")


async def _approve(request: Request, context: Context, name: str) -> Response:
    """Approve what the page has shown, and not what may have come since."""
    shown = [str(each) for each in (await request.form()).getlist("host")]
    if not shown:
        raise InvalidParameters("No endpoint waits for approval.")
    await partners.approve(context, name, shown)
    return go(f"/console/partners/{name}", f"Approved: {', '.join(shown)}.")


async def _remove(context: Context, name: str, typed: str, *, force: bool) -> Response:
    if typed.strip() != name:
        raise InvalidParameters(f"The name is {name}, and it has to be typed in to be removed.")
    problem = await partners.remove(context, name, force=force)
    untold = "" if problem is None else f" It could not be told: {problem}"
    return go("/console/partners", f"{name} is removed.{untold}")


async def _ask(
    request: Request,
    context: Context,
    name: str,
    act: str,
    status: int = 200,
    problem: str | None = None,
    typed: str = "",
    force: str = "",
) -> Response:
    if act not in ACTS:
        raise UnknownObject("There is no such page.")
    partner = await show_partner(context, name)
    return page(
        request,
        "partner-act.html",
        status,
        partner=partner,
        act=act,
        asked=ACTS[act],
        problem=problem,
        typed=typed,
        force=force,
    )


async def _show(
    request: Request,
    context: Context,
    partner: PartnerView,
    status: int = 200,
    **values: Any,
) -> Response:
    async with context.database.read() as db:
        lanes = await lane_status(db, [partner.name], require_check=context.settings.require_check)
    # A page that is asked for again once a second shows the costly numbers as they were.
    again = "hx-request" in request.headers
    given = {"fields": fields_of(partner.options), "problem": None, **values}
    return page(
        request,
        "partner.html",
        status,
        partner=partner,
        lane=lanes[0] if lanes else None,
        bills=None if again else await _bills(context, partner),
        options=shown(partner.options),
        acts=ACTS,
        **given,
    )


async def _bills(context: Context, partner: PartnerView) -> dict[str, Any]:
    """What is known of the money: receipts, CDRs without one, and the prices of theirs."""
    async with context.database.read() as db:
        receipts = await receipt_count(db, partner.name)
    parties = {Party(role.country_code, role.party_id).key for role in partner.roles}
    found = await audit(context, partner=partner.name, limit=0)
    return {
        "receipts": receipts,
        "overdue": found.overdue,
        "waiting": found.waiting,
        "checks": await count_checks(context.database, sorted(parties)),
    }
