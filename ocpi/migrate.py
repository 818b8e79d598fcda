"""The schema's history, applied by Alembic, configured here instead of in a file of its own.

Alembic is only imported where there is something to apply: commands are short.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from ocpi.database import Database
from ocpi.errors import Conflict

if TYPE_CHECKING:
    from alembic.config import Config

_FOLDER = Path(__file__).parent / "migrations"


async def upgrade(database: Database) -> None:
    """Bring the schema to the newest state; any number of processes may ask for it at once.

    Raises ``Conflict`` where a newer release has been at work.
    """
    if database.sqlite:
        _create(Path(database.url.database or ""))
    stored = await _stored(database)
    require_known("The database", stored)
    if stored != [_newest()]:
        await _run(database, "upgrade", "head")


async def downgrade(database: Database, revision: str) -> None:
    """Take the schema back to a revision, `base` for none."""
    await _run(database, "downgrade", revision)


def _create(file: Path) -> None:
    """A new database is for its owner alone; SQLite makes -wal and -shm as the file is."""
    # Where there is one, or cannot be one, SQLite says what is to be said.
    with suppress(OSError):
        file.touch(0o600, exist_ok=False)


def require_known(name: str, revisions: Sequence[str]) -> None:
    """Raises ``Conflict`` for a schema that only a newer release knows."""
    newest = _newest()
    for each in revisions:
        if each > newest:
            raise Conflict(
                f"{name} has the schema {each}, which a newer release made; this one knows those "
                f"up to {newest}. Use that release, or a backup from before it."
            )


def _newest() -> str:
    # A file of the history begins with the name of its revision.
    return max(file.name for file in (_FOLDER / "versions").glob("[0-9]*.py"))[:4]


async def _stored(database: Database) -> Sequence[str]:
    # Before the first revision there is no such table.
    with suppress(OperationalError, ProgrammingError):
        async with database.engine.connect() as connection:
            return await connection.run_sync(_revisions)
    return []


def _revisions(connection: Connection) -> list[str]:
    return list(connection.execute(text("SELECT version_num FROM alembic_version")).scalars())


async def _run(database: Database, action: str, revision: str) -> None:
    from alembic import command  # noqa: PLC0415 - See above.

    def apply(connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(7461)"))
        getattr(command, action)(configuration(connection), revision)

    # A step may read a table of millions, or wait for whoever holds it, such as pg_dump.
    engine = database.open_engine(None)
    try:
        async with engine.execution_options(write=True).begin() as connection:
            await connection.run_sync(apply)
    finally:
        await engine.dispose()
        # What these connections have prepared is for the schema of before.
        await database.engine.dispose()


def configuration(connection: Connection, **attributes: Any) -> Config:
    """Alembic's configuration for one open connection."""
    from alembic.config import Config  # noqa: PLC0415 - See above.

    # Its own choice is what was stdout when it was imported.
    config = Config(stdout=sys.stdout)
    config.set_main_option("script_location", str(_FOLDER))
    config.attributes["connection"] = connection
    config.attributes.update(attributes)
    return config
