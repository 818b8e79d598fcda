"""The hub: who is at it and how they stand, and who may talk to whom."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request
from pydantic import ValidationError
from starlette.responses import Response

from credentials.agreements import Rule, forget_rule, list_rules, set_rule
from modules.hubclientinfo.members import HubParty, list_members
from ocpi.agreements import ANY, FUNCTIONAL, Agreements, read_agreements
from ocpi.console.access import Admin, Viewer
from ocpi.console.frame import go, page
from ocpi.context import Context
from ocpi.errors import UnknownObject
from ocpi.headers import Party
from ocpi.request import Here
from ocpi.spec.reading import problems

PAGE = 50
# Parties on a side of the matrix: more do not fit, and can be asked for by name.
SIDE = 12


async def _hub_is_on(context: Here) -> None:
    if not context.settings.is_hub:
        raise UnknownObject("The hub is off here: OCPI_HUB_PARTY_ID turns it on.")


router = APIRouter(prefix="/hub", dependencies=[Depends(_hub_is_on)])

Code = Annotated[str, Form(max_length=64)]
Tick = Annotated[str, Form(max_length=10)]


@dataclass(frozen=True)
class Matrix:
    """Which party, a row, may send which other one, a column, what."""

    parties: Sequence[str]
    cells: Sequence[Sequence[str | None]]
    """all, none, or the modules; None where a party meets itself."""
    matching: int
    """How many parties were asked for, shown or not."""


@dataclass(frozen=True)
class TypedRule:
    """A rule as it was typed in."""

    from_party: str = ""
    to_party: str = ""
    module: str = ANY
    allowed: str = "yes"
    both: str = ""


@router.get("")
async def show_hub(
    request: Request,
    context: Here,
    _person: Viewer,
    number: Annotated[int, Query(alias="page", ge=1, le=1_000_000)] = 1,
    module: Annotated[str, Query(max_length=64)] = "",
    of: Annotated[str, Query(max_length=500)] = "",
) -> Response:
    """The parties, the matrix and the rules behind it."""
    return await _show(request, context, number=number, module=module, of=of)


@router.post("/agreements")
async def take_rule(
    request: Request,
    context: Here,
    _person: Admin,
    from_party: Code = "",
    to_party: Code = "",
    module: Code = ANY,
    allowed: Tick = "yes",
    both: Tick = "",
) -> Response:
    """Allow or deny, in one direction or both."""
    typed = TypedRule(from_party, to_party, module, allowed, both)
    try:
        rules = _rules(typed)
    except ValidationError as error:
        return await _show(request, context, 400, typed=typed, problem=problems(error))
    for rule in rules:
        await set_rule(context, rule)
    said = [
        f"{rule.from_party} {'may' if rule.allowed else 'may not'} send {rule.to_party} "
        f"{'anything' if rule.module == ANY else rule.module}."
        for rule in rules
    ]
    return go("/console/hub#agreements", " ".join(said))


@router.post("/agreements/forget")
async def take_forget(
    context: Here, _person: Admin, from_party: Code, to_party: Code, module: Code
) -> Response:
    """Take a rule back."""
    await forget_rule(context, from_party, to_party, module)
    return go(
        "/console/hub#agreements", f"Nothing is agreed from {from_party} to {to_party} any more."
    )


def _rules(typed: TypedRule) -> list[Rule]:
    pairs = [(typed.from_party, typed.to_party)]
    if typed.both:
        pairs.append((typed.to_party, typed.from_party))
    return [
        Rule.model_validate(
            {
                "from_party": sender.strip(),
                "to_party": receiver.strip(),
                "module": typed.module,
                "allowed": typed.allowed == "yes",
            }
        )
        for sender, receiver in pairs
    ]


async def _show(
    request: Request,
    context: Context,
    status: int = 200,
    *,
    number: int = 1,
    module: str = "",
    of: str = "",
    typed: TypedRule | None = None,
    problem: str | None = None,
) -> Response:
    is_open = context.settings.hub_is_open
    members = await list_members(context)
    agreements = await read_agreements(context.database, default=is_open)
    first = (number - 1) * PAGE
    return page(
        request,
        "hub.html",
        status,
        **({} if problem is None else {"here": "/console/hub"}),
        members=members[first : first + PAGE],
        total=len(members),
        number=number,
        size=PAGE,
        matrix=_matrix(members, agreements, module if module in FUNCTIONAL else "", of),
        rules=await list_rules(context),
        names=_names(members),
        is_open=is_open,
        modules=FUNCTIONAL,
        module=module,
        of=of,
        typed=typed or TypedRule(),
        problem=problem,
    )


def _names(members: Sequence[HubParty]) -> list[str]:
    return sorted({str(each.party) for each in members if not each.gone})


def _matrix(members: Sequence[HubParty], agreements: Agreements, module: str, of: str) -> Matrix:
    """Those whose names begin with what was asked for, as many as there is room for."""
    wanted = tuple(each.strip().upper() for each in of.split(",") if each.strip())
    parties: dict[str, Party] = {
        str(each.party): each.party
        for each in members
        if not each.gone and (not wanted or str(each.party).upper().startswith(wanted))
    }
    shown = sorted(parties)[:SIDE]
    cells = [
        [
            None if sender == receiver else _cell(agreements, parties, sender, receiver, module)
            for receiver in shown
        ]
        for sender in shown
    ]
    return Matrix(shown, cells, len(parties))


def _cell(
    agreements: Agreements, parties: dict[str, Party], sender: str, receiver: str, module: str
) -> str:
    """What one may send the other."""
    asked = (module,) if module else FUNCTIONAL
    pair = (parties[sender].key, parties[receiver].key)
    may = [each for each in asked if agreements.may(*pair, each)]
    if not may:
        return "none"
    return "all" if len(may) == len(asked) else ", ".join(may)
