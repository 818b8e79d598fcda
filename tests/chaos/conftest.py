"""Databases, worlds and clocks in which there is chaos."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy.engine import make_url

from tests.chaos.scale import WHOLE
from tests.chaos.skewed import Skewed
from tests.memory import quick_folder
from tests.ocpi.push.world import World, a_world
from tests.postgres import execute

# These take longer than `make test` has time for.
LONG = [
    "test_disk.py",
    "test_exhaustion.py",
    "test_failover.py",
    "test_restarts.py",
    "test_upgrade.py",
]
collect_ignore = [] if WHOLE else LONG


BOTH = ["sqlite", "postgresql"]


@contextmanager
def a_quick_database(request: pytest.FixtureRequest) -> Iterator[str]:
    """Give a database that need not wait for a disk: so many commits would take minutes."""
    if request.param == "postgresql":
        url: str = request.getfixturevalue("postgres_url")
        server = request.getfixturevalue("postgres_server")
        name = make_url(url).database
        execute(server, f"ALTER DATABASE {name} SET synchronous_commit = off")
        yield url
        return
    with tempfile.TemporaryDirectory(dir=quick_folder()) as folder:
        yield f"sqlite+aiosqlite:///{folder}/ocpi.sqlite"


@pytest.fixture(params=BOTH)
def quick_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Give an empty database, on SQLite and on PostgreSQL."""
    with a_quick_database(request) as url:
        yield url


@pytest.fixture(params=BOTH if WHOLE else BOTH[:1])
def world_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Give an empty database, on SQLite and, in the whole chaos, on PostgreSQL."""
    with a_quick_database(request) as url:
        yield url


@pytest.fixture
async def world(world_url: str) -> AsyncIterator[World]:
    """Give an empty world."""
    async with a_world(world_url) as world:
        yield world


@pytest.fixture
async def skewed(world: World, monkeypatch: pytest.MonkeyPatch) -> Skewed:
    """Give the clock of the world's database, which can be set."""
    skewed = Skewed(world)
    await skewed.begin(monkeypatch)
    return skewed
