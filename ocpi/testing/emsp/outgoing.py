"""What the mock asks of its peer: one request at a time, and lists followed to their end."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

import httpx

from ocpi.testing.emsp.state import FUNCTIONAL, Message, Peer, State
from ocpi.testing.emsp.wire import (
    FROM,
    MESSAGE_IDS,
    TO,
    Document,
    authorization,
    decode,
    encode,
    message_ids,
)

MOST_PAGES = 10_000

Address = tuple[str, str]


class PeerFailed(Exception):
    """The peer could not be used."""


@dataclass(frozen=True)
class Reply:
    http_status: int
    headers: httpx.Headers
    status_code: int | None
    status_message: str | None
    data: Any
    message: Message


class Asking:
    """Requests with one token; an async context, which holds the connections."""

    def __init__(self, state: State, token: str) -> None:
        self.state = state
        self.token = token
        self.http = httpx.AsyncClient(
            transport=state.transport, verify=_trusted(), trust_env=False, timeout=20
        )

    async def __aenter__(self) -> Self:
        await self.http.__aenter__()
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self.http.aclose()

    async def ask(
        self, method: str, url: str, *, body: Document | None = None, to: Address | None = None
    ) -> Reply:
        """Send one request and judge the answer's form; PeerFailed when there is none.

        `to` is for functional modules only, and addresses the message from our first party.
        """
        headers = {**message_ids(), **(self._routing(to) if to else {})}
        if body is not None:
            headers["content-type"] = "application/json"
        content = b"" if body is None else encode(body)
        message = Message("out", method, url, headers, content.decode(), None, None)
        self.state.record(message)
        secret = {"authorization": authorization(self.token)}
        try:
            response = await self.http.request(
                method, url, content=content or None, headers={**headers, **secret}
            )
        except (httpx.HTTPError, httpx.InvalidURL) as failure:
            raise PeerFailed(f"{method} {url}: {failure!r}") from failure
        reply = _read(message, response)
        message.http_status, message.status_code = reply.http_status, reply.status_code
        return reply

    async def fetch(self, url: str, to: Address | None = None) -> Reply:
        """GET what must be there; PeerFailed unless it is a success."""
        reply = await self.ask("GET", url, to=to)
        return expect_success(reply, f"GET {url}")

    async def crawl(self, url: str, to: Address) -> AsyncIterator[Reply]:
        """Every page of a list, by Link rel=next until there is none (PG-10)."""
        seen: set[str] = set()
        following: str | None = url
        while following is not None:
            if following in seen or len(seen) == MOST_PAGES:
                raise PeerFailed(f"GET {url}: the Link headers never come to an end (PG-05)")
            seen.add(following)
            reply = await self.fetch(following, to)
            for name in ("x-total-count", "x-limit"):
                if name not in reply.headers:
                    reply.message.blame(f"the list has no {name} (PG-07, PG-08)")
            if not isinstance(reply.data, list):
                raise PeerFailed(f"GET {following}: data is no list (EN-03)")
            yield reply
            following = _next_link(reply.headers)

    def _routing(self, to: Address) -> dict[str, str]:
        own = self.state.parties[0]
        sender = (own.country_code, own.party_id)
        return dict(zip(TO + FROM, to + sender, strict=True))


async def ask_peer(
    state: State,
    method: str,
    interface: str,
    module: str,
    path: str = "",
    *,
    body: Document | None = None,
    to: Address | None = None,
) -> Reply:
    """Ask the registered peer at the endpoint it told us, `path` below it."""
    peer = known_peer(state)
    url = endpoint(peer, module, interface)
    addressed = (to or first_party(peer)) if module in FUNCTIONAL else None
    async with Asking(state, peer.token_out) as asking:
        return await asking.ask(method, url + path, body=body, to=addressed)


def first_party(peer: Peer) -> Address:
    return peer.roles[0]["country_code"], peer.roles[0]["party_id"]


def known_peer(state: State) -> Peer:
    if state.peer is None:
        raise PeerFailed("the mock is not registered with anyone")
    return state.peer


def endpoint(peer: Peer, module: str, interface: str) -> str:
    url = peer.url(module, interface)
    if url is None:
        raise PeerFailed(f"the peer offers no {module} {interface}")
    return url.rstrip("/")


def succeeded(reply: Reply) -> bool:
    """Only 2xx with 1xxx counts (ST-14)."""
    return 200 <= reply.http_status < 300 and 1000 <= (reply.status_code or 0) < 2000


def expect_success(reply: Reply, asked: str) -> Reply:
    if not succeeded(reply):
        raise PeerFailed(
            f"{asked}: HTTP {reply.http_status}, status_code {reply.status_code}, "
            f"{reply.status_message!r}"
        )
    return reply


@cache
def _trusted() -> ssl.SSLContext:
    """The certificates to trust, read once: that takes longer than a request."""
    return httpx.create_ssl_context(trust_env=False)


def _read(message: Message, response: httpx.Response) -> Reply:
    """Take an answer apart; what is wrong with its form is a violation of the message."""
    for name in MESSAGE_IDS:
        if response.headers.get(name) != message.headers[name]:
            message.blame(f"the answer does not repeat {name} (TR-14)")
    try:
        document = decode(response.content)
    except ValueError:
        document = None
    if not isinstance(document, dict) or not isinstance(document.get("status_code"), int):
        message.blame("the answer has no envelope (EN-01)")
        return Reply(response.status_code, response.headers, None, None, None, message)
    if not isinstance(document.get("timestamp"), str):
        message.blame("the answer's envelope has no timestamp (EN-02)")
    _check_addresses(message, response.headers)
    return Reply(
        http_status=response.status_code,
        headers=response.headers,
        status_code=document["status_code"],
        status_message=document.get("status_message"),
        data=document.get("data"),
        message=message,
    )


def _check_addresses(message: Message, answered: httpx.Headers) -> None:
    """RT-07: an answer that has addresses has those of the request, turned round."""
    for asked, turned in zip(TO + FROM, FROM + TO, strict=True):
        found = answered.get(turned, "")
        if found and found.upper() != message.headers.get(asked, "").upper():
            message.blame(f"the answer's {turned} is {found}, not our {asked} (RT-07)")


def _next_link(headers: httpx.Headers) -> str | None:
    response = httpx.Response(200, headers=headers)
    return response.links.get("next", {}).get("url")
