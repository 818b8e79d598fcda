"""Hubs over real sockets, with mock CPOs and eMSPs around them that note what they are told."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from ocpi.app import create_app
from ocpi.opening import open_context
from ocpi.settings import Settings
from ocpi.testing import samples
from ocpi.testing.cpo import MockCPO
from ocpi.testing.emsp import Address, MockEMSP, Party, running
from ocpi.testing.mock.outgoing import Asking, Reply, endpoint
from ocpi.testing.mock.platform import MockPlatform
from ocpi.testing.mock.state import Message
from ocpi.testing.mock.wire import FROM, TO, Document
from ocpi.testing.serving import serving
from tests.flows.process import ADMIN_TOKEN, SECRET, free_port, until


class Tap(httpx.AsyncBaseTransport):
    """The network as a mock uses it, which notes every answer."""

    def __init__(self) -> None:
        # Mocks close what they have used; what keeps nothing open needs no closing.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._network = httpx.AsyncHTTPTransport(limits=limits, trust_env=False)
        self.heard: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._network.handle_async_request(request)
        body = await response.aread()
        self.heard.append(f"{response.headers.multi_items()} {body.decode()}")
        return response


def cpo(country_code: str, party_id: str) -> MockCPO:
    party = Party(country_code, party_id, f"CPO {party_id}", "CPO")
    return MockCPO((party,), transport=Tap())


def emsp(country_code: str, party_id: str) -> MockEMSP:
    return MockEMSP((Party(country_code, party_id, f"eMSP {party_id}"),), transport=Tap())


def owned_by(mock: MockPlatform) -> dict[str, str]:
    """Whose an object is."""
    country_code, party_id = mock.own_party()
    return {"country_code": country_code, "party_id": party_id}


def heard(mock: MockPlatform) -> list[str]:
    """All that a mock was ever told: requests that came, and answers to its own."""
    assert isinstance(mock.transport, Tap)
    came = (message for message in mock.messages if message.direction == "in")
    return [*mock.transport.heard, *(f"{m.path} {m.headers} {m.body}" for m in came)]


def told_of(mock: MockPlatform, secrets: Sequence[str]) -> list[str]:
    """The secrets that a mock was told."""
    everything = "\n".join(heard(mock)).lower()
    return [secret for secret in secrets if secret.lower() in everything]


def received(mock: MockPlatform, module: str) -> list[Message]:
    """The requests of a module that came to a mock."""
    return [m for m in mock.messages if m.direction == "in" and f"/{module}" in m.path]


def pairs(headers: Any) -> tuple[Address, Address]:
    """To whom a message is, and from whom."""
    to, sender = ((headers[names[0]], headers[names[1]]) for names in (TO, FROM))
    return to, sender


async def crawl(mock: MockPlatform, module: str, query: str, to: Address | None) -> list[Reply]:
    """Every page of a list."""
    assert mock.peer is not None
    async with Asking(mock, mock.peer.token_out) as asking:
        url = endpoint(mock.peer, module, "SENDER") + query
        return [reply async for reply in asking.crawl(url, to)]


@dataclass
class Hub:
    """A running hub."""

    party: Address
    base_url: str
    admin: httpx.AsyncClient

    async def offer(self, name: str, role: str, party: Address) -> dict[str, str]:
        """Open a registration; gives the versions URL and the token."""
        claimed = {"role": role, "country_code": party[0], "party_id": party[1]}
        wish = {"name": name, "platform": "hub", "roles": [claimed]}
        answer = await self.admin.post("/partners", json=wish)
        assert answer.is_success, answer.text
        offered: dict[str, str] = answer.json()
        return offered

    async def admit(self, *mocks: MockPlatform) -> None:
        """Let mocks that run register, each under its party id."""
        for mock in mocks:
            party = mock.parties[0]
            offered = await self.offer(party.party_id, party.role, mock.own_party())
            await mock.register(offered["versions_url"], offered["token"])


@asynccontextmanager
async def a_service(database_url: str, **over: Any) -> AsyncIterator[tuple[str, httpx.AsyncClient]]:
    """The service with some settings: where it is, and its admin API."""
    base_url = f"http://127.0.0.1:{free_port()}"
    settings = Settings.model_validate(
        {
            "base_url": base_url,
            "database_url": database_url,
            "secret_key": SECRET,
            "admin_token": ADMIN_TOKEN,
            "allow_private_networks": True,
            "log_level": "WARNING",
            **over,
        }
    )
    async with (
        open_context(settings) as context,
        serving(create_app(context), port=int(base_url.rpartition(":")[2])),
        httpx.AsyncClient(
            base_url=f"{base_url}/admin",
            headers={"Authorization": f"Bearer {ADMIN_TOKEN}"},
            timeout=30,
        ) as admin,
    ):
        yield base_url, admin


@asynccontextmanager
async def a_hub(database_url: str, party: Address = ("NL", "HUB")) -> AsyncIterator[Hub]:
    """A hub whose pages hold two objects, and which has no CPO party of its own."""
    named = {
        "hub_country_code": party[0],
        "hub_party_id": party[1],
        "hub_name": f"Hub {party[1]}",
    }
    async with a_service(database_url, page_limit=2, **named) as (base_url, admin):
        yield Hub(party, base_url, admin)


@dataclass
class Town:
    """A hub with two CPOs and two eMSPs that know of each other."""

    hub: Hub
    cpo1: MockCPO
    cpo2: MockCPO
    emsp1: MockEMSP
    emsp2: MockEMSP

    @property
    def mocks(self) -> list[MockPlatform]:
        return [self.cpo1, self.cpo2, self.emsp1, self.emsp2]

    async def broadcast(self) -> tuple[Document, Document]:
        """A Location of the first CPO and a Token of the first eMSP, told to all they concern."""
        location = samples.location(**owned_by(self.cpo1))
        token = samples.token(**owned_by(self.emsp1))
        await self.cpo1.put_location(location)
        await self.emsp1.push_token(token)
        await until(lambda: all(each.documents("locations") for each in (self.emsp1, self.emsp2)))
        await until(lambda: all(each.documents("tokens") for each in (self.cpo1, self.cpo2)))
        return location, token


async def introduced(*mocks: MockPlatform) -> None:
    """Wait until the hub has told each of them of all the others (HC-04)."""
    for mock in mocks:
        others = {other.own_party() for other in mocks if other is not mock}
        await until(lambda known=mock.introduced, others=others: {k[:2] for k in known} >= others)  # type: ignore[misc]


def assert_proper(*mocks: MockPlatform) -> None:
    """Nobody objects to anything, and nobody was told where another one lives."""
    violations = [f"{mock.own_party()} {each}" for mock in mocks for each in mock.violations]
    assert violations == [], violations
    for mock in mocks:
        others = [each.base_url.removeprefix("http://") for each in mocks if each is not mock]
        assert told_of(mock, others) == [], mock.own_party()


@asynccontextmanager
async def a_town(database_url: str) -> AsyncIterator[Town]:
    """A town, in which all must have been proper when it is left."""
    mocks = (cpo("BE", "BEC"), cpo("FR", "FRC"), emsp("DE", "MSP"), emsp("GB", "EMS"))
    async with AsyncExitStack() as stack:
        hub = await stack.enter_async_context(a_hub(database_url))
        for mock in mocks:
            await stack.enter_async_context(running(mock))
        await hub.admit(*mocks)
        await introduced(*mocks)
        yield Town(hub, *mocks)
        assert_proper(*mocks)


@asynccontextmanager
async def two_hubs(first: str, second: str) -> AsyncIterator[tuple[Hub, Hub]]:
    """Two hubs, each on a database of its own; the second registers with the first."""
    async with a_hub(first) as one, a_hub(second, ("BE", "HB2")) as two:
        offered = await one.offer("two", "HUB", two.party)
        keys = ("versions_url", "token")
        wish = {"name": "one", "platform": "hub", **{key: offered[key] for key in keys}}
        answer = await two.admin.post("/partners/connect", json=wish)
        assert answer.is_success, answer.text
        yield one, two
