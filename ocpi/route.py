"""The way in: a plain ASGI layer that names, authenticates and bounds a request before FastAPI."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.datastructures import QueryParams
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ocpi.context import Context
from ocpi.envelope import failure
from ocpi.errors import (
    Crash,
    InvalidParameters,
    Malformed,
    NotAuthenticated,
    OCPIError,
    ServerFailure,
    TooLarge,
    TooSlow,
    UnknownObject,
    UnsupportedEncoding,
)
from ocpi.headers import (
    MessageIDs,
    Party,
    Routing,
    read_message_ids,
    read_routing,
    routing_headers,
)
from ocpi.messages import log
from ocpi.parties import Caller, authenticate, our_parties
from ocpi.request import Listing, read_listing

BODY_LIMIT = 1024 * 1024
BODY_DEADLINE = 15.0
_ONCE = ("authorization", "ocpi-to-", "ocpi-from-", "x-request-id", "x-correlation-id")
# What partners may ask for with a registration token (TR-06), and what is never routed (RT-03).
_CONFIGURATION = {"versions", "2.2.1", "2.2.1/credentials"}


# An endpoint that gives a page of a list to a partner that asks one of our parties.
List = Callable[[Context, Party, Listing], Awaitable[Response]]


class Front:
    """Gives each OCPI request its ids, caller and party, and each answer its headers.

    It stands before FastAPI because a token must be judged before a body is read, a message for
    somebody else must not meet module code, and errors of every kind must wear the envelope.
    """

    def __init__(self, context: Context, api: ASGIApp, lists: Mapping[str, List]) -> None:
        """`lists` are endpoints by path that need no more than who asks and for which page.

        They are answered here, since FastAPI takes longer to find and call them than they run.
        """
        self.context = context
        self.api = api
        self.lists = lists

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request below /ocpi."""
        started = time.perf_counter()
        headers = _read_headers(scope)
        ids = read_message_ids(headers)
        exchange = _Exchange(ids, send)
        path = path_of(scope)
        try:
            inner = await self._identify(scope, path, headers, exchange)
            if scope["method"] == "GET" and path in self.lists:
                await self._list(inner, receive, exchange.send)
            else:
                body = await read_whole(scope, headers, receive, BODY_LIMIT)
                await self.api(inner, body, exchange.send)
        except OCPIError as error:
            await failure(error)(scope, receive, exchange.send)
        except Exception:  # noqa: BLE001 - Nobody behind us answers, and it is logged here.
            # Starlette raises again what it has answered itself.
            log.exception("crash", request_id=ids.request_id, path=path)
            if not exchange.status:
                await failure(Crash())(scope, receive, exchange.send)
        finally:
            log.info(
                "message in",
                method=scope["method"],
                path=path,
                http=exchange.status,
                partner=exchange.partner,
                ms=round((time.perf_counter() - started) * 1000, 1),
                request_id=ids.request_id,
                correlation_id=ids.correlation_id,
            )

    async def _list(self, scope: Scope, receive: Receive, send: Send) -> None:
        state, query = scope["state"], QueryParams(scope["query_string"])
        listing = read_listing(self.context, state["caller"], scope["path"], query)
        answer = await self.lists[scope["path"]](self.context, state["addressed"], listing)
        await answer(scope, receive, send)

    async def _identify(
        self, scope: Scope, path: str, headers: dict[str, str], exchange: "_Exchange"
    ) -> Scope:
        """The scope for FastAPI, with who calls and which of our parties is meant."""
        _require_once(scope)
        platform, _, rest = path.removeprefix("/ocpi/").partition("/")
        if platform not in self.context.interfaces:
            raise UnknownObject(f"There is no platform {platform!r} here.")
        database = self.context.database
        caller = await authenticate(
            database, platform, headers.get("authorization"), time.time_ns() // 1000
        )
        exchange.partner = caller.name
        state: dict[str, Any] = {"caller": caller, "ids": exchange.ids}
        if rest not in _CONFIGURATION:
            if caller.registration:
                raise NotAuthenticated("This is a registration token: register first.")
            routing = read_routing(headers)
            ours = await our_parties(database, platform)
            state["addressed"] = exchange.address(routing, ours, caller)
        return {**scope, "path": path, "state": {**scope.get("state", {}), **state}}


class _Exchange:
    """One request and its answer on the way out."""

    def __init__(self, ids: MessageIDs, send: Send) -> None:
        self.ids = ids
        self.status = 0
        self.partner: str | None = None
        self._send = send
        self._headers = {
            "X-Request-ID": ids.request_id,
            "X-Correlation-ID": ids.correlation_id,
        }

    def address(self, routing: Routing, ours: tuple[Party, ...], caller: Caller) -> Party:
        """The one party of ours that is meant; the answer goes the way back (RT-05, RT-07)."""
        if routing.sender is not None:
            self._headers |= routing_headers(routing.sender, None)
            if routing.sender.key not in {role.party.key for role in caller.roles}:
                raise InvalidParameters(
                    f"OCPI-from: {routing.sender} is no party of {caller.name} (it has "
                    f"{', '.join(str(role.party) for role in caller.roles)})"
                )
        party = _meant(routing.to, ours)
        if routing.sender is not None or routing.to is not None:
            self._headers |= routing_headers(None, party)
        return party

    async def send(self, message: Message) -> None:
        """Pass on a part of the answer, with our headers on its start (TR-14)."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = [(name.encode(), value.encode()) for name, value in self._headers.items()]
            message = {**message, "headers": [*message.get("headers", []), *own]}
        await self._send(message)


def _meant(to: Party | None, ours: tuple[Party, ...]) -> Party:
    if to is not None:
        for party in ours:
            if party.key == to.key:
                return party
        # Codes 4xxx are for hubs alone (ST-12, RT-39).
        raise InvalidParameters(f"OCPI-to: {to} is no party of this platform.")
    if len(ours) == 1:
        return ours[0]
    if not ours:
        raise ServerFailure("This platform has no party yet.")
    raise InvalidParameters(
        "OCPI-to-country-code and OCPI-to-party-id are needed: this platform speaks for "
        + ", ".join(str(party) for party in ours)
    )


def _read_headers(scope: Scope) -> dict[str, str]:
    """Headers by lower-case name."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _require_once(scope: Scope) -> None:
    """Sent twice, one of them would be believed here and the other one elsewhere (TA-22)."""
    names = [name.decode("latin-1") for name, _ in scope["headers"]]
    for name in set(names):
        if name.startswith(_ONCE) and names.count(name) > 1:
            raise Malformed(f"The header {name} is there twice.")


def path_of(scope: Scope) -> str:
    """The path as sent, percent-encoded, without doubled and trailing slashes (IP-04, IP-26)."""
    raw: str = scope["raw_path"].decode("latin-1")
    return re.sub("/{2,}", "/", raw).rstrip("/")


async def read_whole(
    scope: Scope, headers: Mapping[str, Any], receive: Receive, limit: int
) -> Receive:
    """The body read whole, within its limit and in time (TA-14, TA-16).

    Raises ``UnsupportedEncoding``, ``TooLarge``, ``TooSlow`` and ``Malformed``.
    """
    if scope["method"] in ("GET", "HEAD"):
        return receive
    if "content-encoding" in headers:
        raise UnsupportedEncoding
    if int(headers.get("content-length", 0)) > limit:
        raise TooLarge(f"The body is larger than {limit} bytes.")
    try:
        async with asyncio.timeout(BODY_DEADLINE):
            body = await _read_body(receive, limit)
    except TimeoutError:
        raise TooSlow(f"The body did not arrive within {BODY_DEADLINE:.0f} s.") from None
    return _replay(body, receive)


async def _read_body(receive: Receive, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Malformed("The connection was closed before the body was whole.")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise TooLarge(f"The body is larger than {limit} bytes.")
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def _replay(body: bytes, receive: Receive) -> Callable[[], Awaitable[Message]]:
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return pending.pop() if pending else await receive()

    return next_message
