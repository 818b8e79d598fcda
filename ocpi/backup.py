"""Copies of a SQLite database, made while it is in use, and put back when it is not."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import URL

from ocpi.errors import InvalidParameters

# Pages copied at once; between two steps writers get their turn.
STEP = 1000

Progress = Callable[[int, int], None]
"""Told how many pages are done, of how many."""


def back_up(url: URL, target: Path, progress: Progress) -> None:
    """Copy the database as it is at one moment into a new file, and check the copy.

    Raises ``InvalidParameters`` for PostgreSQL, with the command to use there, and for a file that
    is there already.
    """
    source = _file(url, "pg_dump --format=custom --file=FILE")
    if not source.exists():
        raise InvalidParameters(f"{source} is not there: OCPI_DATABASE_URL names another database?")
    if target.exists():
        raise InvalidParameters(f"{target} is there already: name a new file.")
    _copy(source, target, progress)


def restore(url: URL, backup: Path, progress: Progress) -> Path | None:
    """Put a backup in the database's place; gives where the old one, if any, was put aside.

    Raises ``InvalidParameters`` for PostgreSQL, for a file that is no whole backup, and while the
    database is in use.
    """
    present = _file(url, "pg_restore --clean --if-exists --dbname=NAME FILE")
    _check(backup)
    aside = _put_aside(present)
    _copy(backup, present, progress)
    return aside


def _file(url: URL, instead: str) -> Path:
    if url.get_backend_name() != "sqlite":
        raise InvalidParameters(f"This is for SQLite; for PostgreSQL use `{instead}`.")
    return Path(url.database or "")


def _copy(source: Path, target: Path, progress: Progress) -> None:
    """A copy that appears under its name when it is whole and on the disk."""
    part = target.with_name(f"{target.name}.part")
    part.unlink(missing_ok=True)
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(part)) as new:
        old.backup(new, pages=STEP, progress=lambda _, left, of: progress(of - left, of))
        # One file is easier to carry away than three.
        new.execute("PRAGMA journal_mode=DELETE")
    _check(part)
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _check(path: Path) -> None:
    """Raises ``InvalidParameters`` for what is no whole database of ours."""
    if not path.exists():
        raise InvalidParameters(f"{path} is not there.")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            (verdict,) = database.execute("PRAGMA integrity_check(1)").fetchone()
            database.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.DatabaseError as error:
        raise InvalidParameters(f"{path} is no backup of this service: {error}.") from None
    if verdict != "ok":
        raise InvalidParameters(f"{path} is damaged: {verdict}.")


def _put_aside(present: Path) -> Path | None:
    """Give the present database another name, with all that it has not written to its file yet."""
    if not present.exists():
        return None
    try:
        with closing(sqlite3.connect(present, timeout=0, isolation_level=None)) as database:
            # In this mode a database has but one user, so that it fails when there is another.
            database.execute("PRAGMA locking_mode=EXCLUSIVE")
            database.execute("BEGIN EXCLUSIVE")
            database.execute("COMMIT")
            database.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError:
        raise InvalidParameters(
            f"{present} is in use: stop every `ocpi serve` and `ocpi worker` first."
        ) from None
    number = 1
    while (aside := present.with_name(f"{present.name}.before-restore-{number}")).exists():
        number += 1
    present.replace(aside)
    return aside
