"""A world to push in."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.ocpi.push.world import World, a_world


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """Give an empty world, on SQLite and on PostgreSQL."""
    async with a_world(database_url) as world:
        yield world
