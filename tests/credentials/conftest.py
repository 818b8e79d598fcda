"""Our service, and a partner that does as it is told."""

from collections.abc import AsyncIterator

import pytest

from tests.credentials.network import House, Network, Puppet, open_house


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def puppet(network: Network) -> Puppet:
    """Give the partner at emsp.test."""
    puppet = network.hosts["emsp.test"] = Puppet()
    return puppet


@pytest.fixture
async def house(sqlite_url: str, network: Network) -> AsyncIterator[House]:
    """Give our service on SQLite."""
    async with open_house(sqlite_url, network) as opened:
        yield opened


@pytest.fixture
async def any_house(database_url: str, network: Network) -> AsyncIterator[House]:
    """Give our service on each database."""
    async with open_house(database_url, network) as opened:
        yield opened


@pytest.fixture
async def away(tmp_path_factory: pytest.TempPathFactory, network: Network) -> AsyncIterator[House]:
    """Give a second installation of ours, which is the partner."""
    folder = tmp_path_factory.mktemp("away")
    url = f"sqlite+aiosqlite:///{folder}/ocpi.sqlite"
    async with open_house(url, network, "away.test", "AWY") as opened:
        yield opened
