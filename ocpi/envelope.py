"""The envelope that every answer wears (EN-01 to EN-06)."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Generic, TypeVar

from pydantic import BaseModel, Field
from starlette.responses import Response

from ocpi.database import DATABASE_ERRORS
from ocpi.defects import is_defect
from ocpi.errors import Crash, OCPIError, Overloaded
from ocpi.spec.document import encode
from ocpi.spec.moments import format_moment

T = TypeVar("T")


class Answer(BaseModel, Generic[T]):
    """The envelope as the OpenAPI document shows it."""

    data: T | None = Field(
        None, description="What the module specifies; absent on errors and writes."
    )
    status_code: int = Field(description="OCPI status code, 1000 for success.", examples=[1000])
    status_message: str | None = Field(None, description="For people, mostly on errors.")
    timestamp: str = Field(
        description="When this answer was made.", examples=["2026-01-01T12:00:00Z"]
    )


class Failure(BaseModel):
    """The envelope of an error."""

    status_code: int = Field(description="OCPI status code: 2xxx, 3xxx or 4xxx.", examples=[2001])
    status_message: str = Field(
        description="Which field, which rule.", examples=["offset: a whole number from 0 is due"]
    )
    timestamp: str = Field(
        description="When this answer was made.", examples=["2026-01-01T12:00:00Z"]
    )


def wrap(data: Iterable[bytes], status_code: int = 1000, message: str | None = None) -> bytes:
    """The envelope's bytes around `data`, which is JSON text in pieces; none leaves `data` out.

    The pieces are joined once: each copy of a page costs as much as reading it.
    """
    said = "" if message is None else f'"status_message":{encode(_printable(message))},'
    tail = f'"status_code":{status_code},{said}"timestamp":"{format_moment(datetime.now(UTC))}"}}'
    pieces = list(data)
    if not pieces:
        return f"{{{tail}".encode()
    return b"".join((b'{"data":', *pieces, b",", tail.encode()))


def _printable(message: str) -> str:
    """The message without the control characters of what it quotes: no text has any (TY-02)."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", "\ufffd", message)


def ok(
    data: bytes | str | None = None,
    *,
    created: bool = False,
    status_code: int = 1000,
    message: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Success, with `data` as JSON text; HTTP 201 where the request created the object (ST-05).

    Another `status_code` is for the answers that have data beside it (CM-04).
    """
    text = data.encode() if isinstance(data, str) else data
    body = wrap(() if text is None else (text,), status_code, message)
    return _answer(body, 201 if created else 200, headers)


def ok_page(bodies: Iterable[bytes], headers: Mapping[str, str]) -> Response:
    """A page of a list, spliced from stored JSON texts without parsing them."""
    pieces = [b"["]
    for body in bodies:
        pieces += (body, b",")
    pieces[-1 if len(pieces) > 1 else 1 :] = [b"]"]
    return _answer(wrap(pieces), 200, headers)


def _answer(body: bytes, status: int, headers: Mapping[str, str] | None = None) -> Response:
    return Response(body, status, headers, "application/json")


def may_pass(error: Exception) -> bool:
    """Whether it may succeed later: the database restarts, its disk is full, or memory is short."""
    passing = (*DATABASE_ERRORS, MemoryError)
    return isinstance(error, passing) and not is_defect(error)


def unexpected(error: Exception) -> Response:
    """The answer where something failed of which nobody thought."""
    return failure(Overloaded() if may_pass(error) else Crash())


def failure(error: OCPIError) -> Response:
    """The answer to a request that failed."""
    body = wrap((), error.status_code, error.message)
    return _answer(body, error.http_status, error.headers)
