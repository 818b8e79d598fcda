"""A hub in memory with CPOs and eMSPs around it, each a host that records what it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
from sqlalchemy import update
from sqlmodel import col
from starlette.types import ASGIApp

from ocpi.app import create_app
from ocpi.catalogue import SOURCES, mounted
from ocpi.client import Client
from ocpi.context import Context
from ocpi.crew import on_duty
from ocpi.headers import Party, read_routing, routing_headers
from ocpi.journal.notes import Notes
from ocpi.parties import Partner, PartnerEndpoint, PartnerRole, PlatformID
from ocpi.push.pace import Pace
from ocpi.push.returning import open_way
from ocpi.push.worker import Worker
from ocpi.spec.document import decode, encode
from tests.credentials.network import Network
from tests.house import HUB, OURS, add_partner, add_party, calling, context_of, present
from tests.house import settings_of as base_settings
from tests.schema import create_schema

CPO_SIDE = (
    *(("SENDER", module) for module in ("locations", "tariffs", "sessions", "cdrs")),
    *(("RECEIVER", module) for module in ("tokens", "commands", "chargingprofiles")),
)
EMSP_SIDE = (
    *(("RECEIVER", module) for module in ("locations", "tariffs", "sessions", "cdrs")),
    *(("SENDER", module) for module in ("tokens", "commands", "chargingprofiles")),
)
HUB_RECEIVER = "/ocpi/hub/2.2.1/receiver"
HUB_SENDER = "/ocpi/hub/2.2.1/sender"
Handler = Callable[[httpx.Request], httpx.Response]


@dataclass(frozen=True)
class Member:
    """A partner of the hub as a test wants it."""

    name: str
    roles: tuple[tuple[str, Party], ...]
    interfaces: tuple[tuple[str, str], ...]
    platform: PlatformID = PlatformID.HUB

    @property
    def party(self) -> Party:
        return self.roles[0][1]


def cpo(name: str, country_code: str, party_id: str) -> Member:
    informed = ("RECEIVER", "hubclientinfo")
    return Member(name, (("CPO", Party(country_code, party_id)),), (*CPO_SIDE, informed))


def emsp(name: str, country_code: str, party_id: str) -> Member:
    informed = ("RECEIVER", "hubclientinfo")
    return Member(name, (("EMSP", Party(country_code, party_id)),), (*EMSP_SIDE, informed))


CPO1, CPO2 = cpo("cpo1", "BE", "BEC"), cpo("cpo2", "FR", "FRC")
EMSP1, EMSP2 = emsp("emsp1", "DE", "MSP"), emsp("emsp2", "GB", "EMS")
EVERYBODY = (CPO1, CPO2, EMSP1, EMSP2)


def success(data: Any = None, **over: Any) -> httpx.Response:
    """Give an answer that a partner may give."""
    envelope = {"status_code": 1000, "timestamp": "2026-01-01T12:00:00Z"}
    if data is not None:
        envelope = {"data": data, **envelope}
    headers = {"content-type": "application/json", **over.pop("headers", {})}
    body = encode({**envelope, **over.pop("envelope", {})}).encode()
    return httpx.Response(over.pop("status", 200), headers=headers, content=body)


@dataclass
class Seen:
    """One request that a partner received."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def routing(self) -> tuple[Party | None, Party | None]:
        """Give (to, from)."""
        routing = read_routing(self.headers)
        return routing.to, routing.sender

    def document(self) -> Any:
        return decode(self.body)


class Peer(httpx.AsyncBaseTransport):
    """A partner's platform: it answers success, or what `answer` says, and speaks to the hub."""

    def __init__(self, member: Member, app: ASGIApp) -> None:
        self.member = member
        self.seen: list[Seen] = []
        self.answer: Handler = lambda _: success()
        self.token = f"token-of-{member.name}-0123456789"
        self.token_out = f"hub-token-for-{member.name}-0123456789"
        self.http = calling(app, present(self.token))
        self.url = f"https://{member.name}.example"

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        raw = request.url.raw_path.decode().partition("?")
        seen = Seen(request.method, raw[0], raw[2], dict(request.headers), body)
        self.seen.append(seen)
        return self.answer(request)

    def of(self, module: str) -> list[Seen]:
        """Give what it was sent of a module."""
        return [seen for seen in self.seen if f"/{module}" in seen.path]

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        to: Party | None = None,
        sender: Party | None = None,
        headers: Mapping[str, str] = {},
    ) -> httpx.Response:
        """Send the hub a message below `/ocpi/hub/2.2.1/`, by default from its first party."""
        content = body if isinstance(body, bytes) else None if body is None else encode(body)
        routing = routing_headers(to, sender or self.member.party)
        url = path if path.startswith(("http", "/")) else f"/ocpi/hub/2.2.1/{path}"
        return await self.http.request(method, url, content=content, headers={**routing, **headers})


@dataclass
class Town:
    """The hub and everybody around it."""

    context: Context
    app: ASGIApp
    network: Network
    peers: dict[str, Peer]
    admin: httpx.AsyncClient
    closing: list[httpx.AsyncClient] = field(default_factory=list)

    def __getattr__(self, name: str) -> Peer:
        try:
            return self.peers[name]
        except KeyError:
            raise AttributeError(name) from None

    async def set_partner(self, name: str, **values: Any) -> None:
        """Change the row of a partner."""
        async with self.context.database.write() as db:
            await db.exec(update(Partner).where(col(Partner.name) == name).values(**values))


@asynccontextmanager
async def open_town(
    database_url: str,
    members: Sequence[Member] = EVERYBODY,
    *,
    ours: Sequence[Party] = (OURS,),
    **settings: Any,
) -> AsyncIterator[Town]:
    """Give a hub, NL*HUB, whose partners are registered, without its worker."""
    network = Network()
    hub = {"hub_country_code": HUB.country_code, "hub_party_id": HUB.party_id}
    opened = context_of(base_settings(database_url, **hub, **settings), Notes())
    client = Client(allow_private=False, transport=network)
    context = mounted(replace(opened, client=client))
    app = create_app(context, worker=False)
    try:
        await create_schema(context.database)
        await add_party(context.database, HUB, PlatformID.HUB)
        for party in ours:
            await add_party(context.database, party)
        peers = {member.name: await join(context, network, app, member) for member in members}
        admin = calling(app, {"Authorization": "Bearer admin-token-of-the-tests"})
        town = Town(context, app, network, peers, admin)
        yield town
        for http in (admin, *(peer.http for peer in peers.values())):
            await http.aclose()
    finally:
        await context.close()


async def join(context: Context, network: Network, app: ASGIApp, member: Member) -> Peer:
    """Make a partner as the handshake leaves it."""
    peer = Peer(member, app)
    network.hosts[f"{member.name}.example"] = peer
    role, party = member.roles[0]
    partner_id = await add_partner(
        context.database, member.name, peer.token, party, role=role, platform=member.platform
    )
    async with context.database.write() as db:
        partner = await db.get_one(Partner, partner_id)
        partner.token_out = context.seal.close(peer.token_out)
        partner.versions_url = f"{peer.url}/versions"
        for further, other in member.roles[1:]:
            db.add(_role(partner_id, member.platform, further, other))
        for interface, module in member.interfaces:
            url = f"{peer.url}/{interface.lower()}/{module}"
            db.add(
                PartnerEndpoint(partner_id=partner_id, identifier=module, role=interface, url=url)
            )
        await open_way(db, partner_id)
    return peer


def _role(partner_id: int, platform: PlatformID, role: str, party: Party) -> Any:
    return PartnerRole(
        partner_id=partner_id,
        platform=platform.value,
        role=role,
        party=party.key,
        country_code=party.country_code,
        party_id=party.party_id,
        business_details={"name": str(party)},
    )


@asynccontextmanager
async def pushing(town: Town, **pace: Any) -> AsyncIterator[None]:
    """Have the hub tell what changes, for as long as the block lasts."""
    fast = Pace(poll=0.05, gather=0.005, commit=0.02, refresh=0.0, **pace)
    async with on_duty((Worker(town.context, SOURCES, pace=fast),)):
        yield


async def until(check: Callable[[], Awaitable[bool] | bool], seconds: float = 10) -> None:
    """Wait for something that must come about."""
    async with asyncio.timeout(seconds):
        while True:
            found = check()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.01)
