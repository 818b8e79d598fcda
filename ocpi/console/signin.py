"""Signing in and out, and one's own password."""

import re
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from ocpi.console.access import COOKIE, Viewer, is_secure
from ocpi.console.frame import go, page
from ocpi.console.staff import (
    SIGN_IN_LASTS,
    WrongPassword,
    change_password,
    list_staff,
    sign_in,
    sign_out,
)
from ocpi.errors import InvalidParameters
from ocpi.messages import log
from ocpi.request import Here

router = APIRouter()
private = APIRouter()

# Whatever a browser makes of the rest, this begins with a path of ours.
_PAGE = re.compile(r"/console([/?][!-\[\]-~]*)?")

Text = Annotated[str, Form(max_length=200)]
Next = Annotated[str, Form(alias="next", max_length=2000)]


@router.get("/sign-in")
async def show_sign_in(request: Request, context: Here) -> Response:
    """The form; where nobody can sign in yet it says how to change that."""
    return page(
        request,
        "sign-in.html",
        next=request.query_params.get("next", ""),
        nobody=not await list_staff(context.database),
        problem=None,
        name="",
    )


@router.post("/sign-in")
async def take_sign_in(
    request: Request, context: Here, name: Text = "", password: Text = "", back_to: Next = ""
) -> Response:
    """Leads to where the person wanted to go, with a cookie that only the console gets."""
    try:
        # Another site that signs a browser in with its own name would watch what is done in it.
        _refuse_other_sites(request)
        cookie = await sign_in(context.database, name.strip(), password)
    except WrongPassword as error:
        log.warning("console sign-in refused", name=name.strip()[:64])
        return page(
            request,
            "sign-in.html",
            401,
            next=back_to,
            nobody=False,
            problem=error.message,
            name=name,
        )
    log.info("console sign-in", name=name.strip())
    answer = go(_inside(back_to))
    answer.set_cookie(
        COOKIE,
        cookie,
        max_age=SIGN_IN_LASTS // 1_000_000,
        path="/console",
        secure=is_secure(context),
        httponly=True,
        samesite="lax",
    )
    return answer


@private.post("/sign-out")
async def take_sign_out(request: Request, context: Here, _person: Viewer) -> Response:
    """The cookie is worth nothing afterwards."""
    await sign_out(context.database, request.cookies[COOKIE])
    answer = go("/console/sign-in", "You have signed out.")
    answer.delete_cookie(COOKIE, path="/console")
    return answer


@private.get("/me")
async def show_me(request: Request, _person: Viewer) -> Response:
    """One's own role and password."""
    return page(request, "me.html", problem=None)


@private.post("/me/password")
async def take_password(
    request: Request, context: Here, person: Viewer, old: Text, new: Text
) -> Response:
    """Ends all sign-ins of the person, this one too."""
    try:
        await change_password(context.database, person.name, old, new)
    except (WrongPassword, InvalidParameters) as error:
        return page(request, "me.html", 400, problem=error.message)
    log.info("console password changed", name=person.name)
    return go("/console/sign-in", "The password is changed: sign in with it.")


def _refuse_other_sites(request: Request) -> None:
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise WrongPassword("Sign in on this page itself.")


def _inside(url: str) -> str:
    """The page that was wanted, if it is one of the console's."""
    return url if _PAGE.fullmatch(url) else "/console"
