"""A request as it arrives: its URL taken apart, its headers, and its body, within limits."""

import asyncio
import re
from codecs import BOM_UTF8
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from starlette.types import Message, Receive, Scope

from ocpi.admission import LARGE, away, enlarge
from ocpi.errors import Malformed, TooLarge, TooSlow, UnsupportedEncoding
from ocpi.forgiving import Habit, forgive
from ocpi.headers import MessageIDs, Party, token_habit
from ocpi.hub.message import OWNED, owner_in
from ocpi.hub.message import Message as HubMessage
from ocpi.metrics import OTHER, SUBJECTS
from ocpi.parties import VERSION, Caller
from ocpi.paths import readable_query
from ocpi.spec.document import MAX_SIZE

BODY_LIMIT = 1024 * 1024
LARGE_LIMIT = MAX_SIZE
"""For Locations with many EVSEs, and for CDRs with many periods (TA-14)."""
BODY_DEADLINE = 15.0
_LARGE = frozenset({"locations", "cdrs"})
_ONCE = ("authorization", "ocpi-to-", "ocpi-from-", "x-request-id", "x-correlation-id")
_ROUTED = {"sender", "receiver", "links"}
_SLASHES = re.compile("/{2,}")


class Arrival:
    """One request: its URL taken apart, and its body read once, when somebody asks for it."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self.path = path = path_of(scope)
        self.headers = _read_headers(scope)
        self.receive = receive
        self.platform, _, self.rest = path.removeprefix("/ocpi/").partition("/")
        parts = [*self.rest.split("/", 3), "", "", ""]
        version, self.interface, self.module, self.below = parts[:4]
        self.is_routed = version == VERSION and self.interface in _ROUTED
        self._body: bytes | None = None

    @property
    def link(self) -> str | None:
        """The id of one of the hub's links, which are neither of a sender nor of a receiver."""
        return self.module if self.interface == "links" else None

    @property
    def subject(self) -> str:
        """What it is about, as a word of a bounded set: the label `module` of its metrics."""
        if self.rest in ("versions", VERSION):
            return "versions"
        name = self.module if self.interface in ("sender", "receiver") else self.interface
        return name if name in SUBJECTS else OTHER

    @property
    def address(self) -> str:
        """The network address that it came from: a reverse proxy's, where there is one."""
        client = self.scope.get("client")
        return str(client[0]) if client else ""

    @property
    def base(self) -> str:
        """The path without what is below its module."""
        return self.path.removesuffix(f"/{self.below}") if self.below else self.path

    @cached_property
    def owner(self) -> Party | None:
        """The owner that the URL of a pushed object names."""
        if self.interface != "receiver" or self.module not in OWNED:
            return None
        return owner_in(self.below)

    def require_once(self) -> None:
        """Raises ``Malformed`` for a header that is there twice where only one can count.

        One of the two would be believed here and the other one elsewhere (TA-22).
        """
        if len(self.headers) == len(self.scope["headers"]):
            return
        names = [name.decode("latin-1") for name, _ in self.scope["headers"]]
        for name in set(names):
            if name.startswith(_ONCE) and names.count(name) > 1:
                raise Malformed(f"The header {name} is there twice.")

    def forgive_forms(self, token: str) -> None:
        """Note what is odd about the URL and the headers of who presents this token."""
        if len(self.scope["raw_path"]) != len(self.path):
            forgive(Habit.SLASHES, self.interface or self.rest)
        missing = [
            name
            for name in ("X-Request-ID", "X-Correlation-ID")
            if name.lower() not in self.headers
        ]
        if missing:
            forgive(Habit.NO_IDS, " ".join(missing))
        habit = token_habit(self.headers.get("authorization", ""), token)
        if habit is not None:
            forgive(habit)

    def scope_for(self, state: dict[str, Any]) -> Scope:
        """What FastAPI gets: who calls, and which parties are meant."""
        query = readable_query(self.scope["query_string"])
        state = {**self.scope.get("state", {}), **state}
        return {**self.scope, "path": self.path, "query_string": query, "state": state}

    @property
    def body_read(self) -> bytes:
        """The body, if somebody has asked for it."""
        return self._body or b""

    async def body(self) -> bytes:
        """The body whole; raises what `read_whole` does."""
        if self._body is None:
            large = self.interface == "receiver" and self.module in _LARGE
            limit = LARGE_LIMIT if large else BODY_LIMIT
            with away():
                self._body = await read_whole(self.scope, self.headers, self.receive, limit)
            if self._body:
                self._forgive_wrapping(self._body)
        return self._body

    def _forgive_wrapping(self, body: bytes) -> None:
        """Note what is odd about how a body comes, whoever reads it (PD-09)."""
        content_type = self.headers.get("content-type", "none")
        if not content_type.lower().startswith("application/json"):
            forgive(Habit.CONTENT_TYPE, ascii(content_type)[1:-1][:50])
        if body.startswith(BOM_UTF8):
            forgive(Habit.BYTE_ORDER_MARK)

    async def replayed(self) -> Receive:
        """The body for whoever reads it by ASGI's messages."""
        return replay(await self.body(), self.receive)

    async def message(
        self, caller: Caller, sender: Party, to: Party | None, ids: MessageIDs
    ) -> HubMessage:
        """The request as the hub sees it."""
        return HubMessage(
            caller=caller,
            sender=sender,
            to=to,
            ids=ids,
            method=self.scope["method"],
            interface=self.interface.upper(),
            module=self.module,
            path=self.below,
            query=self.scope["query_string"].decode("latin-1"),
            body=await self.body(),
        )


def _read_headers(scope: Scope) -> dict[str, str]:
    """Headers by lower-case name."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def path_of(scope: Scope) -> str:
    """The path as sent, percent-encoded, without doubled and trailing slashes (IP-04, IP-26)."""
    raw: str = scope["raw_path"].decode("latin-1")
    return (_SLASHES.sub("/", raw) if "//" in raw else raw).rstrip("/")


async def read_whole(
    scope: Scope, headers: Mapping[str, Any], receive: Receive, limit: int
) -> bytes:
    """The body read whole, within its limit and in time (TA-14, TA-16); none of a GET is read.

    Raises ``UnsupportedEncoding``, ``TooLarge``, ``TooSlow``, ``Malformed`` and ``Overloaded``.
    """
    if scope["method"] in ("GET", "HEAD"):
        return b""
    if headers.get("content-encoding", "").strip().lower() not in ("", "identity"):
        raise UnsupportedEncoding
    if int(headers.get("content-length", 0)) > limit:
        raise TooLarge(f"The body is larger than {limit} bytes.")
    try:
        async with asyncio.timeout(BODY_DEADLINE):
            return await _read_body(receive, limit)
    except TimeoutError:
        raise TooSlow(f"The body did not arrive within {BODY_DEADLINE:.0f} s.") from None


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
        if size > LARGE:
            await enlarge()
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def replay(body: bytes, receive: Receive) -> Receive:
    """A body that was read, for whoever reads it by ASGI's messages."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return pending.pop() if pending else await receive()

    return next_message
