"""The service, and staff who have signed in to its console."""

from collections.abc import AsyncIterator

import pytest

from tests.house import Service, open_service
from tests.ocpi.console.desk import Desk, desk_of


@pytest.fixture
async def service(sqlite_url: str) -> AsyncIterator[Service]:
    """Give the service on SQLite."""
    async with open_service(sqlite_url) as opened:
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
