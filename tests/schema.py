"""The schema in a database, for tests."""

from sqlalchemy import Connection, inspect
from sqlmodel import SQLModel

from ocpi.database import Database
from ocpi.push.feed import FeedHead


async def create_schema(database: Database) -> None:
    """Create every table and the rows that a migrated database has, unless it is one."""
    async with database.engine.begin() as connection:
        if not await connection.run_sync(_create):
            return
    async with database.write() as db:
        for stream in ("created", "money", "state"):
            db.add(FeedHead(stream=stream))


def _create(connection: Connection) -> bool:
    if inspect(connection).has_table(str(FeedHead.__tablename__)):
        return False
    SQLModel.metadata.create_all(connection)
    return True
