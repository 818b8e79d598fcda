"""The migrations lead to the schema that the tables describe, and back."""

import asyncio

from alembic import command
from sqlalchemy import Connection, inspect
from sqlmodel import SQLModel

from ocpi.app import SOURCES
from ocpi.database import Database
from ocpi.migrate import configuration, downgrade, upgrade


def compare(connection: Connection) -> None:
    """Raises when Alembic would have something to add."""
    command.check(configuration(connection, metadata=SQLModel.metadata))


async def tables(database: Database) -> set[str]:
    async with database.engine.connect() as connection:
        return set(await connection.run_sync(lambda each: inspect(each).get_table_names()))


async def test_up_down_and_up_again_ends_at_the_schema_of_the_tables(database_url: str) -> None:
    assert SOURCES  # Every table is known once the whole program is imported.
    database = Database(database_url)
    await upgrade(database)
    await downgrade(database, "base")
    assert await tables(database) <= {"alembic_version"}
    await upgrade(database)
    async with database.engine.begin() as connection:
        await connection.run_sync(compare)
    await database.close()


async def test_processes_that_start_at_once_migrate_once(database_url: str) -> None:
    databases = [Database(database_url) for _ in range(4)]
    await asyncio.gather(*(upgrade(database) for database in databases))
    assert {"location", "partner_lane", "feed_head"} <= await tables(databases[0])
    for database in databases:
        await database.close()
