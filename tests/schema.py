"""The schema in an empty database, for tests."""

from sqlmodel import SQLModel

from ocpi.database import Database
from ocpi.push.feed import FeedHead


async def create_schema(database: Database) -> None:
    """Create every table and the rows that a migrated database has."""
    async with database.engine.begin() as connection:
        await connection.run_sync(SQLModel.metadata.create_all)
    async with database.write() as db:
        for stream in ("created", "money", "state"):
            db.add(FeedHead(stream=stream))
