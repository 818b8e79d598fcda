"""What every test may ask for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import URL, make_url

import ocpi.database
from ocpi.database import Database
from ocpi.migrate import upgrade
from tests.plainlog import log_plainly
from tests.postgres import PostgresMissingError, fresh_database, running_server

pytest_plugins = ["tests.conformance.plugin", "tests.browser.leftout"]

log_plainly()
# A machine whose disk others use stands still for seconds, which says nothing of what is tested.
ocpi.database.PATIENCE = 20.0


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """Give a database file that nobody else uses."""
    return f"sqlite+aiosqlite:///{tmp_path}/ocpi.sqlite"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[URL]:
    """Give a server for this process's tests; without one they fail, they are not skipped."""
    try:
        with running_server() as server:
            yield server
    except PostgresMissingError as error:
        pytest.fail(str(error), pytrace=False)


@pytest.fixture(scope="session")
def postgres_template(postgres_server: URL) -> Iterator[str]:
    """Give the name of a migrated database: to copy one takes less time than to migrate one."""
    # A pooler would go on using it, and what is in use cannot be copied.
    with fresh_database(postgres_server, pooled=False) as url:
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            runner.run(_migrate(url))
        yield str(make_url(url).database)


async def _migrate(url: str) -> None:
    database = Database(url)
    await upgrade(database)
    await database.close()


@pytest.fixture
def postgres_url(postgres_server: URL, postgres_template: str) -> Iterator[str]:
    """Give a migrated PostgreSQL database that nobody else uses."""
    with fresh_database(postgres_server, postgres_template) as url:
        yield url


@pytest.fixture
def direct_postgres_url(postgres_server: URL, postgres_template: str) -> Iterator[str]:
    """Give such a database that is reached without a pooler, whatever the tests run behind."""
    with fresh_database(postgres_server, postgres_template, pooled=False) as url:
        yield url


@pytest.fixture
def empty_postgres_url(postgres_server: URL) -> Iterator[str]:
    """Give an empty PostgreSQL database that nobody else uses."""
    with fresh_database(postgres_server) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Run the test on both databases."""
    fixture = {"sqlite": "sqlite_url", "postgresql": "postgres_url"}[request.param]
    url: str = request.getfixturevalue(fixture)
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest) -> str:
    """Run the test on both databases, before any migration."""
    fixture = {"sqlite": "sqlite_url", "postgresql": "empty_postgres_url"}[request.param]
    url: str = request.getfixturevalue(fixture)
    return url
