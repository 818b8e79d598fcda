"""The program put together: every module, both APIs, and the worker, in one ASGI application."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

import credentials.admin
import modules.locations.admin
import modules.locations.sender
import modules.tariffs.admin
import modules.tariffs.pricingadmin
import modules.tariffs.sender
import ocpi.push.admin
from credentials.endpoints import credentials_router
from credentials.versions import versions_router
from modules.locations.source import LocationSource
from modules.tariffs.source import TariffSource
from ocpi.admin import AdminFront, Problem, add_error_handlers
from ocpi.context import Context, Interface
from ocpi.database import clock
from ocpi.envelope import Failure, failure
from ocpi.errors import Crash, InvalidParameters, MethodNotOffered, OCPIError, UnknownObject
from ocpi.module import Module
from ocpi.parties import VERSION, PlatformID
from ocpi.push.worker import Worker
from ocpi.route import Front, List, path_of
from ocpi.spec.reading import problems

MODULES = (
    Module(
        "locations",
        cpo="SENDER",
        sender=modules.locations.sender.router,
        list=modules.locations.sender.list_locations,
        source=LocationSource(),
    ),
    Module(
        "tariffs",
        cpo="SENDER",
        sender=modules.tariffs.sender.router,
        list=modules.tariffs.sender.list_tariffs,
        source=TariffSource(),
    ),
)
SOURCES = {module.id: module.source for module in MODULES if module.source is not None}


OFFERS: Mapping[str, Sequence[Interface]] = {
    PlatformID.CPO: [Interface(module.id, module.cpo) for module in MODULES]
}


Offers = Mapping[str, Sequence[Interface]]


def mounted(context: Context, offers: Offers = OFFERS) -> Context:
    """The context of a process that serves: it knows what each platform offers."""
    return replace(context, interfaces=offers)


def create_app(context: Context, *, worker: bool = True, offers: Offers = OFFERS) -> ASGIApp:
    """The whole service; with `worker` it also tells partners what changed."""
    context = mounted(context, offers)
    return _Service(context, worker=Worker(context, SOURCES) if worker else None)


def create_ocpi_api(offers: Mapping[str, Sequence[Interface]]) -> FastAPI:
    """What partners call: one set of routes for each platform. `state.context` is the caller's."""
    api = FastAPI(
        title="OCPI 2.2.1",
        version=VERSION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        responses={
            "4XX": {"model": Failure, "description": "Refused, see `status_message`."},
            "5XX": {"model": Failure, "description": "Failed here, see `status_message`."},
        },
    )
    for platform, interfaces in offers.items():
        prefix = f"/ocpi/{platform}"
        api.include_router(versions_router(platform), prefix=prefix)
        api.include_router(credentials_router(platform), prefix=prefix)
        for interface in interfaces:
            router = _router(interface)
            side = interface.role.lower()
            api.include_router(
                router,
                prefix=f"{prefix}/{VERSION}/{side}/{interface.module}",
                tags=[interface.module],
            )
    _answer_errors(api)
    return api


def _router(interface: Interface) -> APIRouter:
    module = next(module for module in MODULES if module.id == interface.module)
    router = module.router(interface.role)
    assert router is not None
    return router


def _lists(offers: Mapping[str, Sequence[Interface]]) -> dict[str, List]:
    """The list of each sender that is mounted, by its path."""
    return {
        f"/ocpi/{platform}/{VERSION}/sender/{module.id}": module.list
        for platform, interfaces in offers.items()
        for module in MODULES
        if module.list is not None and Interface(module.id, "SENDER") in interfaces
    }


def create_admin_api() -> FastAPI:
    """What the operator's staff and backend call. `state.context` is the caller's."""
    api = FastAPI(
        title="OCPI hub: admin",
        version=VERSION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        responses={"4XX": {"model": Problem, "description": "Refused, see `error`."}},
    )
    for router in (
        credentials.admin.router,
        ocpi.push.admin.router,
        modules.locations.admin.router,
        modules.tariffs.admin.router,
        modules.tariffs.pricingadmin.router,
    ):
        api.include_router(router)
    add_error_handlers(api)
    return api


def _answer_errors(api: FastAPI) -> None:
    """Whatever goes wrong behind the front door leaves in an envelope (EN-01, AT-16)."""

    @api.exception_handler(OCPIError)
    async def known(_request: Request, error: OCPIError) -> Response:
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
    async def crashed(_request: Request, _error: Exception) -> Response:
        return failure(Crash())


class _Service:
    """Sends each request to the API it is for, and runs the worker beside them."""

    def __init__(self, context: Context, worker: Worker | None) -> None:
        self.context = context
        self.worker = worker
        ocpi_api, admin_api = create_ocpi_api(context.interfaces), create_admin_api()
        ocpi_api.state.context = admin_api.state.context = context
        self.ocpi = Front(context, ocpi_api, _lists(context.interfaces))
        self.admin = AdminFront(context, admin_api)
        self.rest = self._rest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = f"{path_of(scope)}/" if scope["type"] == "http" else ""
        if path.startswith("/ocpi/"):
            await self.ocpi(scope, receive, send)
        elif path.startswith("/admin/"):
            await self.admin(scope, receive, send)
        else:
            await self.rest(scope, receive, send)

    def _rest(self) -> FastAPI:
        """Health, and the start and end of the process."""
        rest = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=self._lifespan)

        @rest.get("/health/live")
        async def live() -> Response:
            return JSONResponse({"status": "ok"})

        @rest.get("/health/ready")
        async def ready() -> Response:
            async with self.context.database.read() as db:
                await clock(db)
            return JSONResponse({"status": "ok"})

        return rest

    @asynccontextmanager
    async def _lifespan(self, _app: FastAPI) -> AsyncIterator[None]:
        running = asyncio.create_task(self.worker.run()) if self.worker else None
        try:
            yield
        finally:
            if self.worker and running:
                await self.worker.stop()
                with suppress(asyncio.CancelledError):
                    await running
            await self.context.close()
