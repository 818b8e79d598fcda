"""The world in which tokens are asked about, on one database and on both."""

from collections.abc import AsyncIterator

import pytest

from tests.modules.tokens.world import World, open_world


@pytest.fixture
async def world(sqlite_url: str) -> AsyncIterator[World]:
    async with open_world(sqlite_url) as opened:
        yield opened


@pytest.fixture
async def each_world(database_url: str) -> AsyncIterator[World]:
    async with open_world(database_url) as opened:
        yield opened
