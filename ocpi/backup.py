"""Copies of a SQLite database, made while it is in use, and put back when it is not."""

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import count
from pathlib import Path
from stat import S_IMODE

from sqlalchemy.engine import URL

from ocpi.errors import InvalidParameters
from ocpi.migrate import require_known

# Pages copied at once; between two steps it is told how far it has come.
STEP = 1000

Progress = Callable[[int, int], None]
"""Told how many pages are done, of how many."""

# What SQLite finds beside a database it takes for a part of it, whoever left it there.
_BESIDE = ("-wal", "-shm", "-journal")
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def back_up(url: URL, target: Path, progress: Progress) -> None:
    """Copy the database as it is at one moment into a new file, and check the copy.

    Raises ``InvalidParameters`` for PostgreSQL, with the command to use there, and for a file that
    is there already.
    """
    source = _file(url, "pg_dump --format=custom --file=FILE")
    if not source.exists():
        raise InvalidParameters(f"{source} is not there: OCPI_DATABASE_URL names another database?")
    if any(each.exists() for each in _files(target)):
        raise InvalidParameters(f"{target} is there already: name a new file.")
    if not target.parent.is_dir():
        raise InvalidParameters(f"{target}: there is no folder {target.parent}.")
    with _copied(source, target, progress) as part:
        _reveal(part, target)


def restore(url: URL, backup: Path, progress: Progress) -> Path | None:
    """Put a backup in the database's place; gives where the old one, if any, was put aside.

    Until the copy is whole the old one stays. Raises ``InvalidParameters`` for PostgreSQL, for a
    file that is no whole backup, and while the database is in use; ``Conflict`` for a backup that
    a newer release has made.
    """
    present = _file(url, "createdb NEW && pg_restore --exit-on-error --dbname=NEW FILE")
    require_known(str(backup), _check(backup))
    with _copied(backup, present, progress) as part:
        _give(part, present)
        aside = _put_aside(present)
        _reveal(part, present)
    return aside


def _file(url: URL, instead: str) -> Path:
    if url.get_backend_name() != "sqlite":
        raise InvalidParameters(f"This is for SQLite; for PostgreSQL use `{instead}`.")
    return Path(url.database or "")


def _files(path: Path) -> Sequence[Path]:
    """A database, and what may lie beside it."""
    return [path.with_name(f"{path.name}{end}") for end in ("", *_BESIDE)]


@contextmanager
def _copied(source: Path, target: Path, progress: Progress) -> Iterator[Path]:
    """A copy beside its target that is whole and on the disk; what is left of it is removed."""
    part = target.with_name(f"{target.name}.part")
    _remove(part)
    # Whole drivers are in it, and hashes of passwords.
    part.touch(0o600)
    try:
        _copy(source, part, progress)
        _check(part)
        _sync(part)
        yield part
    finally:
        _remove(part)


def _remove(path: Path) -> None:
    for each in _files(path):
        each.unlink(missing_ok=True)


def _copy(source: Path, part: Path, progress: Progress) -> None:
    with (
        closing(sqlite3.connect(source, isolation_level=None)) as old,
        closing(sqlite3.connect(part)) as new,
    ):
        # Of this moment: or else it would begin anew after each commit of another process.
        old.execute("BEGIN")
        old.execute("SELECT 1 FROM sqlite_master").fetchone()
        old.backup(new, pages=STEP, progress=lambda _, left, of: progress(of - left, of))
        # One file is easier to carry away than three.
        new.execute("PRAGMA journal_mode=DELETE")


def _sync(path: Path) -> None:
    """Have a file, or the names in a folder, on the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _reveal(part: Path, target: Path) -> None:
    part.replace(target)
    _sync(target.parent)


def _give(part: Path, present: Path) -> None:
    """Give a file to whom the database belongs: as that one is, or alone to the folder's owner."""
    model = present if present.exists() else present.parent
    was = model.stat()
    # Who is not root cannot give files away, and keeps this one to himself.
    with suppress(PermissionError):
        os.chown(part, was.st_uid, was.st_gid)
        part.chmod(S_IMODE(was.st_mode) if model is present else 0o600)


def _check(path: Path) -> Sequence[str]:
    """The revision of its schema; raises ``InvalidParameters`` for no whole database of ours."""
    if not path.exists():
        raise InvalidParameters(f"{path} is not there.")
    try:
        with _read_only(path) as database:
            (verdict,) = database.execute("PRAGMA integrity_check(1)").fetchone()
            revisions = database.execute("SELECT version_num FROM alembic_version").fetchall()
    except sqlite3.DatabaseError as error:
        raise InvalidParameters(f"{path} is no backup of this service: {error}.") from None
    if verdict != "ok":
        raise InvalidParameters(f"{path} is damaged: {verdict}.")
    return [revision for (revision,) in revisions]


def _read_only(path: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True))


def _put_aside(present: Path) -> Path | None:
    """Give the present database another name, with all that it has not written to its file yet.

    What lies beside it goes along: it would be read into the one that takes its place.
    """
    if present.exists() and not _is_damaged(present):
        _finish(present)
    names = (present.with_name(f"{present.name}.before-restore-{n}") for n in count(1))
    aside = next(name for name in names if not any(each.exists() for each in _files(name)))
    pairs = zip(_files(present), _files(aside), strict=True)
    moved = [each.replace(name) for each, name in pairs if each.exists()]
    return moved[0] if moved else None


def _is_damaged(present: Path) -> bool:
    """Asked by one that only reads: who may write deletes the -wal of what is no database."""
    try:
        with _read_only(present) as database:
            database.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        return _code(error) in _DAMAGED
    return False


def _code(error: sqlite3.Error) -> int:
    """What went wrong, without the details in the higher bits."""
    return error.sqlite_errorcode & 0xFF


def _finish(present: Path) -> None:
    """Have all in the database's file; one that is damaged stays as it is."""
    try:
        with closing(sqlite3.connect(present, timeout=0, isolation_level=None)) as database:
            # In this mode a database has but one user, so that it fails when there is another.
            database.execute("PRAGMA locking_mode=EXCLUSIVE")
            database.execute("BEGIN EXCLUSIVE")
            database.execute("COMMIT")
            database.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.DatabaseError as error:
        code = _code(error)
        if code in _BUSY:
            raise InvalidParameters(
                f"{present} is in use: stop every `ocpi serve` and `ocpi worker` first."
            ) from None
        if code not in _DAMAGED:
            raise
