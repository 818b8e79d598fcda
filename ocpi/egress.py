"""The guard on the way out: the addresses, URLs and connections that are open to us."""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from time import monotonic
from urllib.parse import urlsplit

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from ocpi.answer import Broken
from ocpi.paths import climbs

# An OCPI URL has at most 255 characters; a link to the next page may be longer (TYPES, IP-23).
LONGEST_URL = 255
# Seconds after which connections are replaced, so that changes of DNS are noticed.
POOL_AGE = 300.0
# Seconds without use after which a connection is not used again. uvicorn, Node and Apache close
# theirs after 5; a request that meets the closing breaks off, and is not sent a second time here.
IDLE = 4.0

_PRIVATE = [
    ip_network(network)
    for network in (
        *("10.0.0.0/8", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),
        *("::1/128", "fc00::/7"),
    )
]
# The networks of the IANA special-purpose registries that are nobody's partner, and the metadata
# services of clouds that hide among ordinary or private addresses.
_NEVER = [
    ip_network(network)
    for network in (
        *("0.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24"),
        *("192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.175.48.0/24"),
        *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3"),
        *("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"),
        *("168.63.129.16/32", "fd00:ec2::/32", "fd20:ce::/32"),
    )
]
_GLOBAL_UNICAST = ip_network("2000::/3")
_NAT64 = ip_network("64:ff9b::/96")

_VISIBLE = re.compile(r"[\x21-\x5b\x5d-\x7e]+")
_AUTHORITY = re.compile(r"(\[[0-9a-fA-F:.]+\]|[a-zA-Z0-9._-]+)(?::([0-9]{1,5}))?")
_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
# Where the last label is a number, URL parsers take the whole host for an IPv4 address.
_NUMERIC = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")


class EgressRefused(Exception):
    """We do not go there."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def address_allowed(ip: str, *, allow_private: bool) -> bool:
    """Whether we may connect to this address (TA-01).

    With `allow_private` loopback and private networks are open too, but never link-local,
    metadata, multicast, unspecified or reserved addresses.
    """
    try:
        address = ip_address(ip)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    elif address in _NAT64:
        # What a translator may reach is public, or it is misused (RFC 6052, 3.1).
        address, allow_private = IPv4Address(int(address) & 0xFFFF_FFFF), False
    if any(address in network for network in _NEVER):
        return False
    if any(address in network for network in _PRIVATE):
        return allow_private
    return isinstance(address, IPv4Address) or address in _GLOBAL_UNICAST


def check_url(
    url: str,
    *,
    allow_private: bool,
    ports: Collection[int] = frozenset({443}),
    longest: int = LONGEST_URL,
) -> None:
    """Refuse a URL that we would not call, whatever its host resolves to (TA-01).

    With `allow_private` http and every port are allowed too.
    Raises ``EgressRefused`` with the host and the first rule that is broken.
    """
    try:
        rules = _broken_rules(url, allow_private=allow_private, ports=ports, longest=longest)
        broken = next(rules, None)
    except ValueError:
        broken = "this is not a URL"
    if broken:
        raise EgressRefused(f"{_host_for_people(url)}: {broken}")


def _broken_rules(
    url: str, *, allow_private: bool, ports: Collection[int], longest: int
) -> Iterator[str]:
    if len(url) > longest:
        yield f"the URL has {len(url)} characters, more than {longest}"
    if not _VISIBLE.fullmatch(url):
        yield "a URL has only visible ASCII characters and no backslash"
    parts = urlsplit(url)
    if parts.scheme != "https" and not (allow_private and parts.scheme == "http"):
        yield "only https is allowed"
    if "@" in parts.netloc:
        yield "a URL with user information is not allowed"
    if climbs(parts.path):
        yield "a path with . or .. is not allowed"
    if "#" in url:
        yield "a URL with a fragment is not allowed"
    broken = _broken_place_rule(parts.netloc, allow_private=allow_private, ports=frozenset(ports))
    if broken:
        yield broken


# Partners are few, and every request to one of them asks this of the same place.
@lru_cache(4096)
def _broken_place_rule(place: str, *, allow_private: bool, ports: frozenset[int]) -> str | None:
    """The first rule that a host with its port breaks."""
    authority = _AUTHORITY.fullmatch(place)
    if authority is None:
        return "the host or port is malformed"
    for broken in _broken_host_rules(authority[1].lower(), allow_private=allow_private):
        return broken
    port = int(authority[2] or 443)
    if not (0 < port < 65536 if allow_private else port in ports):
        return f"port {port} is not allowed"
    return None


def _broken_host_rules(host: str, *, allow_private: bool) -> Iterator[str]:
    """Addresses only in their one usual form, since parsers read the others differently."""
    if host.startswith("[") or _NUMERIC.fullmatch(host):
        try:
            address = str(ip_address(host.strip("[]")))
        except ValueError:
            yield "the host is an address in an unusual form"
        else:
            if not address_allowed(address, allow_private=allow_private):
                yield f"the address {address} is not allowed"
    elif not _NAME.fullmatch(host):
        yield "the host is not a plain domain name"


def _host_for_people(url: str) -> str:
    try:
        host = urlsplit(url).hostname
    except ValueError:
        host = None
    return ascii(host or "")[1:-1][:100] or "(no host)"


def same_origin(url: str, other: str) -> bool:
    """Whether scheme, host and port are the same (IP-45); raises ``ValueError`` for no URL."""
    return _origin(url) == _origin(other)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"https": 443, "http": 80}.get(parts.scheme)


class _GuardedResolver(AbstractResolver):
    """Looks a name up once, and refuses it as a whole for a single bad address (TA-02)."""

    def __init__(self, resolver: AbstractResolver, *, allow_private: bool) -> None:
        self._resolver = resolver
        self._allow_private = allow_private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        for result in found:
            if not address_allowed(result["host"], allow_private=self._allow_private):
                raise EgressRefused(f"{host}: its address {result['host']} is not allowed")
        return found

    async def close(self) -> None:
        """The resolver within belongs to whoever made it."""


def guarded_connector(
    *,
    allow_private: bool,
    ssl_context: ssl.SSLContext,
    connections: int = 64,
    resolver: AbstractResolver | None = None,
) -> aiohttp.TCPConnector:
    """A pool that connects only to allowed addresses, looked up once for each connection."""

    def open_socket(found: aiohttp.AddrInfoType) -> socket.socket:
        # An address written in the URL never reaches the resolver, but every dial comes by here.
        family, kind, protocol, _, address = found
        if not address_allowed(str(address[0]), allow_private=allow_private):
            raise EgressRefused(f"{address[0]}: this address is not allowed")
        return socket.socket(family, kind, protocol)

    return aiohttp.TCPConnector(
        limit=connections,
        keepalive_timeout=IDLE,
        ssl=ssl_context,
        use_dns_cache=False,
        resolver=_GuardedResolver(
            resolver or aiohttp.ThreadedResolver(), allow_private=allow_private
        ),
        socket_factory=open_socket,
    )


def proxied_connector(ssl_context: ssl.SSLContext, connections: int = 8) -> aiohttp.TCPConnector:
    """A pool that connects to the operator's proxy, which may live at any address."""
    return aiohttp.TCPConnector(limit=connections, keepalive_timeout=IDLE, ssl=ssl_context)


class GuardedTransport(httpx.AsyncBaseTransport):
    """httpx's interface to a guarded connection pool.

    It follows no redirect, keeps no cookie, reads no environment, inflates nothing, sends the URL
    as it is given, and sends a request at most once. What fails raises aiohttp's own errors.
    """

    def __init__(self, connector: aiohttp.TCPConnector, proxy: str | None = None) -> None:
        self._proxy = proxy
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            # The caller sets one deadline around the whole exchange.
            timeout=aiohttp.ClientTimeout(),
            auto_decompress=False,
            # Of a POST without a body it would say that it is an octet-stream.
            skip_auto_headers=("Content-Type",),
            trust_env=False,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        headers = [(name.decode(), value.decode()) for name, value in request.headers.raw]
        response = await self.send(request.method, str(request.url), headers, await request.aread())
        return httpx.Response(
            response.status, headers=response.raw_headers, stream=_Body(response), request=request
        )

    async def send(
        self, method: str, url: str, headers: Sequence[tuple[str, str]], body: bytes
    ) -> aiohttp.ClientResponse:
        """The same without httpx's objects, which cost more than the rest of a request."""
        return await self._session.request(
            method,
            URL(url, encoded=True),
            headers=headers,
            data=_payload(body),
            allow_redirects=False,
            proxy=self._proxy,
            middlewares=(_send_once(),),
        )

    async def aclose(self) -> None:
        await self._session.close()


def _payload(content: bytes) -> bytes | BytesIO | None:
    """The form in which aiohttp takes a body: it warns of more than a mebibyte of bare bytes."""
    return BytesIO(content) if len(content) > 1024 * 1024 else content or None


def _send_once() -> aiohttp.ClientMiddlewareType:
    """Stop aiohttp from silently sending GET and PUT again, with the same X-Request-ID (TR-12)."""
    sent = False

    async def send(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        nonlocal sent
        if sent:
            raise aiohttp.ServerDisconnectedError
        sent = True
        return await handler(request)

    return send


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._response.content.iter_any():
            yield chunk

    async def aclose(self) -> None:
        """Close the connection, unless the body was read to its end: then it is in the pool."""
        self._response.close()


@dataclass
class _Pool:
    transport: GuardedTransport
    born: float
    room: asyncio.Semaphore
    users: int = 0
    retired: bool = False

    async def close_if_done(self) -> None:
        if self.retired and not self.users:
            await self.transport.aclose()


class Pools:
    """Connections apart for each partner, and replaced when they are old."""

    def __init__(self, open_transport: Callable[[str], GuardedTransport], connections: int) -> None:
        self._open_transport = open_transport
        self._connections = connections
        self._pools: dict[str, _Pool] = {}  # In the order of their birth.

    @asynccontextmanager
    async def transport_to(self, partner: str, patience: float) -> AsyncGenerator[GuardedTransport]:
        """Lend a connection to one partner; it is not closed while it is lent.

        Raises ``Broken`` when none of them becomes free within so many seconds: that the partner
        has too much to do for us is not that it does not answer.
        """
        await self._retire_old()
        pool = self._pools.get(partner) or self._open(partner)
        pool.users += 1
        try:
            await _enter(pool.room, patience)
            try:
                yield pool.transport
            finally:
                pool.room.release()
        finally:
            pool.users -= 1
            await pool.close_if_done()

    async def close(self) -> None:
        """Close every connection; what is still under way fails."""
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            await pool.transport.aclose()

    def _open(self, partner: str) -> _Pool:
        room = asyncio.Semaphore(self._connections)
        pool = self._pools[partner] = _Pool(self._open_transport(partner), monotonic(), room)
        return pool

    async def _retire_old(self) -> None:
        while self._pools:
            partner, oldest = next(iter(self._pools.items()))
            if monotonic() - oldest.born < POOL_AGE:
                return
            del self._pools[partner]
            oldest.retired = True
            await oldest.close_if_done()


async def _enter(room: asyncio.Semaphore, patience: float) -> None:
    if not room.locked():
        await room.acquire()
        return
    try:
        async with asyncio.timeout(patience):
            await room.acquire()
    except TimeoutError:
        raise Broken("exhausted", "all connections to it were in use for too long") from None
