"""A database behind PgBouncer in transaction mode: no statement outlives its transaction."""

from __future__ import annotations

import asyncio

from sqlalchemy import text

from ocpi.database import Database, stamp
from tests.house import open_database
from tests.ocpi.push.world import a_world

POOLED = "?prepared_statement_cache_size=0"
PREPARED = text("SELECT count(*) FROM pg_prepared_statements")


def pooled(url: str) -> str:
    return url + (POOLED.replace("?", "&") if "?" in url else POOLED)


async def test_nothing_is_left_prepared_at_a_pooled_server(postgres_url: str) -> None:
    async with open_database(pooled(postgres_url)) as database:
        for _ in range(3):
            async with database.write() as db:
                await stamp(db, "state")
                found = await db.exec(PREPARED)  # type: ignore[call-overload]
                assert found.scalar_one() == 0
            assert (await database.fetch("prepared", PREPARED, {}))[0][0] == 0
    plain = Database(postgres_url)
    assert (await plain.fetch("prepared", PREPARED, {}))[0][0] == 1
    await plain.close()


async def test_a_pooled_database_is_one_that_nobody_listens_to(postgres_url: str) -> None:
    async with open_database(pooled(postgres_url)) as database, asyncio.timeout(5):
        await database.hear()


async def test_partners_are_told_from_a_pooled_database(postgres_url: str) -> None:
    async with a_world(pooled(postgres_url)) as world:
        await world.add_partner("msp")
        for _ in range(2):
            world.add_worker(own_database=True)
        await world.put_locations(20)
        await world.post_cdr("c1")
        await world.until_told()
