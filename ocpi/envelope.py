"""The envelope that every answer wears (EN-01 to EN-06)."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Generic, TypeVar

from pydantic import BaseModel, Field
from starlette.responses import Response

from ocpi.errors import OCPIError
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


def wrap(data: str | None, status_code: int = 1000, message: str | None = None) -> bytes:
    """The envelope's bytes around `data`, which is JSON text already; None leaves `data` out."""
    parts = [f'"data":{data}'] if data is not None else []
    parts.append(f'"status_code":{status_code}')
    if message is not None:
        parts.append(f'"status_message":{encode(message)}')
    parts.append(f'"timestamp":"{format_moment(datetime.now(UTC))}"')
    return ("{" + ",".join(parts) + "}").encode()


def ok(
    data: str | None = None,
    *,
    created: bool = False,
    message: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Success, with `data` as JSON text; HTTP 201 where the request created the object (ST-05)."""
    return Response(
        wrap(data, message=message),
        status_code=201 if created else 200,
        headers=headers,
        media_type="application/json",
    )


def ok_page(bodies: Iterable[str], headers: Mapping[str, str]) -> Response:
    """A page of a list, spliced from stored JSON texts without parsing them."""
    return ok("[" + ",".join(bodies) + "]", headers=headers)


def failure(error: OCPIError) -> Response:
    """The answer to a request that failed."""
    return Response(
        wrap(None, error.status_code, error.message),
        status_code=error.http_status,
        media_type="application/json",
    )
