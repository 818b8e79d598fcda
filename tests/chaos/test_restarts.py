"""PostgreSQL stops in the middle of its work and starts again, under load."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from tests.chaos.partners import Mood
from tests.chaos.scale import SCALE, seeded
from tests.chaos.server import Restartable, restartable_server
from tests.chaos.settling import forgotten, settle
from tests.chaos.stage import a_stage
from tests.flows.process import until
from tests.postgres import execute, fresh_database


@pytest.fixture
def server() -> Iterator[Restartable]:
    """Give a server that nobody else uses."""
    with restartable_server() as server:
        yield server


@pytest.fixture
def own_url(server: Restartable) -> Iterator[str]:
    """Give an empty database of that server."""
    with fresh_database(server.url) as url:
        # Of itself the server for tests acknowledges what it has not written.
        name = make_url(url).database
        execute(server.url, f"ALTER DATABASE {name} SET synchronous_commit = on")
        yield url


@pytest.mark.timeout(400)
async def test_a_server_that_stops_and_starts_loses_nothing_that_was_acknowledged(
    server: Restartable, own_url: str, tmp_path: Path
) -> None:
    chance = seeded("restarts")
    moods = [Mood.WELL, Mood.WELL, Mood.LOSES]
    async with a_stage(own_url, tmp_path, "restarts", moods) as stage:
        load = stage.load
        stage.partners.misbehave()
        async with load.flowing():
            for _ in range(SCALE.restarts):
                await asyncio.sleep(chance.uniform(0.5, 2))
                await asyncio.to_thread(server.stop)
                await asyncio.sleep(chance.uniform(0, 1))
                await asyncio.to_thread(server.start)
                before = len(load.acknowledged)
                await until(lambda before=before: len(load.acknowledged) > before + 5, 60)  # type: ignore[misc]
        ours = await settle(stage.admins[0], load, stage.partners)
        print(f"{len(load.acknowledged)} acknowledged, {load.unknown} unknown")
        assert load.unknown > 0
        assert forgotten(ours, load) == []
        assert load.refused == []
