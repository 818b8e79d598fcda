"""Staff at browsers without script, before the whole service in memory."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from pydantic import SecretStr

from credentials.parties import add_party
from ocpi.app import create_app
from ocpi.client import Client
from ocpi.console.staff import Role, add_staff
from ocpi.context import Context
from ocpi.database import Database
from ocpi.headers import Party
from ocpi.parties import PlatformID
from ocpi.sealing import Seal
from ocpi.settings import Settings
from tests.credentials.network import SECRET, Network
from tests.schema import create_schema


@dataclass
class Browser:
    """One person's; redirects are not followed, so that a test sees them."""

    client: httpx.AsyncClient
    csrf: str = ""

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.client.get(path, headers=headers)

    async def post(self, path: str, **data: Any) -> httpx.Response:
        """Send a form as its page has it."""
        return await self.client.post(path, data={"csrf": self.csrf, **data})

    async def after(self, answer: httpx.Response) -> str:
        """The page that a form led to."""
        assert answer.status_code == 303, answer.text
        return (await self.client.get(answer.headers["location"])).text


@dataclass
class Console:
    """The console with a person of each role signed in."""

    context: Context
    network: Network
    browsers: Mapping[Role, Browser] = field(default_factory=dict)

    @property
    def viewer(self) -> Browser:
        return self.browsers[Role.VIEWER]

    @property
    def operator(self) -> Browser:
        return self.browsers[Role.OPERATOR]

    @property
    def admin(self) -> Browser:
        return self.browsers[Role.ADMIN]


@asynccontextmanager
async def open_console(database_url: str, **settings: Any) -> AsyncIterator[Console]:
    """Our service at cpo.test with an empty database, one CPO party and its staff."""
    network = Network()
    context = Context(
        settings=Settings(
            base_url="http://cpo.test",
            database_url=database_url,
            secret_key=SecretStr(SECRET),
            allow_private_networks=True,
            **settings,
        ),
        database=Database(database_url),
        seal=Seal(SECRET),
        client=Client(allow_private=True, transport=network),
    )
    await create_schema(context.database)
    await add_party(context, PlatformID.CPO, Party("NL", "CPO"), "Example Charging")
    if context.settings.is_hub:
        await add_party(context, PlatformID.HUB, Party("NL", "HUB"), "Example Hub")
    service = httpx.ASGITransport(create_app(context, worker=False))
    network.hosts["cpo.test"] = service
    browsers = {}
    try:
        for role in Role:
            client = httpx.AsyncClient(transport=service, base_url="http://cpo.test")
            browsers[role] = await _signed_in(context, client, role)
        yield Console(context, network, browsers)
    finally:
        for browser in browsers.values():
            await browser.client.aclose()
        await context.close()


async def _signed_in(context: Context, client: httpx.AsyncClient, role: Role) -> Browser:
    name = role.name.lower()
    password = await add_staff(context.database, name, role)
    await client.post("/console/sign-in", data={"name": name, "password": password})
    page = await client.get("/console/me")
    found = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert found is not None, page.text
    return Browser(client, found[1])
