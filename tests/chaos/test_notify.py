"""Notifications between processes are a hint: without them a worker finds out when it looks."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from sqlalchemy import text

import ocpi.waking
from ocpi.push.pace import Pace
from tests.ocpi.push.world import QUICK, World, a_world, until_found

LISTENING = "FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()"
COUNT = text(f"SELECT count(*) {LISTENING}")
STOP = text(f"SELECT pg_terminate_backend(pid) {LISTENING}")


@pytest.fixture
async def world(direct_postgres_url: str) -> AsyncIterator[World]:
    """Give an empty world on PostgreSQL, where notifications can be heard."""
    async with a_world(direct_postgres_url) as world:
        yield world


async def listening(world: World) -> int:
    async with world.database.read() as db:
        found: int = (await db.exec(COUNT)).scalar_one()  # type: ignore[call-overload]
    return found


async def add_distant_worker(world: World, pace: Pace) -> None:
    """Add a worker that learns of changes by notifications and by looking, in no other way."""
    world.add_worker(own_database=True, pace=pace)
    await until_found(lambda: listening(world))


async def test_a_notification_wakes_a_worker_that_would_look_in_an_hour(world: World) -> None:
    await world.add_partner("msp")
    await add_distant_worker(world, replace(QUICK, poll=3600, beat=3600, lease=36000))
    await world.put_location("a")
    await world.until_told()


async def test_a_lost_notification_delays_until_the_next_look(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.add_partner("msp")
    await add_distant_worker(world, replace(QUICK, poll=0.5))
    await world.put_location("a")
    await world.until_told()
    monkeypatch.setattr(ocpi.waking, "RETRY", 3600)
    async with world.database.read() as db:
        await db.exec(STOP)  # type: ignore[call-overload]
    delays = []
    for _ in range(5):
        began = time.monotonic()
        await world.put_location("a")
        await world.until_told()
        delays.append(time.monotonic() - began)
    # Nobody has listened meanwhile.
    assert await listening(world) == 0
    print(f"with a look each 0.5 s told after {sorted(round(each, 2) for each in delays)} s")
