"""The program put together: every module, both APIs, and the worker, in one ASGI application."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import cache, partial

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.telemetry import TelemetryConfig
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

import credentials.admin
import credentials.agreementadmin
import modules.cdrs.admin
import modules.cdrs.receiver
import modules.cdrs.sender
import modules.chargingprofiles.admin
import modules.chargingprofiles.receiver
import modules.chargingprofiles.sender
import modules.commands.admin
import modules.commands.receiver
import modules.commands.sender
import modules.hubclientinfo.admin
import modules.hubclientinfo.receiver
import modules.hubclientinfo.sender
import modules.locations.admin
import modules.locations.receiver
import modules.locations.sender
import modules.sessions.admin
import modules.sessions.receiver
import modules.sessions.sender
import modules.stations.admin
import modules.stations.gateways.messages
import modules.stations.preferences
import modules.tariffs.admin
import modules.tariffs.pricingadmin
import modules.tariffs.receiver
import modules.tariffs.sender
import modules.tokens.admin
import modules.tokens.receiver
import modules.tokens.sender
import ocpi.alarms.admin
import ocpi.erasure.admin
import ocpi.journal.admin
import ocpi.push.admin
from credentials.endpoints import credentials_router
from credentials.versions import versions_router
from modules.cdrs.auditing import Auditor
from modules.cdrs.sealing import Sealer, vouch_anew
from modules.commands.reservations import reserved_at
from modules.hubclientinfo.learning import Learner
from modules.hubclientinfo.standing import Standing
from modules.stations.errandrunner import ErrandRunner
from modules.stations.forgetting import Forgetter
from ocpi.admin import AdminFront, Problem, add_error_handlers
from ocpi.arrival import path_of
from ocpi.calling import Endpoints
from ocpi.catalogue import MODULES, PREVIEWED, PULLABLES, SOURCES, STORES, Offers, mounted
from ocpi.console.app import create_console
from ocpi.context import Context, Interface
from ocpi.crew import Duty, Repeated, on_duty
from ocpi.database import DATABASE_ERRORS, PATIENCE
from ocpi.envelope import Failure, failure, unexpected
from ocpi.errors import InvalidParameters, MethodNotOffered, OCPIError, UnknownObject
from ocpi.golive.admin import golive_router
from ocpi.hub.desk import Desk
from ocpi.journal.writing import NOT_STORED, purge, store_notes
from ocpi.kept import EDITION
from ocpi.messages import log
from ocpi.opening import close_context
from ocpi.oversight import scraping_of, watches_of
from ocpi.parties import VERSION
from ocpi.paths import readable_query
from ocpi.pull.admin import pull_router
from ocpi.pull.puller import Puller
from ocpi.pulse import store_pulse
from ocpi.push.worker import Worker
from ocpi.refusals import store_refusals
from ocpi.route import Front
from ocpi.spec.reading import problems
from ocpi.tolerances import store_tolerances

_UNTRACED: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}
"""Keeps FastAPI from telling what `ocpi.tracing` does not, whatever the environment says."""

# What each platform offers, as a key of what is made of it once.
Offered = tuple[tuple[str, tuple[Interface, ...]], ...]


def create_app(context: Context, *, worker: bool = True, offers: Offers | None = None) -> ASGIApp:
    """The whole service; with `worker` it also does what `duties_of` lists."""
    context = mounted(context, offers)
    return _Service(
        context, (*keepers_of(context), *(duties_of if worker else watches_of)(context))
    )


def keepers_of(context: Context) -> Sequence[Duty]:
    """What stores now and then what this process has seen: every process has them."""
    database = context.database
    return (
        Repeated(
            partial(store_pulse, database, context.pulse),
            pause=1.0,
            complaint="signs of life were not stored",
        ),
        Repeated(
            partial(store_refusals, database, context.metrics),
            pause=10.0,
            complaint="refused requests were not counted",
        ),
        Repeated(
            partial(store_tolerances, database, context.forgiving),
            pause=1.0,
            complaint="tolerances were not stored",
        ),
        Repeated(
            partial(store_notes, database, context.seal, context.notes),
            pause=1.0,
            complaint=NOT_STORED,
        ),
    )


def duties_of(context: Context) -> Sequence[Duty]:
    """What goes on beside requests: telling what changed, errands, pulling, audits and such."""
    duties: tuple[Duty, ...] = (
        Worker(context, SOURCES),
        ErrandRunner(context),
        Puller(context, PULLABLES),
        Forgetter(context),
        Auditor(context),
        Sealer(context),
        Learner(context),
        Repeated(
            partial(purge, context.database, context.settings.messages_days),
            pause=600.0,
            complaint="old messages were not deleted",
        ),
        *watches_of(context),
    )
    if context.settings.previous_secret() is not None:
        duties += (
            Repeated(
                partial(vouch_anew, context),
                pause=600.0,
                complaint="the secret key does not vouch for seals yet",
            ),
        )
    return (*duties, Standing(context)) if context.settings.is_hub else duties


def create_ocpi_api(offers: Offers) -> FastAPI:
    """What partners call: one set of routes for each platform.

    Requests bring their context with them, so one will do for all that offer the same.
    """
    return _ocpi_api(_offered(offers))


@cache
def _ocpi_api(offers: Offered) -> FastAPI:
    api = FastAPI(
        telemetry=_UNTRACED,
        title="OCPI 2.2.1",
        version=VERSION,
        openapi_url=None,
        redirect_slashes=False,
        responses={
            "4XX": {"model": Failure, "description": "Refused, see `status_message`."},
            "5XX": {"model": Failure, "description": "Failed here, see `status_message`."},
        },
    )
    for platform, _ in offers:
        prefix = f"/ocpi/{platform}"
        api.include_router(versions_router(platform), prefix=prefix)
        api.include_router(credentials_router(platform), prefix=prefix)
    for path, interface in _mounts(offers):
        for router in _routers(interface):
            api.include_router(router, prefix=path, tags=[interface.module])
    _answer_errors(api)
    return api


def _routers(interface: Interface) -> Sequence[APIRouter]:
    module = next(module for module in MODULES if module.id == interface.module)
    routers = module.routers(interface.role)
    assert routers
    return routers


def endpoints_of(offers: Offers) -> Endpoints:
    """The endpoints of modules that the front door calls itself."""
    return _endpoints(_offered(offers))


@cache
def _endpoints(offers: Offered) -> Endpoints:
    return Endpoints({path: _routers(interface) for path, interface in _mounts(offers)})


def _offered(offers: Offers) -> Offered:
    return tuple((platform, tuple(several)) for platform, several in offers.items())


def _mounts(offers: Offered) -> Iterator[tuple[str, Interface]]:
    """Where each interface of a module lies."""
    for platform, interfaces in offers:
        for interface in interfaces:
            side = interface.role.lower()
            yield f"/ocpi/{platform}/{VERSION}/{side}/{interface.module}", interface


@cache
def create_admin_api() -> FastAPI:
    """What the operator's staff and backend call. Requests bring their context with them."""
    api = FastAPI(
        telemetry=_UNTRACED,
        title="OCPI hub: admin",
        version=VERSION,
        openapi_url=None,
        redirect_slashes=False,
        webhooks=modules.stations.gateways.messages.webhooks,
        responses={
            "4XX": {"model": Problem, "description": "Refused, see `error`."},
            "503": {"model": Problem, "description": "Not possible now: see `Retry-After`."},
        },
    )
    for router in _admin_routers():
        api.include_router(router)
    add_error_handlers(api)
    return api


@cache
def _admin_routers() -> Sequence[APIRouter]:
    return (
        credentials.admin.router,
        credentials.agreementadmin.router,
        golive_router(PREVIEWED),
        modules.hubclientinfo.admin.router,
        ocpi.push.admin.router,
        ocpi.alarms.admin.router,
        ocpi.push.admin.verify_router(SOURCES),
        modules.cdrs.admin.audit_router,
        pull_router(PULLABLES),
        ocpi.journal.admin.router,
        ocpi.erasure.admin.router,
        modules.locations.admin.router,
        modules.locations.admin.tags_router,
        modules.tariffs.admin.router,
        modules.tariffs.pricingadmin.router,
        modules.tokens.admin.router,
        modules.sessions.admin.router,
        modules.cdrs.admin.router,
        modules.commands.admin.router,
        modules.chargingprofiles.admin.router,
        modules.stations.admin.router,
    )


@cache
def admin_endpoints() -> Endpoints:
    """The endpoints that the admin API's front door calls itself."""
    return Endpoints({"/admin": _admin_routers()})


def _answer_errors(api: FastAPI) -> None:
    """Whatever goes wrong behind the front door leaves in an envelope (EN-01, AT-16)."""

    @api.exception_handler(OCPIError)
    async def known(request: Request, error: OCPIError) -> Response:
        caller, context = request.state.caller, request.state.context
        context.metrics.refused(error, interface=caller.platform, partner=caller.name)
        return failure(error)

    @api.exception_handler(ValidationError)
    async def refused(_request: Request, error: ValidationError) -> Response:
        return failure(InvalidParameters(problems(error)))

    @api.exception_handler(RequestValidationError)
    async def misread(_request: Request, error: RequestValidationError) -> Response:
        return failure(InvalidParameters(str(error.errors()[0]["msg"])))

    @api.exception_handler(HTTPException)
    async def unrouted(request: Request, error: HTTPException) -> Response:
        if error.status_code == 405:
            answer = failure(MethodNotOffered(f"{request.method} is not offered here."))
            answer.headers.update(error.headers or {})
            return answer
        return failure(UnknownObject(f"There is nothing at {request.url.path}."))

    @api.exception_handler(Exception)
    async def crashed(_request: Request, error: Exception) -> Response:
        return unexpected(error)


class _Service:
    """Sends each request to the API it is for, and sees to duties beside them."""

    def __init__(self, context: Context, duties: Sequence[Duty]) -> None:
        self.context = context
        self.duties = duties
        offers = context.interfaces
        desk = Desk(context, STORES, reserved_at) if context.settings.is_hub else None
        self.ocpi = Front(context, create_ocpi_api(offers), endpoints_of(offers), desk)
        self.admin = AdminFront(context, create_admin_api(), admin_endpoints())
        self.scraping = scraping_of(context)
        self.console = create_console(context, SOURCES, PULLABLES, PREVIEWED)
        self.rest = self._rest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = f"{path_of(scope)}/" if scope["type"] == "http" else ""
        if path.startswith("/ocpi/"):
            # The hub carries queries as they are.
            await self.ocpi(scope, receive, send)
            return
        if scope["type"] == "http":
            scope = {**scope, "query_string": readable_query(scope["query_string"])}
        if path.startswith("/admin/"):
            await self.admin(scope, receive, send)
        elif path.startswith("/console/"):
            await self.console(scope, receive, send)
        else:
            await self.rest(scope, receive, send)

    def _rest(self) -> FastAPI:
        """Health, metrics, and the start and end of the process."""
        rest = FastAPI(
            telemetry=_UNTRACED,
            openapi_url=None,
            lifespan=self._lifespan,
        )

        @rest.get("/health/live")
        async def live() -> Response:
            return JSONResponse({"status": "ok"})

        @rest.get("/metrics")
        async def metrics(request: Request) -> Response:
            address = request.client.host if request.client else ""
            return await self.scraping.answer(request.headers.get("authorization", ""), address)

        @rest.get("/health/ready")
        async def ready() -> Response:
            try:
                # Where a server hangs, others stand in line for it.
                async with asyncio.timeout(PATIENCE):
                    await self.context.database.fetch("app.ready", EDITION, {})
            except DATABASE_ERRORS as error:
                log.warning("not ready: the database does not answer", error=repr(error))
                return JSONResponse({"status": "the database does not answer"}, 503)
            return JSONResponse({"status": "ok"})

        return rest

    @asynccontextmanager
    async def _lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        try:
            async with on_duty(self.duties):
                yield
        finally:
            await close_context(self.context)
