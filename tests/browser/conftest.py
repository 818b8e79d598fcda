"""A browser in front of the whole service, with somebody who is signed in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.async_api import Browser, Page

from ocpi.catalogue import HUB_OFFERS
from ocpi.console.staff import Role, add_staff
from ocpi.testing.serving import serving
from tests.browser.chromium import Watched, chromium
from tests.flows.process import free_port
from tests.house import Service, open_service


@dataclass(frozen=True)
class Site:
    """The service as a browser sees it."""

    service: Service
    browser: Browser
    url: str
    password: str
    """Of `anna`, an admin."""
    pages: list[Watched]
    """Those that were opened; a fault in any of them fails the test."""

    async def open(self, **options: object) -> Page:
        """A page of somebody who is not signed in."""
        watched = await Watched.open(self.browser, base_url=self.url, **options)
        self.pages.append(watched)
        return watched.page

    async def sign_in(self, **options: object) -> Page:
        """The overview of `anna`."""
        page = await self.open(**options)
        await page.goto("/console")
        await page.fill("[name=name]", "anna")
        await page.fill("[name=password]", self.password)
        await page.click("main button")
        await page.wait_for_url("/console")
        return page

    @property
    def faults(self) -> list[str]:
        """What went wrong in all pages."""
        return [fault for watched in self.pages for fault in watched.faults]


@pytest.fixture
async def site(sqlite_url: str) -> AsyncIterator[Site]:
    """Give the service, which is a CPO and a hub, at a real address; nothing may go wrong in it."""
    async with _open(sqlite_url) as opened:
        yield opened


@pytest.fixture
async def working(sqlite_url: str) -> AsyncIterator[Site]:
    """Give the same with its worker, at an address where partners reach it."""
    async with _open(sqlite_url, worker=True) as opened:
        yield opened


@asynccontextmanager
async def _open(database_url: str, *, worker: bool = False) -> AsyncIterator[Site]:
    port = free_port()
    hub = {"hub_country_code": "NL", "hub_party_id": "HUB", "hub_name": "Test hub"}
    # By its address the cookie may travel without TLS.
    here: dict[str, Any] = {"base_url": f"http://127.0.0.1:{port}", **hub}
    here["allow_private_networks"] = True
    async with (
        chromium() as browser,
        open_service(database_url, offers=HUB_OFFERS, worker=worker, **here) as service,
        serving(service.app, port=port) as url,
    ):
        password = await add_staff(service.database, "anna", Role.ADMIN)
        opened = Site(service, browser, url, password, [])
        yield opened
        # Pages are left before the service is, so that no stream breaks off under them.
        for watched in opened.pages:
            await watched.page.context.close()
        service.context.ending.set()
        assert opened.faults == []
