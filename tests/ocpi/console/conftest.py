"""The console in memory, with staff who are signed in."""

from collections.abc import AsyncIterator

import pytest

from tests.credentials.network import Puppet
from tests.house import Service, open_service
from tests.ocpi.console.browsing import Console, open_console
from tests.ocpi.console.desk import Desk, desk_of


@pytest.fixture
async def console(sqlite_url: str) -> AsyncIterator[Console]:
    """Give the console of a CPO on SQLite."""
    async with open_console(sqlite_url) as opened:
        yield opened


@pytest.fixture
async def any_console(database_url: str) -> AsyncIterator[Console]:
    """Give the console of a hub on each database."""
    async with open_console(database_url, hub_country_code="NL", hub_party_id="HUB") as opened:
        yield opened


@pytest.fixture
def puppet(console: Console) -> Puppet:
    """Give the partner at emsp.test."""
    puppet = Puppet()
    console.network.hosts["emsp.test"] = puppet
    return puppet


@pytest.fixture
async def service(sqlite_url: str) -> AsyncIterator[Service]:
    """Give the service on SQLite."""
    async with open_service(sqlite_url, hub_country_code="NL", hub_party_id="HUB") as opened:
        yield opened


@pytest.fixture
async def any_service(database_url: str) -> AsyncIterator[Service]:
    """Give the service on each database."""
    async with open_service(database_url) as opened:
        yield opened


@pytest.fixture
async def viewer(service: Service) -> AsyncIterator[Desk]:
    """Give somebody who may only look."""
    async with desk_of(service) as desk:
        yield desk
