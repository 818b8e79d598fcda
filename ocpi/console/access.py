"""What the pages ask of a request: who sits at the browser, and that the form is really theirs."""

import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, Request

from ocpi.console.frame import address_of
from ocpi.console.staff import Person, Role, person_of
from ocpi.context import Context
from ocpi.errors import NotAuthenticated, OCPIError
from ocpi.request import Here

COOKIE = "ocpi_console"


class SignInFirst(NotAuthenticated):
    """Sign in first."""

    def __init__(self, back_to: str) -> None:
        super().__init__("Sign in first.")
        self.url = f"/console/sign-in?next={quote(back_to, safe='/')}"


class NotYours(OCPIError):
    """Somebody's role does not allow it, or a form is not from a page of ours."""

    http_status = 403


async def signed_in(request: Request, context: Here) -> Person:
    """Who sits at the browser; raises ``SignInFirst``."""
    cookie = request.cookies.get(COOKIE)
    person = await person_of(context.database, cookie) if cookie else None
    if person is None:
        raise SignInFirst(address_of(request) if request.method == "GET" else "/console")
    request.state.person = person
    return person


async def check_form(request: Request, person: Annotated[Person, Depends(signed_in)]) -> None:
    """Refuse what another site has a browser send (CSRF); raises ``NotYours``."""
    if request.method in {"GET", "HEAD"}:
        return
    form = await request.form()
    token = form.get("csrf", request.headers.get("x-csrf", ""))
    if not isinstance(token, str) or not hmac.compare_digest(token.encode(), person.csrf.encode()):
        raise NotYours("This form has grown old: load the page again, and repeat what you did.")


def _at_least(role: Role) -> Callable[..., Awaitable[Person]]:
    async def check(person: Annotated[Person, Depends(signed_in)]) -> Person:
        if person.role < role:
            raise NotYours(
                f"You are a {person.role.name.lower()}; it takes {_an(role.name.lower())} to do "
                f"this: `ocpi user set {person.name} --role {role.name.lower()}`."
            )
        return person

    return check


def _an(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


# Who asks, as an argument of an endpoint; each demands a role.
Viewer = Annotated[Person, Depends(_at_least(Role.VIEWER))]
Operator = Annotated[Person, Depends(_at_least(Role.OPERATOR))]
Admin = Annotated[Person, Depends(_at_least(Role.ADMIN))]


def is_secure(context: Context) -> bool:
    """Whether browsers reach us by TLS, so that the cookie may never travel without."""
    return context.settings.base_url.startswith("https://")
