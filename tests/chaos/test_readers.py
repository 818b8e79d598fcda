"""A reader that never ends: what it keeps from being tidied up grows, and nothing stops."""

from __future__ import annotations

import sqlite3
import statistics
import time
from contextlib import closing
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.engine import URL, make_url

from ocpi.database import stamp
from tests.chaos.scale import SCALE
from tests.ocpi.push.world import World, a_world

# Changes that nothing tidies up after until the reader ends.
CHANGES = SCALE.rows // 4
STAMPS = SCALE.rows
AGE = f"""
DO $$ BEGIN
    FOR n IN 1..{STAMPS} LOOP
        UPDATE feed_head SET seq = seq + 1 WHERE stream = 'money';
        COMMIT;
    END LOOP;
END $$
"""  # noqa: S608 - a constant.


def size_of(file: Path) -> int:
    return file.stat().st_size


async def change(world: World, times: int) -> None:
    for _ in range(times // 5):
        await world.put_locations(5)
    await world.until_told()


async def stamping(world: World) -> float:
    """How many milliseconds a transaction takes that gives out a number."""
    taken = []
    for _ in range(50):
        began = time.perf_counter()
        async with world.database.write() as db:
            await stamp(db, "money")
        taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1000


@pytest.mark.timeout(300)
async def test_a_snapshot_that_never_ends_leaves_no_more_than_dead_rows(
    postgres_server: URL, direct_postgres_url: str
) -> None:
    server = postgres_server.set(database=make_url(direct_postgres_url).database)
    reader = await asyncpg.connect(server.render_as_string(hide_password=False))
    staff = await asyncpg.connect(server.render_as_string(hide_password=False))
    size = "SELECT pg_database_size(current_database())"
    async with a_world(direct_postgres_url) as world:
        await world.add_partner("msp")
        world.add_worker()
        await change(world, 50)
        first, at_first = await staff.fetchval(size), await stamping(world)
        await reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        await reader.fetch("SELECT key FROM sync_object")
        await change(world, CHANGES)
        grown, meanwhile = await staff.fetchval(size) - first, await stamping(world)
        await staff.execute(AGE)
        aged = await stamping(world)
        await change(world, 50)
        await reader.execute("ROLLBACK")
        await staff.execute("VACUUM")
        largest = await staff.fetchval(size)
        await change(world, CHANGES // 2)
        after = await stamping(world)
        print(f"{grown / CHANGES:.0f} bytes for each of {CHANGES} changes; a number takes")
        print(f"{at_first:.1f} ms, then {meanwhile:.1f} ms, behind {STAMPS} more {aged:.1f} ms,")
        print(f"and after the reader {after:.1f} ms")
        assert grown / CHANGES < 16_384
        # What was left is used again.
        assert await staff.fetchval(size) <= largest + 1_000_000
    await reader.close()
    await staff.close()


@pytest.mark.timeout(300)
async def test_a_reader_of_sqlite_that_never_ends_leaves_no_more_than_its_wal(
    sqlite_url: str,
) -> None:
    path = make_url(sqlite_url).database or ""
    wal = Path(f"{path}-wal")
    async with a_world(sqlite_url) as world:
        await world.add_partner("msp")
        world.add_worker()
        await change(world, 50)
        first, at_first = size_of(wal), await stamping(world)
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT key FROM sync_object").fetchall()
            await change(world, CHANGES)
            meanwhile = await stamping(world)
        largest = size_of(wal)
        await change(world, CHANGES // 2)
        after = await stamping(world)
        grown = (largest - first) / CHANGES
        print(f"{grown:.0f} bytes for each of {CHANGES} changes; a number takes")
        print(f"{at_first:.1f} ms, then {meanwhile:.1f} ms, and after the reader {after:.1f} ms")
        assert grown < 262_144
        # It begins again at the file's start.
        assert size_of(wal) <= largest + 1_000_000
