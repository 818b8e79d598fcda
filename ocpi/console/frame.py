"""How a page is made: its template, what every page shows, and what a browser may do with it."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, RedirectResponse, Response

from ocpi.console.files import file_url
from ocpi.console.staff import Role
from ocpi.errors import OCPIError
from ocpi.spec.moments import moment_of

_TEMPLATE_FOLDER = Path(__file__).parent / "templates"
# Holds a sentence for the next page; in the address anybody's link could put words in our mouth.
SAID = "ocpi_said"

# Nothing but our own files runs or loads; partners' text cannot become script, frame or form.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; manifest-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Item(NamedTuple):
    """A page that the menu leads to."""

    path: str
    title: str
    hub: bool = False
    """It is there only where the hub is on."""


MENU = (
    Item("/console", "Overview"),
    Item("/console/partners", "Partners"),
    Item("/console/stations", "Stations"),
    Item("/console/sessions", "Sessions"),
    Item("/console/cdrs", "CDRs"),
    Item("/console/deliveries", "Deliveries"),
    Item("/console/messages", "Messages"),
    Item("/console/hub", "Hub", hub=True),
)


def time_tag(moment: datetime | int | str | None) -> Markup:
    """A moment in UTC, which the browser shows in the viewer's zone; UTC stays on hover.

    Takes a datetime, microseconds since 1970, or OCPI's text.
    """
    if moment is None:
        return Markup('<span class="none">never</span>')
    if isinstance(moment, int):
        moment = moment_of(moment)
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    text = f"{moment:%Y-%m-%d %H:%M:%S} UTC"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        moment.isoformat().replace("+00:00", "Z"), text, text
    )


def number(value: int | Decimal, decimals: int = 0) -> str:
    """A number for people: `1,234.50`."""
    return f"{value:,.{decimals}f}"


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATE_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(time=time_tag, number=number)
    environment.globals.update(Role=Role, file=file_url)
    return environment


_TEMPLATES = _environment()


def page(request: Request, template: str, status: int = 200, /, **values: Any) -> Response:
    """A page made of a template and its values, which never become markup.

    A value `here` is the page's own address, for an answer to a form that was sent to another one.
    """
    settings = request.state.context.settings
    path = request.url.path.rstrip("/")
    menu = [item for item in MENU if settings.is_hub or not item.hub]
    current = max(
        (item.path for item in menu if f"{path}/".startswith(f"{item.path}/")),
        key=len,
        default=None,
    )
    said = unquote(request.cookies.get(SAID, ""))
    text = _TEMPLATES.get_template(template).render(
        person=getattr(request.state, "person", None),
        menu=menu,
        current=current,
        product=settings.hub_name or settings.name or "OCPI hub",
        said=said,
        **{"here": address_of(request), **values},
    )
    answer = HTMLResponse(text, status)
    if said:
        answer.delete_cookie(SAID, path="/console")
    return answer


def status_of(error: OCPIError) -> int:
    """The HTTP status of a page that says what went wrong: some of OCPI's failures come by 200."""
    return 400 if error.http_status == 200 else error.http_status


def address_of(request: Request) -> str:
    """What the browser asked for, as a link to the same."""
    return f"{quote(request.scope['path'])}?{request.url.query}".rstrip("?")


def go(url: str, said: str = "") -> Response:
    """Lead the browser to another page of the console, which shows what is `said`."""
    answer = RedirectResponse(url, 303)
    if said:
        answer.set_cookie(
            SAID, quote(said[:1000]), max_age=60, path="/console", httponly=True, samesite="lax"
        )
    return answer
