"""What is said between a mock and its peer: requests in, answers out, JSON and the envelope."""

from __future__ import annotations

import base64
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, quote, unquote
from uuid import uuid4

import msgspec
from starlette.types import Receive, Scope

Document = dict[str, Any]

MESSAGE_IDS = ("x-request-id", "x-correlation-id")
TO = ("ocpi-to-country-code", "ocpi-to-party-id")
FROM = ("ocpi-from-country-code", "ocpi-from-party-id")

_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")


class Refused(Exception):
    """A request that is answered with an error; `objection` says whether the peer is to blame."""

    def __init__(
        self, http_status: int, status_code: int, message: str, *, objection: bool = True
    ) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.status_code = status_code
        self.message = message
        self.objection = objection


@dataclass
class Incoming:
    """One request to an OCPI endpoint of the mock, and what there is to say against it.

    `afterwards` is what is to be done once it has been answered.
    """

    method: str
    path: str
    interface: str
    module: str
    rest: tuple[str, ...]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    token: str = ""
    objections: list[str] = field(default_factory=list)
    afterwards: list[Coroutine[Any, Any, None]] = field(default_factory=list)

    def pair(self, names: tuple[str, str]) -> tuple[str, str]:
        """Country code and party id of a routing address, in capitals, empty when absent."""
        country_code, party_id = (self.headers.get(name, "").upper() for name in names)
        return country_code, party_id


@dataclass
class Answer:
    """What the mock answers; `document` None means no body, and `text` replaces the JSON."""

    http_status: int
    document: Document | None
    headers: dict[str, str] = field(default_factory=dict)
    text: str | None = None
    content_type: str = "application/json"

    def body(self) -> bytes:
        if self.text is not None:
            return self.text.encode()
        return b"" if self.document is None else encode(self.document)


def encode(value: Any) -> bytes:
    return _encoder.encode(value)


def decode(body: bytes) -> Any:
    """Read JSON with exact numbers; ValueError when it is none."""
    try:
        return _decoder.decode(body)
    except RecursionError as failure:
        raise ValueError("it is nested too deeply") from failure


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str) -> datetime:
    """Read an OCPI DateTime; no designator means UTC (TY-06)."""
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


def envelope(status_code: int, data: Any = None, message: str | None = None) -> Document:
    document: Document = {"status_code": status_code, "timestamp": now()}
    if data is not None:
        document["data"] = data
    if message is not None:
        document["status_message"] = message
    return document


def ok(data: Any = None, *, created: bool = False, message: str | None = None) -> Answer:
    return Answer(201 if created else 200, envelope(1000, data, message))


def refuse(refused: Refused) -> Answer:
    document = envelope(refused.status_code, message=refused.message)
    return Answer(refused.http_status, document)


def authorization(token: str) -> str:
    return "Token " + base64.b64encode(token.encode()).decode()


def message_ids() -> dict[str, str]:
    return {name: str(uuid4()) for name in MESSAGE_IDS}


def segment(text: str) -> str:
    return quote(text, safe="")


def place(segments: tuple[str, ...]) -> tuple[str, str, tuple[str, ...]]:
    """Interface, module and what follows them, of a path below the mock's OCPI root."""
    match segments:
        case ("versions", *rest):
            return "", "versions", tuple(rest)
        case ("2.2.1",):
            return "", "details", ()
        case ("2.2.1", "credentials", *rest):
            return "", "credentials", tuple(rest)
        case ("2.2.1", interface, module, *rest):
            return interface, module, tuple(rest)
        case _:
            return "", "/".join(segments), ()


async def read_request(scope: Scope, receive: Receive, root: str) -> Incoming:
    """Take a request off the wire; segments are decoded one by one, so ids may hold a slash."""
    raw = scope["raw_path"].decode("ascii", "replace")
    query = scope["query_string"].decode("ascii", "replace")
    body = bytearray()
    while True:
        event = await receive()
        body += event.get("body", b"")
        if not event.get("more_body", False):
            break
    parts = raw.removeprefix(root).strip("/").split("/")
    interface, module, rest = place(tuple(unquote(part) for part in parts))
    return Incoming(
        method=scope["method"],
        path=f"{raw}?{query}" if query else raw,
        interface=interface,
        module=module,
        rest=rest,
        query=dict(parse_qsl(query, keep_blank_values=True)),
        headers={
            name.decode("latin-1").lower(): v.decode("latin-1") for name, v in scope["headers"]
        },
        body=bytes(body),
    )
