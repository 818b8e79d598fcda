"""Databases, worlds and clocks in which there is chaos."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from tests.chaos.scale import WHOLE
from tests.chaos.skewed import Skewed
from tests.ocpi.push.world import World, a_world
from tests.postgres import execute

# In `make test` a test of the push takes PostgreSQL away from a worker in a tenth of the time.
collect_ignore = [] if WHOLE else ["test_restarts.py"]


@pytest.fixture(params=["sqlite", "postgresql"])
def quick_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Give a database that need not wait for a disk: so many commits would take minutes."""
    if request.param == "postgresql":
        url: str = request.getfixturevalue("postgres_url")
        name = make_url(url).database
        execute(
            request.getfixturevalue("postgres_server"),
            f"ALTER DATABASE {name} SET synchronous_commit = off",
        )
        yield url
        return
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a name of its own.
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield f"sqlite+aiosqlite:///{folder}/ocpi.sqlite"


@pytest.fixture
async def world(quick_url: str) -> AsyncIterator[World]:
    """Give an empty world, on SQLite and on PostgreSQL."""
    async with a_world(quick_url) as world:
        yield world


@pytest.fixture
async def skewed(world: World, monkeypatch: pytest.MonkeyPatch) -> Skewed:
    """Give the clock of the world's database, which can be set."""
    skewed = Skewed(world)
    await skewed.begin(monkeypatch)
    return skewed
