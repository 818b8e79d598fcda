"""What a mock asks of its peer: one request at a time, and lists followed to their end."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

import httpx

from ocpi.testing.mock.state import FUNCTIONAL, Message, Peer, State, owner_of
from ocpi.testing.mock.wire import (
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
# Nobody: the hub is to find out from its content whom a message is for (RT-33).
OPEN: Address = ("", "")


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

    def document(self) -> Document:
        return {
            "http_status": self.http_status,
            "status_code": self.status_code,
            "status_message": self.status_message,
        }


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
        self,
        method: str,
        url: str,
        *,
        body: Document | None = None,
        to: Address | None = None,
        sender: Address | None = None,
        correlation_id: str | None = None,
        given: bool = False,
    ) -> Reply:
        """Send one request and judge the answer's form; PeerFailed when there is none.

        `to` is for functional modules only, and addresses the message from `sender`, by default
        our first party. A URL that the peer has `given` gets our token only if it is its own.
        """
        headers = {**message_ids(), **(addresses(to, sender or self.state.own_party()))}
        if correlation_id:
            headers["x-correlation-id"] = correlation_id
        if body is not None:
            headers["content-type"] = "application/json"
        content = b"" if body is None else encode(body)
        message = Message("out", method, url, headers, content.decode(), None, None)
        self.state.record(message)
        trusted = not given or known_peer(self.state).serves(url)
        secret = {"authorization": authorization(self.token)} if trusted else {}
        try:
            response = await self.http.request(
                method, url, content=content or None, headers={**headers, **secret}
            )
        except (httpx.HTTPError, httpx.InvalidURL) as failure:
            raise PeerFailed(f"{method} {url}: {failure!r}") from failure
        reply = _read(self.state, message, response)
        message.http_status, message.status_code = reply.http_status, reply.status_code
        return reply

    async def fetch(
        self,
        url: str,
        to: Address | None = None,
        sender: Address | None = None,
        *,
        given: bool = False,
    ) -> Reply:
        """GET what must be there; PeerFailed unless it is a success."""
        reply = await self.ask("GET", url, to=to, sender=sender, given=given)
        return expect_success(reply, f"GET {url}")

    async def crawl(
        self, url: str, to: Address | None, sender: Address | None = None
    ) -> AsyncIterator[Reply]:
        """Every page of a list, by Link rel=next until there is none (PG-10)."""
        seen: set[str] = set()
        following: str | None = url
        while following is not None:
            if following in seen or len(seen) == MOST_PAGES:
                raise PeerFailed(f"GET {url}: the Link headers never come to an end (PG-05)")
            reply = await self.fetch(following, to, sender, given=bool(seen))
            seen.add(following)
            for name in ("x-total-count", "x-limit"):
                if name not in reply.headers:
                    reply.message.blame(f"the list has no {name} (PG-07, PG-08)")
            if not isinstance(reply.data, list):
                raise PeerFailed(f"GET {following}: data is no list (EN-03)")
            yield reply
            following = _next_link(reply.headers)
            if following is not None:
                for objection in object_to_url(self.state, following, "RT-20"):
                    reply.message.blame(objection)


async def ask_peer(
    state: State,
    method: str,
    interface: str,
    module: str,
    path: str = "",
    *,
    body: Document | None = None,
    to: Address | None = None,
    sender: Address | None = None,
) -> Reply:
    """Ask the registered peer at the endpoint it told us, `path` below it."""
    peer = known_peer(state)
    url = endpoint(peer, module, interface)
    addressed = (to or first_party(peer)) if module in FUNCTIONAL else None
    async with Asking(state, peer.token_out) as asking:
        return await asking.ask(method, url + path, body=body, to=addressed, sender=sender)


def own_sender(state: State, document: Document) -> Address:
    """The owner speaks of its object, where it is ours."""
    country_code, party_id = owner_of(document)
    hosted = state.hosts((country_code.upper(), party_id.upper()))
    return (country_code, party_id) if hosted else state.own_party()


def addresses(to: Address | None, sender: Address) -> dict[str, str]:
    """The routing headers: none without `to`, and only the sender's when `to` is OPEN."""
    if to is None:
        return {}
    pairs = zip(TO + FROM, to + sender, strict=True)
    return {name: value for name, value in pairs if value}


def object_to_url(state: State, url: str, requirement: str) -> list[str]:
    """Say so when a URL that the peer has given leads elsewhere; a hub would leak it."""
    if state.peer is None or state.peer.serves(url):
        return []
    return [f"the foreign URL {url} leaks: it is not of the peer's own ({requirement})"]


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


def _read(state: State, message: Message, response: httpx.Response) -> Reply:
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
    hubs = state.peer.parties() if state.peer is not None and state.peer.is_hub() else ()
    _check_addresses(message, response.headers, hubs if document["status_code"] >= 2000 else ())
    return Reply(
        http_status=response.status_code,
        headers=response.headers,
        status_code=document["status_code"],
        status_message=document.get("status_message"),
        data=document.get("data"),
        message=message,
    )


def _check_addresses(
    message: Message, answered: httpx.Headers, hubs: Collection[tuple[str, str]]
) -> None:
    """RT-07: an answer that has addresses has those of the request, turned round.

    What one of the `hubs` refuses or cannot carry on it answers itself (RT-43).
    """
    if tuple(answered.get(name, "").upper() for name in FROM) in hubs:
        expected = dict(zip(TO, FROM, strict=True))
    else:
        expected = dict(zip(TO + FROM, FROM + TO, strict=True))
    for turned, asked in expected.items():
        if asked in TO and asked not in message.headers and FROM[0] in message.headers:
            continue  # Whom an open request was for is the hub's to say (RT-34).
        found = answered.get(turned, "")
        if found and found.upper() != message.headers.get(asked, "").upper():
            message.blame(f"the answer's {turned} is {found}, not our {asked} (RT-07)")


def _next_link(headers: httpx.Headers) -> str | None:
    response = httpx.Response(200, headers=headers)
    return response.links.get("next", {}).get("url")
