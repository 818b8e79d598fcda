"""The console put together: its pages, its files, and what becomes of errors."""

from collections.abc import Mapping, Sequence

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ocpi.arrival import BODY_LIMIT, read_whole, replay
from ocpi.console import (
    alarms,
    cdrs,
    deliveries,
    events,
    golive,
    hub,
    joining,
    messages,
    overview,
    partners,
    sessions,
    signin,
    stations,
)
from ocpi.console.access import SignInFirst, check_form
from ocpi.console.checks import Checks
from ocpi.console.events import Streams
from ocpi.console.files import Files
from ocpi.console.frame import HEADERS, page, status_of
from ocpi.console.glance import Glances
from ocpi.context import Context
from ocpi.database import DATABASE_ERRORS
from ocpi.envelope import may_pass
from ocpi.errors import OCPIError
from ocpi.golive.ruling import Stores
from ocpi.messages import log
from ocpi.paths import readable_query
from ocpi.pull.pullable import Pullables
from ocpi.push.source import Source

ROUTERS: Sequence[APIRouter] = (
    overview.router,
    # Before partners, whose names and acts would take their paths.
    joining.router,
    golive.router,
    partners.router,
    stations.router,
    sessions.router,
    cdrs.router,
    deliveries.router,
    messages.router,
    alarms.router,
    hub.router,
    signin.private,
    events.router,
)


def create_console(
    context: Context, sources: Mapping[str, Source], pullables: Pullables, stores: Stores
) -> ASGIApp:
    """All below /console; partners' copies are compared with `sources`, `stores` previewed."""
    # A redirect would name the scheme in which we are reached, not the one of the proxy before us.
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    app.state.glances = Glances(context)
    app.state.sources, app.state.pullables, app.state.stores = sources, pullables, stores
    app.state.checks = Checks(context)
    app.state.streams = Streams(context)
    app.include_router(signin.router, prefix="/console")
    for router in ROUTERS:
        app.include_router(router, prefix="/console", dependencies=[Depends(check_form)])
    app.mount("/console/static", Files())
    _answer_errors(app)
    return _Guarded(context, app)


def _answer_errors(app: FastAPI) -> None:
    """Whatever goes wrong is a page that says what and what to do."""

    @app.exception_handler(SignInFirst)
    async def strangers(request: Request, error: SignInFirst) -> Response:
        # A part of a page cannot be replaced by the sign-in page: the browser has to go there.
        if request.headers.get("hx-request"):
            return Response(status_code=401, headers={"HX-Redirect": error.url})
        return RedirectResponse(error.url, 303)

    @app.exception_handler(OCPIError)
    async def known(request: Request, error: OCPIError) -> Response:
        answer = _sorry(request, status_of(error), error.message)
        answer.headers.update(error.headers)
        return answer

    @app.exception_handler(RequestValidationError)
    async def misread(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return _sorry(request, 400, f"{first['loc'][-1]}: {first['msg']}")

    @app.exception_handler(HTTPException)
    async def unrouted(request: Request, error: HTTPException) -> Response:
        lost = error.status_code == 404
        return _sorry(
            request, error.status_code, "There is no such page." if lost else error.detail
        )

    @app.exception_handler(Exception)
    async def crashed(request: Request, error: Exception) -> Response:
        if may_pass(error):
            return _sorry(request, 503, "The database does not answer. Try again in a moment.")
        return _sorry(request, 500, "An unexpected failure; it is logged.")


def _sorry(request: Request, status: int, sentence: str) -> Response:
    return page(request, "error.html", status, sentence=sentence)


class _Guarded:
    """Adds to every answer what a browser may do with it, and logs what staff do."""

    def __init__(self, context: Context, app: FastAPI) -> None:
        self.context = context
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = 0

        async def guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        state = {**scope.get("state", {}), "context": self.context}
        scope = {**scope, "path": scope["path"].rstrip("/"), "state": state}
        try:
            await self._answer(scope, receive, guarded)
        except DATABASE_ERRORS as error:
            log.warning("a page without the database", path=scope["path"], error=repr(error))
        except Exception:  # noqa: BLE001 - It has been answered, and is logged here.
            log.exception("crash", path=scope["path"])
        finally:
            if scope["method"] != "GET":
                person = scope["state"].get("person")
                name = None if person is None else person.name
                log.info(
                    "console", who=name, method=scope["method"], path=scope["path"], http=status
                )

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1"): value for name, value in scope["headers"]}
        try:
            # FastAPI reads a form before it asks who has sent it, however long it is.
            body = await read_whole(scope, headers, receive, BODY_LIMIT)
        except OCPIError as error:
            refused = _sorry(Request({**scope, "app": self.app}), error.http_status, error.message)
            await refused(scope, receive, send)
            return
        await self.app(scope, replay(readable_query(body), receive), send)
