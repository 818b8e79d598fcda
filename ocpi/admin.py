"""The admin API's frame: its token, its errors, and what its endpoints share."""

import hmac
import time
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ocpi.admission import away
from ocpi.arrival import path_of, read_whole, replay
from ocpi.calling import Endpoints
from ocpi.context import Context
from ocpi.editing import Document, Written
from ocpi.envelope import may_pass
from ocpi.errors import (
    NotAuthenticated,
    NotJSON,
    OCPIError,
    Overloaded,
    ServerFailure,
    UnknownObject,
)
from ocpi.guessing import Guesses
from ocpi.headers import Party, read_message_ids
from ocpi.messages import about, log
from ocpi.parties import PlatformID, our_parties
from ocpi.request import Here, Owner
from ocpi.spec.document import decode, encode
from ocpi.spec.reading import problems

BODY_LIMIT = 4 * 1024 * 1024
CRASHED = "An unexpected failure; it is logged."


class Problem(BaseModel):
    """Why a request of the admin API failed."""

    error: str = Field(
        description="Which field, which rule, or what to do next.",
        examples=["evses.0.connectors: at least one item is required"],
    )


class AdminFront:
    """Lets in who presents the admin token, before the body is read."""

    def __init__(self, context: Context, api: ASGIApp, endpoints: Endpoints) -> None:
        self.context = context
        self.api = api
        self.endpoints = endpoints
        self.guesses = Guesses()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request below /admin."""
        headers = {name.decode("latin-1"): value for name, value in scope["headers"]}
        given = {name: value.decode("latin-1") for name, value in headers.items()}
        with about(read_message_ids(given)):
            await self._take(scope, headers, receive, send)

    async def _take(
        self, scope: Scope, headers: Mapping[str, bytes], receive: Receive, send: Send
    ) -> None:
        started = time.perf_counter()
        status = 0

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        path = path_of(scope)
        try:
            client = scope.get("client") or ("",)
            self._check_token(headers.get("authorization", b""), str(client[0]))
            state = {**scope.get("state", {}), "context": self.context}
            below = {**scope, "path": path.removeprefix("/admin"), "state": state}
            async with self.context.admission.place("admin"):
                with away():
                    body = await read_whole(scope, headers, receive, BODY_LIMIT)
                _check_nul(body)
                if body:
                    below["headers"] = _as_json(scope["headers"])
                answer = await self._answer(Request(below, replay(body, receive)))
                await (answer or self.api)(below, replay(body, receive), watch)
        except OCPIError as error:
            self.context.metrics.refused(error, interface="admin", partner=None)
            await _failure(error)(scope, receive, watch)
        except Exception as error:  # noqa: BLE001 - Nobody behind us answers, and it is logged here.
            # Starlette raises again what it has answered itself.
            if may_pass(error):
                log.warning("not possible now", path=path, error=repr(error))
            else:
                self.context.metrics.crashes.inc()
                log.exception("crash", path=path)
            if not status:
                await _unexpected(error)(scope, receive, watch)
        finally:
            ms = round((time.perf_counter() - started) * 1000, 1)
            log.info("admin", method=scope["method"], path=path, http=status, ms=ms)

    async def _answer(self, request: Request) -> Response | None:
        """What an endpoint answers that can be called here; None: FastAPI has to see to it."""
        below = request.scope["path"].removeprefix("/")
        query = request.scope["query_string"]
        endpoint = self.endpoints.find(request.method, "/admin", below, query)
        try:
            return None if endpoint is None else await endpoint.answer(request)
        except OCPIError as error:
            return _failure(error)

    def _check_token(self, authorization: bytes, address: str) -> None:
        token = self.context.settings.admin_token
        if token is None:
            raise NotAuthenticated("The admin API is off: set OCPI_ADMIN_TOKEN to turn it on.")
        expected = f"Bearer {token.get_secret_value()}".encode()
        if not hmac.compare_digest(authorization, expected):
            self.guesses.wrong(address, authorization.decode("latin-1"))
            raise NotAuthenticated("Send `Authorization: Bearer` with the OCPI_ADMIN_TOKEN.")


def _as_json(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Headers that say what every body is, whatever was said: `curl -d` calls it a form."""
    others = [each for each in headers if each[0] != b"content-type"]
    return [*others, (b"content-type", b"application/json")]


def _check_nul(body: bytes) -> None:
    """Refuse a text with NUL, which JSON allows, but neither PostgreSQL nor any of our models.

    What else is wrong with a body is told by whoever reads it.
    """
    if rb"\u0000" in body:
        try:
            decode(body)
        except ValueError as error:
            raise NotJSON(f"The body cannot be taken: {error}") from None


def add_error_handlers(app: FastAPI) -> None:
    """Every failure becomes `{"error": sentence}` with a fitting HTTP status."""

    @app.exception_handler(OCPIError)
    async def known(_request: Request, error: OCPIError) -> Response:
        return _failure(error)

    @app.exception_handler(ValidationError)
    async def refused(_request: Request, error: ValidationError) -> Response:
        return _problem(400, problems(error))

    @app.exception_handler(RequestValidationError)
    async def misread(_request: Request, error: RequestValidationError) -> Response:
        return _problem(400, "; ".join(map(_misread, error.errors())))

    @app.exception_handler(HTTPException)
    async def unrouted(_request: Request, error: HTTPException) -> Response:
        return _problem(error.status_code, str(error.detail))

    @app.exception_handler(Exception)
    async def crashed(_request: Request, error: Exception) -> Response:
        return _unexpected(error)


def _misread(error: dict[str, Any]) -> str:
    """What is wrong with one field, or with the body."""
    if error["type"] == "json_invalid":
        return f"The body is not JSON: {error['ctx']['error']}"
    return f"{_place(error)}: {error['msg']}"


def _place(error: dict[str, object]) -> str:
    location = error["loc"]
    assert isinstance(location, tuple)
    return ".".join(str(part) for part in location[1:]) or "body"


def _unexpected(error: Exception) -> Response:
    """See `ocpi.envelope.unexpected`."""
    if may_pass(error):
        return _failure(Overloaded())
    return _problem(500, CRASHED)


def _failure(error: OCPIError) -> Response:
    # What OCPI answers with 200 fails here by HTTP: 502 where a partner is to blame, else 400.
    plain = 502 if isinstance(error, ServerFailure) else 400
    status = plain if error.http_status == 200 else error.http_status
    return _problem(status, error.message, error.headers)


def _problem(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": sentence}, status, headers)


async def own_party(here: Here, owner: Owner) -> Party:
    """The party of ours that is named, in our spelling; raises ``UnknownObject``."""
    for party in await our_parties(here.database, PlatformID.CPO):
        if party.key == owner.key:
            return party
    raise UnknownObject(f"{owner} is no party of ours: see `ocpi party list`.")


# One of our own CPO parties, in our spelling.
OwnParty = Annotated[Party, Depends(own_party)]


def document_answer(document: Document | list[Document], *, created: bool = False) -> Response:
    """An OCPI document as it is, without envelope."""
    return Response(
        encode(document), status_code=201 if created else 200, media_type="application/json"
    )


def written_answer(written: Written) -> Response:
    """The document as it is stored now; HTTP 201 where it is new."""
    return document_answer(written.document, created=written.created)


def takes(model: type[BaseModel], *, partial: bool = False) -> Document:
    """The request body of an endpoint that reads it itself, for the OpenAPI document.

    The model must be declared as an answer too, since that puts it among the schemas.
    """
    schema: Document = {"$ref": f"#/components/schemas/{model.__name__}"}
    if partial:
        sentence = f"Any fields of {model.__name__}, each replaced as a whole."
        schema = {"type": "object", "description": sentence, "minProperties": 1}
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}
