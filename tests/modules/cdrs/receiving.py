"""Partners that are told Sessions and CDRs, and a worker of ours that tells them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from ocpi.catalogue import SOURCES
from ocpi.client import Client
from ocpi.envelope import wrap
from ocpi.headers import Party
from ocpi.parties import Partner, PartnerEndpoint
from ocpi.push.lanes import open_lane
from ocpi.push.operating import list_lanes
from ocpi.push.worker import Worker
from ocpi.spec.document import decode
from tests.house import Service, add_partner
from tests.ocpi.push.world import QUICK, until_found

MODULES = ("locations", "tariffs", "sessions", "cdrs")
Document = dict[str, Any]
# Answers may be held back for a while without being given up.
PATIENT = replace(QUICK, exchange=20, lease=30)


@dataclass
class Message:
    """What a partner was sent."""

    host: str
    method: str
    path: str
    body: Any
    headers: httpx.Headers

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass
class Wire:
    """Every partner at once: notes what is sent, and holds answers back as long as it is shut."""

    sent: list[Message] = field(default_factory=list)
    under_way: set[str] = field(default_factory=set)
    together: list[frozenset[str]] = field(default_factory=list)
    """Which messages were in flight at the same moment."""
    open: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: httpx.Request) -> httpx.Response:
        body: Any = decode(request.content) if request.content else None
        path = request.url.path.removeprefix("/")
        message = Message(request.url.host, request.method, path, body, request.headers)
        self.sent.append(message)
        self.under_way.add(str(message))
        self.together.append(frozenset(self.under_way))
        await self.open.wait()
        self.under_way.discard(str(message))
        url = f"{request.url}/{body['id']}" if request.method == "POST" else ""
        return httpx.Response(200, content=wrap(()), headers={"Location": url})

    def to(self, host: str) -> list[str]:
        return [str(message) for message in self.sent if message.host == host]


async def register(
    service: Service, name: str, party: Party, urls: dict[str, str] | None = None
) -> int:
    """Register an eMSP at https://NAME.example, which is told everything from now on."""
    partner_id = await add_partner(service.database, name, f"{name}-presents-this", party)
    endpoints = urls or {module: f"https://{name}.example/{module}" for module in MODULES}
    async with service.database.write() as db:
        partner = await db.get(Partner, partner_id)
        assert partner is not None
        partner.token_out = service.context.seal.close(f"token-for-{name}")
        db.add(partner)
        for module, url in endpoints.items():
            endpoint = {"identifier": module, "role": "RECEIVER", "url": url}
            db.add(PartnerEndpoint(partner_id=partner_id, **endpoint))
        await open_lane(db, partner_id)
    return partner_id


@asynccontextmanager
async def telling(service: Service, transport: httpx.AsyncBaseTransport) -> AsyncIterator[None]:
    """Run a worker that reaches partners over a transport."""
    context = replace(service.context, client=Client(allow_private=True, transport=transport))
    worker = Worker(context, SOURCES, pace=PATIENT)
    running = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        await worker.stop()
        await running
        await context.client.close()


async def until_nobody_is_behind(service: Service) -> None:
    """Wait until each partner has been told everything."""

    async def up_to_date() -> bool:
        return all(not lane["behind"] for lane in await list_lanes(service.database))

    await until_found(up_to_date)


@asynccontextmanager
async def told_by(service: Service) -> AsyncIterator[Wire]:
    """Run a worker whose partners answer at once, until the wire is shut."""
    wire = Wire()
    wire.open.set()
    async with telling(service, httpx.MockTransport(wire.answer)):
        yield wire
