"""The schema's history, applied by Alembic, configured here instead of in a file of its own."""

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from ocpi.database import Database


async def upgrade(database: Database) -> None:
    """Bring the schema to the newest state; any number of processes may ask for it at once."""
    await _run(database, lambda config: command.upgrade(config, "head"))


async def downgrade(database: Database, revision: str) -> None:
    """Take the schema back to a revision, `base` for none."""
    await _run(database, lambda config: command.downgrade(config, revision))


async def _run(database: Database, action: Any) -> None:
    def apply(connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(7461)"))
        action(configuration(connection))

    async with database.engine.execution_options(write=True).begin() as connection:
        await connection.run_sync(apply)


def configuration(connection: Connection, **attributes: Any) -> Config:
    """Alembic's configuration for one open connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    config.attributes.update(attributes)
    return config
