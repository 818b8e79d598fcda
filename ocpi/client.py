"""The one port through which the product speaks to partners."""

import asyncio
import base64
import re
import time
from collections.abc import AsyncIterable, AsyncIterator, Collection, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from functools import lru_cache
from time import monotonic
from typing import NamedTuple

import httpx
from aiohttp.abc import AbstractResolver

from ocpi import crawling
from ocpi.admission import away
from ocpi.answer import Broken, Kind, joined, read_body
from ocpi.certificates import Certificates
from ocpi.crawling import next_page, wait_for, with_query
from ocpi.egress import (
    GuardedTransport,
    Pools,
    check_url,
    guarded_connector,
    proxied_connector,
)
from ocpi.forgiving import Forgiving, hearing
from ocpi.headers import MessageIDs, read_message_ids
from ocpi.journal.notes import Note, Notes
from ocpi.reply import RawReply, Reply, read_reply
from ocpi.troubles import FAILURES, explain

# The URL of a request has a query, that of a next page a cursor: OCPI's 255 are for the bare ones.
LONGEST_REQUEST_URL = 8192

_SAFE_VALUE = re.compile(r"[\x20-\x7e]*")
# Objects are told again and again under the same URL, and httpx takes long to read one.
_parsed = lru_cache(1024)(httpx.URL)


class ExchangeFailed(Exception):
    """There is no answer that could be judged.

    After "refused", "dns", "connect", "tls" and "exhausted" nothing was sent, and the last is no
    fault of the partner's. After "timeout", "too_large" and "protocol" it may have got and done
    what was asked.
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


class Client:
    """Speaks OCPI to partners: guarded, and bounded in time, bytes and connections."""

    def __init__(  # noqa: PLR0913 - Each is a decision of its own, by name.
        self,
        *,
        allow_private: bool,
        transport: httpx.AsyncBaseTransport | None = None,
        certificates: Certificates | None = None,
        proxy: str | None = None,
        ports: Collection[int] = frozenset({443}),
        connections: int = 64,
        resolver: AbstractResolver | None = None,
        direct: bool = False,
        notes: Notes | None = None,
    ) -> None:
        """Prepare to speak to partners on `ports`, over so many `connections` to each.

        With `direct`, aiohttp is used without httpx in front of it. A `proxy` (an http URL) is
        asked to connect, and has to keep away from bad addresses, since it looks the names up. A
        given `transport` is used instead of connections; URLs are checked still. Exchanges go into
        `notes`.
        """
        self._allow_private = allow_private
        self._ports = ports
        self._transport = transport
        self._direct = direct and transport is None
        given = certificates or Certificates()
        self._notes = notes
        self.forgiving = Forgiving()

        def connect(partner: str) -> GuardedTransport:
            context = given.for_partner(partner)
            if proxy is not None:
                return GuardedTransport(proxied_connector(context, connections), proxy)
            return GuardedTransport(
                guarded_connector(
                    allow_private=allow_private,
                    ssl_context=context,
                    connections=connections,
                    resolver=resolver,
                )
            )

        self._pools = Pools(connect, connections)

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
        content = body.encode() if isinstance(body, str) else body or b""
        message = _Message(method, url, headers, content)
        at, started = time.time_ns() // 1000, monotonic()
        try:
            with away():
                reply = await self._exchange(target, message, ids, timeout, limit)
        except ExchangeFailed as failure:
            self._note(target, message, ids, at, monotonic() - started, failure)
            raise
        self._note(target, message, ids, at, reply.elapsed, reply)
        return reply

    async def _exchange(
        self, target: Target, given: _Message, ids: MessageIDs, seconds: float, limit: int
    ) -> RawReply:
        started = monotonic()
        try:
            async with asyncio.timeout(seconds):
                check_url(
                    given.url,
                    allow_private=self._allow_private,
                    ports=self._ports,
                    longest=LONGEST_REQUEST_URL,
                )
                every = _headers(target, ids, given.headers, has_body=bool(given.body))
                message = given._replace(headers=every)
                by = self._by_aiohttp if self._direct else self._by_httpx
                # In less than the other half of its time it would hardly be answered.
                answer = await by(target, message, limit, seconds / 2)
        except FAILURES as error:
            kind, why = explain(error)
            # Nothing is chained: aiohttp's errors hold the request, and with it the token.
            raise ExchangeFailed(kind, f"{target.name}: {why}", ids.request_id) from None
        return RawReply(
            answer.status, _usable(answer.headers), answer.body, monotonic() - started, ids
        )

    def _note(
        self,
        target: Target,
        message: _Message,
        ids: MessageIDs,
        at: int,
        seconds: float,
        end: RawReply | ExchangeFailed,
    ) -> None:
        if self._notes is None:
            return
        reply = end if isinstance(end, RawReply) else None
        answer = b"" if reply is None else reply.body
        self._notes.add(
            Note(
                at=at,
                direction="OUT",
                partner=target.name,
                method=message.method,
                url=message.url,
                headers=message.headers,
                ids=ids,
                secret=target.token,
                http_status=None if reply is None else reply.http_status,
                failure=end.sentence if isinstance(end, ExchangeFailed) else None,
                ms=seconds * 1000,
                request=message.body,
                response=answer,
                request_bytes=len(message.body),
                response_bytes=len(answer),
            )
        )

    async def _by_httpx(
        self, target: Target, message: _Message, limit: int, patience: float
    ) -> _Answer:
        method, url, headers, body = message
        request = httpx.Request(method, _parsed(url), headers=headers, content=body or None)
        async with self._transport_to(target, patience) as transport:
            response = await transport.handle_async_request(request)
            try:
                # The stream, unlike httpx's own readers, inflates nothing.
                stream = response.stream
                assert isinstance(stream, AsyncIterable)
                read = await read_body(response.headers.get("content-encoding"), stream, limit)
                return _Answer(response.status_code, response.headers.items(), read)
            finally:
                await response.aclose()

    async def _by_aiohttp(
        self, target: Target, message: _Message, limit: int, patience: float
    ) -> _Answer:
        async with self._pools.transport_to(target.name, patience) as transport:
            headers = list(message.headers.items())
            response = await transport.send(message.method, message.url, headers, message.body)
            try:
                encoding = response.headers.get("content-encoding")
                body = await read_body(encoding, response.content.iter_any(), limit)
                return _Answer(response.status, joined(response.headers.items()), body)
            finally:
                response.close()

    def _transport_to(
        self, target: Target, patience: float
    ) -> AbstractAsyncContextManager[httpx.AsyncBaseTransport]:
        given = self._transport
        return nullcontext(given) if given else self._pools.transport_to(target.name, patience)

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
        pauses: int = 0,
    ) -> AsyncIterator[Reply]:
        """Crawl a list from `url`, following the links to the next page as they are (PG-10, IP-23).

        The list is complete if, and only if, the iteration ends by itself behind a success. A reply
        that is none is the last one; a link that leads astray, in circles or on for ever raises
        ``ExchangeFailed``, as a request may. A page before which the partner wants a pause is asked
        for again after it, up to `pauses` times.
        """
        correlation_id = _make_ids(correlation_id).correlation_id
        here: str | None = with_query(url, params)
        seen: set[int] = set()
        empty = paused = 0
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
            wait = wait_for(reply) if paused < pauses else None
            if wait is not None:
                paused += 1
                await crawling.pause(wait)
                continue
            yield reply
            if not reply.success():
                return
            paused = 0
            empty = 0 if reply.data else empty + 1
            try:
                with hearing(self.forgiving, target.name):
                    here = next_page(reply, here, url, seen, empty)
            except Broken as error:
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
    if not _SAFE_VALUE.fullmatch("".join(headers.values())):
        names = [name for name, value in headers.items() if not _SAFE_VALUE.fullmatch(value)]
        raise Broken("refused", f"the value of {names[0]} cannot stand in a header")
    return headers


def _usable(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """An answer's headers; a Link is kept whatever it holds, for without it a list would end."""
    return {
        name: value for name, value in headers if name == "link" or _SAFE_VALUE.fullmatch(value)
    }


def _authorization(target: Target) -> dict[str, str]:
    if not target.token:
        return {}
    token = target.token if target.raw_token else base64.b64encode(target.token.encode()).decode()
    return {"Authorization": f"Token {token}"}
