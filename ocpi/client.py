"""The one port through which the product speaks to partners."""

import asyncio
import base64
import os
import re
import ssl
import zlib
from collections.abc import AsyncIterable, AsyncIterator, Collection, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from time import monotonic
from typing import Literal, NamedTuple
from urllib.parse import urlencode, urljoin

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver

from ocpi.egress import (
    EgressRefused,
    GuardedTransport,
    Pools,
    check_url,
    guarded_connector,
    same_origin,
)
from ocpi.forgiving import Forgiving, Habit, forgive, hearing
from ocpi.headers import MessageIDs, read_message_ids
from ocpi.links import next_link
from ocpi.reply import RawReply, Reply, read_reply

# The URL of a request has a query, that of a next page a cursor: OCPI's 255 are for the bare ones.
LONGEST_REQUEST_URL = 8192
MOST_PAGES = 10_000
MOST_EMPTY_PAGES = 3

_SAFE_VALUE = re.compile(r"[\x20-\x7e]*")
_INFLATED = 32 + zlib.MAX_WBITS  # zlib finds out whether it is gzip or deflate.

Kind = Literal["refused", "dns", "connect", "tls", "timeout", "too_large", "protocol"]


class ExchangeFailed(Exception):
    """There is no answer that could be judged.

    After "refused", "dns", "connect" and "tls" nothing was sent. After "timeout", "too_large" and
    "protocol" the partner may have got and done what was asked.
    """

    def __init__(self, kind: Kind, sentence: str, request_id: str = "") -> None:
        super().__init__(sentence)
        self.kind = kind
        self.sentence = sentence
        self.request_id = request_id


@dataclass(frozen=True)
class Target:
    """How to speak to one partner; the name stands in logs and for its own connections."""

    name: str
    token: str = field(repr=False)
    """Empty: it is no OCPI peer, and knows us by other headers."""
    raw_token: bool = False  # Sent as it is, for partners of older versions (TR-07, IP-01).


class _Message(NamedTuple):
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


class _Answer(NamedTuple):
    status: int
    headers: Iterable[tuple[str, str]]
    body: bytes


class _Broken(Exception):
    def __init__(self, kind: Kind, why: str) -> None:
        super().__init__(why)
        self.kind = kind


class Client:
    """Speaks OCPI to partners: guarded, and bounded in time, bytes and connections."""

    def __init__(
        self,
        *,
        allow_private: bool,
        transport: httpx.AsyncBaseTransport | None = None,
        ssl_context: ssl.SSLContext | None = None,
        ports: Collection[int] = frozenset({443}),
        connections: int = 8,
        resolver: AbstractResolver | None = None,
        direct: bool = False,
    ) -> None:
        """Prepare to speak to partners on `ports`, over so many `connections` to each.

        With `direct`, aiohttp is used without httpx in front of it. A given `transport` is used for
        all of them instead of connections; URLs are checked still.
        """
        self._allow_private = allow_private
        self._ports = ports
        self._transport = transport
        self._direct = direct and transport is None
        self.forgiving = Forgiving()
        # Making a context is 50 ms of work, so there is one for all partners.
        context = ssl_context or ssl.create_default_context()

        def connect() -> GuardedTransport:
            return GuardedTransport(
                guarded_connector(
                    allow_private=allow_private,
                    ssl_context=context,
                    connections=connections,
                    resolver=resolver,
                )
            )

        self._pools = Pools(connect)

    async def request(
        self,
        target: Target,
        method: str,
        url: str,
        *,
        body: str | bytes | None = None,
        headers: Mapping[str, str] = {},
        correlation_id: str | None = None,
        timeout: float = 20.0,  # noqa: ASYNC109 - one deadline around the whole exchange.
        limit: int = 65536,
    ) -> Reply:
        """Exchange one message and read the envelope of its answer, see `exchange`."""
        raw = await self.exchange(
            target,
            method,
            url,
            body=body,
            headers=headers,
            correlation_id=correlation_id,
            timeout=timeout,
            limit=limit,
        )
        with hearing(self.forgiving, target.name):
            return read_reply(raw, target.token)

    async def exchange(
        self,
        target: Target,
        method: str,
        url: str,
        *,
        body: str | bytes | None = None,
        headers: Mapping[str, str] = {},
        correlation_id: str | None = None,
        timeout: float = 20.0,  # noqa: ASYNC109 - one deadline around the whole exchange.
        limit: int = 65536,
    ) -> RawReply:
        """Exchange one message within `timeout` seconds, from connecting to the last byte.

        The answer's body, inflated, may have `limit` bytes. A redirect is returned, not followed.
        A `correlation_id` that is missing, or unsafe in a header, is made anew. Raises
        ``ExchangeFailed``.
        """
        ids = _make_ids(correlation_id)
        started = monotonic()
        try:
            async with asyncio.timeout(timeout):
                check_url(
                    url,
                    allow_private=self._allow_private,
                    ports=self._ports,
                    longest=LONGEST_REQUEST_URL,
                )
                every = _headers(target, ids, headers, has_body=body is not None)
                content = body.encode() if isinstance(body, str) else body or b""
                message = _Message(method, url, every, content)
                by = self._by_aiohttp if self._direct else self._by_httpx
                answer = await by(target, message, limit)
        except _FAILURES as error:
            kind, why = _explain(error)
            # Nothing is chained: aiohttp's errors hold the request, and with it the token.
            raise ExchangeFailed(kind, f"{target.name}: {why}", ids.request_id) from None
        safe = {name: value for name, value in answer.headers if _SAFE_VALUE.fullmatch(value)}
        return RawReply(answer.status, safe, answer.body, monotonic() - started, ids)

    async def _by_httpx(self, target: Target, message: _Message, limit: int) -> _Answer:
        method, url, headers, body = message
        request = httpx.Request(method, url, headers=headers, content=body or None)
        async with self._transport_to(target) as transport:
            response = await transport.handle_async_request(request)
            try:
                # The stream, unlike httpx's own readers, inflates nothing.
                stream = response.stream
                assert isinstance(stream, AsyncIterable)
                read = await _read_body(response.headers.get("content-encoding"), stream, limit)
                return _Answer(response.status_code, response.headers.items(), read)
            finally:
                await response.aclose()

    async def _by_aiohttp(self, target: Target, message: _Message, limit: int) -> _Answer:
        async with self._pools.transport_to(target.name) as transport:
            headers = list(message.headers.items())
            response = await transport.send(message.method, message.url, headers, message.body)
            try:
                encoding = response.headers.get("content-encoding")
                body = await _read_body(encoding, response.content.iter_any(), limit)
                return _Answer(response.status, _joined(response.headers.items()), body)
            finally:
                response.close()

    def _transport_to(
        self, target: Target
    ) -> AbstractAsyncContextManager[httpx.AsyncBaseTransport]:
        given = self._transport
        return nullcontext(given) if given else self._pools.transport_to(target.name)

    async def pages(
        self,
        target: Target,
        url: str,
        *,
        params: Mapping[str, str] = {},
        headers: Mapping[str, str] = {},
        correlation_id: str | None = None,
        timeout: float = 60.0,  # noqa: ASYNC109 - the deadline of each page.
        limit: int = 16 * 1024 * 1024,
    ) -> AsyncIterator[Reply]:
        """Crawl a list from `url`, following the links to the next page as they are (PG-10, IP-23).

        The list is complete if, and only if, the iteration ends by itself behind a success. A reply
        that is none is the last one; a link that leads astray, in circles or on for ever raises
        ``ExchangeFailed``, as a request may.
        """
        correlation_id = _make_ids(correlation_id).correlation_id
        here: str | None = _with_query(url, params)
        seen: set[int] = set()
        empty = 0
        while here is not None:
            seen.add(hash(here))
            reply = await self.request(
                target,
                "GET",
                here,
                headers=headers,
                correlation_id=correlation_id,
                timeout=timeout,
                limit=limit,
            )
            yield reply
            if not reply.success():
                return
            empty = 0 if reply.data else empty + 1
            try:
                with hearing(self.forgiving, target.name):
                    here = _next_page(reply, here, url, seen, empty)
            except _Broken as error:
                why = f"{target.name}: {error}"
                raise ExchangeFailed(error.kind, why, reply.request_id) from None

    async def close(self) -> None:
        """Close every connection; what is still under way fails."""
        await self._pools.close()
        if self._transport is not None:
            await self._transport.aclose()


def _make_ids(correlation_id: str | None) -> MessageIDs:
    return read_message_ids({"x-correlation-id": correlation_id or ""})


def _headers(
    target: Target, ids: MessageIDs, given: Mapping[str, str], *, has_body: bool
) -> dict[str, str]:
    """The headers to send; ours win over those given (TR-02, TR-03, TR-09, TR-12, TR-13)."""
    ours = {
        **_authorization(target),
        "X-Request-ID": ids.request_id,
        "X-Correlation-ID": ids.correlation_id,
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": "ocpi-hub",
        **({"Content-Type": "application/json"} if has_body else {}),
    }
    taken = {name.lower() for name in ours}
    headers = {name: value for name, value in given.items() if name.lower() not in taken} | ours
    for name, value in headers.items():
        if not _SAFE_VALUE.fullmatch(value):
            raise _Broken("refused", f"the value of {name} cannot stand in a header")
    return headers


def _authorization(target: Target) -> dict[str, str]:
    if not target.token:
        return {}
    token = target.token if target.raw_token else base64.b64encode(target.token.encode()).decode()
    return {"Authorization": f"Token {token}"}


def _joined(headers: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    """Headers by lower-case name; one that is there twice has both values, as httpx has it."""
    joined: dict[str, str] = {}
    for each, value in headers:
        name = each.lower()
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined.items()


async def _read_body(encoding: str | None, stream: AsyncIterable[bytes], limit: int) -> bytes:
    """The body, inflated when it comes deflated against our wish, and never more than `limit`."""
    encoding = (encoding or "identity").strip().lower()
    if encoding not in {"identity", "gzip", "x-gzip", "deflate"}:
        raise _Broken("protocol", f"the answer has Content-Encoding {encoding[:40]!a}")
    inflate = None if encoding == "identity" else zlib.decompressobj(_INFLATED)
    body = bytearray()
    async for chunk in stream:
        body += inflate.decompress(chunk, limit + 1 - len(body)) if inflate else chunk
        if len(body) > limit:
            raise _Broken("too_large", f"the answer has more than {limit} bytes")
    return bytes(body)


_FAILURES = (
    _Broken,
    EgressRefused,
    aiohttp.ClientError,
    httpx.TransportError,
    httpx.InvalidURL,
    zlib.error,
    OSError,  # TimeoutError is one.
)


def _explain(error: Exception) -> tuple[Kind, str]:
    """What kind of failure it is, and why, without anything that was sent."""
    kind: Kind = "protocol"
    why = f"the exchange broke off: {type(error).__name__}"
    match error:
        case _Broken():
            kind, why = error.kind, str(error)
        case EgressRefused():
            kind, why = "refused", error.reason
        case aiohttp.ClientConnectorDNSError():
            kind, why = "dns", f"{error.host} does not resolve"
        case aiohttp.ClientConnectorCertificateError():
            problem = getattr(error.certificate_error, "verify_message", "it is not valid")
            kind, why = "tls", f"the certificate of {error.host} is refused: {problem}"
        case aiohttp.ClientSSLError():
            kind, why = "tls", f"no TLS with {error.host}: {_cause(error.os_error)}"
        case TimeoutError() | httpx.TimeoutException():
            kind, why = "timeout", "no complete answer within the time allowed"
        case aiohttp.ClientConnectorError():
            kind, why = "connect", f"no connection to {error.host}: {_cause(error.os_error)}"
        case httpx.ConnectError():
            kind, why = "connect", "no connection"
    return kind, why


def _cause(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return str(error.reason)
    return os.strerror(error.errno) if error.errno else "none of its addresses answers"


def _with_query(url: str, params: Mapping[str, str]) -> str:
    if not params:
        return url
    return f"{url}{'&' if '?' in url else '?'}{urlencode(params)}"


def _next_page(
    reply: Reply, here: str, endpoint: str, seen: Collection[int], empty: int
) -> str | None:
    """The absolute URL behind rel=next, or None on the last page."""
    try:
        link = next_link(reply.headers.get("link", ""))
        if link is None:
            return None
        following = urljoin(here, link)
        stays = same_origin(following, endpoint)
    except ValueError as error:
        raise _Broken("protocol", f"the link to the next page is unreadable: {error}") from None
    if not stays:
        # Our token would go along (IP-45).
        raise _Broken("refused", "the link to the next page leads to a foreign origin")
    if following != link:
        forgive(Habit.LINK, "relative")
    if hash(following) in seen:
        raise _Broken("protocol", "the links to the next page lead in a circle")
    if len(seen) >= MOST_PAGES:
        raise _Broken("protocol", f"the list has more than {MOST_PAGES} pages")
    if empty >= MOST_EMPTY_PAGES:
        raise _Broken("protocol", f"{empty} pages in a row are empty and the list goes on")
    return following
