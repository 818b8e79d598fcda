"""A world to push in."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.ocpi.push.world import World


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    """Give an empty world, on either database."""
    world = World(database_url)
    await world.begin()
    try:
        yield world
    finally:
        await world.end()
