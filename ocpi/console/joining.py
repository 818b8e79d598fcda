"""The way of a new partner: who it is, who registers with whom, and waiting until it is done."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from starlette.datastructures import FormData
from starlette.responses import Response

from credentials import handshake, joining
from credentials.forms import NewConnection, NewPartner, Offered
from credentials.partners import add_partner, show_partner
from ocpi.console.access import Admin, Viewer
from ocpi.console.frame import page, status_of
from ocpi.context import Context
from ocpi.errors import OCPIError
from ocpi.parties import PlatformID
from ocpi.request import Here
from ocpi.settings import Settings
from ocpi.spec.types import Role

router = APIRouter(prefix="/partners")

# Who registers with whom.
WAYS = ("invite", "connect")
ROWS = 3
MOST_ROWS = 200

# What each field takes; what was typed is not repeated, since it may be a token.
RULES = {
    "name": "Your name for it takes 1 to 64 letters, digits, dots, dashes and underscores, and "
    "begins with a letter or digit.",
    "platform": "The platform is one of ours, cpo or hub.",
    "roles": "At least one party is due, by country and party id.",
    "role": "The role is one of OCPI's.",
    "country_code": "The country takes two letters, such as DE.",
    "party_id": "The party id takes three letters or digits, such as ABC.",
    "hosts": "Each further host is a name such as modules.example, apart from the next by a blank.",
    "token": "Their registration token takes 1 to 64 printable characters, without blanks.",
}


@dataclass(frozen=True)
class Row:
    """A party role as it is typed in."""

    role: str = ""
    country_code: str = ""
    party_id: str = ""

    @property
    def empty(self) -> bool:
        """Nothing is typed in; the role alone says nothing."""
        return not self.country_code and not self.party_id


@dataclass(frozen=True)
class Typed:
    """What was typed in of a partner that we invite, or with which we register."""

    name: str = ""
    rows: Sequence[Row] = (Row(),) * ROWS
    versions_url: str = ""
    token: str = ""
    raw_token: bool = False
    hosts: str = ""


@router.get("/new")
async def show_new(
    request: Request,
    context: Here,
    _person: Admin,
    platform: Annotated[str, Query(max_length=10)] = "",
    way: Annotated[str, Query(max_length=10)] = "",
) -> Response:
    """The first questions, then the form that the answers lead to."""
    known = platform in _platforms(context.settings) and way in WAYS
    if not known:
        return page(
            request, "partner-new.html", platforms=_platforms(context.settings), chosen=platform
        )
    return _form(request, way, platform, Typed())


@router.post("/new/invite")
async def take_invite(
    request: Request,
    context: Here,
    _person: Admin,
    platform: Annotated[str, Form(max_length=10)],
    more: Annotated[str, Form(max_length=10)] = "",
) -> Response:
    """Open a registration; the answer alone shows the token."""
    typed = _typed(await request.form())
    if more:
        return _form(request, "invite", platform, typed)
    try:
        wish = NewPartner.model_validate(
            {"name": typed.name, "platform": platform, "roles": _roles(typed.rows)}
        )
        pairs = [role.pair() for role in wish.roles]
        offered = await add_partner(context, wish.name, wish.platform, pairs)
    except ValidationError as error:
        return _form(request, "invite", platform, typed, 400, _refusal(error))
    except OCPIError as error:
        return _form(request, "invite", platform, typed, status_of(error), error.message)
    return await show_offer(request, context, offered)


@router.post("/new/connect")
async def take_connect(
    request: Request,
    context: Here,
    _person: Admin,
    platform: Annotated[str, Form(max_length=10)],
) -> Response:
    """Register with them, while they call us back; answered when that has come to its end."""
    typed = _typed(await request.form())
    try:
        wish = NewConnection.model_validate(
            {
                "name": typed.name,
                "platform": platform,
                "versions_url": typed.versions_url,
                "token": typed.token,
                "raw_token": typed.raw_token,
                "hosts": typed.hosts.replace(",", " ").split(),
            }
        )
        remarks = await handshake.connect(context, wish)
    except ValidationError as error:
        return _form(request, "connect", platform, typed, 400, _refusal(error))
    except OCPIError as error:
        return _form(request, "connect", platform, typed, status_of(error), error.message)
    partner = await show_partner(context, wish.name)
    return page(request, "partner-connected.html", partner=partner, remarks=remarks)


@router.get("/{name}/joining")
async def show_joining(request: Request, context: Here, _person: Viewer, name: str) -> Response:
    """Waits until a partner has registered, and says where it is meanwhile."""
    return page(request, "joining.html", way=await joining.joining(context, name))


async def show_offer(request: Request, context: Context, offered: Offered) -> Response:
    """What to send the partner. The token is in this answer, and nowhere else ever."""
    way = await joining.joining(context, offered.name)
    return page(request, "partner-offer.html", offered=offered, way=way)


def _form(
    request: Request,
    way: str,
    platform: str,
    typed: Typed,
    status: int = 200,
    problem: str | None = None,
) -> Response:
    values: dict[str, Any] = {"platform": platform, "typed": typed, "problem": problem}
    roles = [role.value for role in Role]
    return page(request, f"partner-{way}.html", status, roles=roles, **values)


def _typed(form: FormData) -> Typed:
    """Everything that was typed in, with some room for more."""
    columns = [
        [str(each).strip() for each in form.getlist(name)[:MOST_ROWS]]
        for name in ("role", "country_code", "party_id")
    ]
    # Those that are filled in come first, so that a sentence can name one by its number.
    rows = sorted((Row(*row) for row in zip(*columns, strict=False)), key=lambda row: row.empty)
    room = ROWS if "more" in form else max(0, ROWS - len(rows))
    return Typed(
        name=_text(form, "name"),
        rows=[*rows, *[Row()] * room],
        versions_url=_text(form, "versions_url"),
        token=_text(form, "token"),
        raw_token="raw_token" in form,
        hosts=_text(form, "hosts"),
    )


def _refusal(error: ValidationError) -> str:
    """Every field that is wrong, with what it takes."""
    return " ".join(dict.fromkeys(_sentence(each) for each in error.errors()))


def _sentence(detail: ErrorDetails) -> str:
    place = detail["loc"]
    if detail["type"] == "value_error":
        return f"{place[-1]}: {detail['ctx']['error']}."
    field = next(str(each) for each in reversed(place) if isinstance(each, str))
    rule = RULES.get(field, f"{field}: {detail['msg']}.")
    return f"Party {int(place[1]) + 1}: {rule}" if len(place) == 3 else rule


def _text(form: FormData, name: str) -> str:
    return str(form.get(name, "")).strip()[:2000]


def _roles(rows: Sequence[Row]) -> list[dict[str, str]]:
    return [vars(row) for row in rows if not row.empty]


def _platforms(settings: Settings) -> list[str]:
    return [each.value for each in PlatformID if settings.is_hub or each is not PlatformID.HUB]
