"""The schema in a database, for tests: as the migrations make it, triggers included."""

import asyncio
from pathlib import Path

from sqlalchemy import inspect

from ocpi.database import Database
from ocpi.migrate import upgrade
from ocpi.push.feed import FeedHead

_FIRST: list[bytes] = []
"""The first SQLite file that was made: those after it are copies."""


async def create_schema(database: Database) -> None:
    """Migrate an empty database; nothing is done to one that is not empty."""
    file = Path(database.url.database or "")
    if database.sqlite and _FIRST and not await asyncio.to_thread(file.exists):
        await asyncio.to_thread(file.write_bytes, _FIRST[0])
        return
    async with database.engine.connect() as connection:
        if await connection.run_sync(lambda sync: inspect(sync).has_table(FeedHead.__tablename__)):
            return
    await upgrade(database)
    if database.sqlite and not _FIRST:
        await database.engine.dispose()
        _FIRST.append(await asyncio.to_thread(file.read_bytes))
