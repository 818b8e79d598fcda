"""A backup is of one moment, and what it is put in place of is not lost, however that is."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from ocpi import backup
from ocpi.backup import back_up, restore
from ocpi.database import Database
from ocpi.errors import Conflict, InvalidParameters
from ocpi.migrate import upgrade


class Place:
    """A folder with a database, and a backup of it that names another party."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "ocpi.sqlite"
        self.url = make_url(f"sqlite+aiosqlite:///{self.file}")
        self.backup = folder / "backup"

    def open(self, file: Path | None = None) -> sqlite3.Connection:
        return sqlite3.connect(file or self.file, isolation_level=None)

    def write(self, value: str) -> None:
        with closing(self.open()) as db:
            db.execute("INSERT INTO note VALUES (?)", (value,))

    def notes(self, file: Path | None = None) -> list[str]:
        with closing(self.open(file)) as db:
            return [value for (value,) in db.execute("SELECT value FROM note")]

    def back_up(self) -> None:
        back_up(self.url, self.backup, silent)

    def restore(self) -> Path | None:
        return restore(self.url, self.backup, silent)

    @property
    def beside(self) -> set[str]:
        return {each.name for each in self.file.parent.iterdir()}


def silent(_done: int, _of: int) -> None:
    """Say nothing."""


def mode_of(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


@pytest.fixture
async def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    database = Database(str(made.url))
    await upgrade(database)
    await database.close()
    with closing(made.open()) as db:
        db.execute("CREATE TABLE note (value TEXT)")
    made.write("old")
    return made


def test_a_backup_ends_though_others_go_on_writing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "STEP", 10)
    steps = 0

    def write(_done: int, _of: int) -> None:
        nonlocal steps
        steps += 1
        assert steps < 1000, "it begins anew after each commit"
        place.write("while it was copied")

    back_up(place.url, place.backup, write)
    assert steps > 1
    assert place.notes(place.backup) == ["old"]


def test_where_a_backup_cannot_be_put_is_named(place: Place, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameters, match="there is no folder /no/such/folder"):
        back_up(place.url, Path("/no/such/folder/x"), lambda _done, _of: None)
    with pytest.raises(OSError, match="File name too long"):
        back_up(place.url, tmp_path / ("x" * 252), lambda _done, _of: None)


def test_what_lies_beside_the_database_is_not_read_into_what_is_restored(
    place: Place,
) -> None:
    place.back_up()
    with closing(place.open()) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA wal_autocheckpoint=0")
        db.execute("INSERT INTO note VALUES ('later')")
        wal = Path(f"{place.file}-wal").read_bytes()
    place.file.unlink()
    Path(f"{place.file}-wal").write_bytes(wal)
    assert place.restore() == Path(f"{place.file}.before-restore-1-wal")
    assert place.notes() == ["old"]
    assert Path(f"{place.file}.before-restore-1-wal").read_bytes() == wal


def test_the_database_stays_until_its_successor_is_whole(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.back_up()
    place.write("new")
    before = place.beside

    def fail(_path: Path) -> None:
        raise OSError("No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(backup, "_sync", fail)
        with pytest.raises(OSError, match="No space"):
            place.restore()
    assert place.notes() == ["old", "new"]
    assert place.beside == before
    assert place.restore() == Path(f"{place.file}.before-restore-1")
    assert place.notes() == ["old"]
    assert place.notes(Path(f"{place.file}.before-restore-1")) == ["old", "new"]


def test_a_restore_that_is_refused_leaves_nothing_behind(place: Place) -> None:
    place.back_up()
    before = place.beside
    with closing(place.open()) as db:
        db.execute("BEGIN IMMEDIATE")
        with pytest.raises(InvalidParameters, match="in use: stop every"):
            place.restore()
        db.execute("ROLLBACK")
    assert place.beside == before


@pytest.mark.parametrize("page", [0, 1])
def test_a_damaged_database_is_put_aside_as_it_is(place: Place, page: int) -> None:
    place.back_up()
    with closing(place.open()) as db:
        (size,) = db.execute("PRAGMA page_size").fetchone()
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("INSERT INTO note VALUES ('later')")
        wal = Path(f"{place.file}-wal").read_bytes()
    whole = place.file.read_bytes()
    damaged = whole[: page * size] + b"\xff" * size + whole[(page + 1) * size :]
    place.file.write_bytes(damaged)
    Path(f"{place.file}-wal").write_bytes(wal)
    aside = place.restore()
    assert aside is not None
    assert place.notes() == ["old"]
    if page == 0:
        assert aside.read_bytes() == damaged
        assert Path(f"{aside}-wal").read_bytes() == wal


def test_databases_and_backups_are_for_their_owner_alone(place: Place) -> None:
    assert mode_of(place.file) == 0o600
    with closing(place.open()) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("INSERT INTO note VALUES ('new')")
        assert {mode_of(each) for each in place.file.parent.iterdir()} == {0o600}
        assert f"{place.file.name}-wal" in place.beside
    place.back_up()
    assert mode_of(place.backup) == 0o600


def test_what_is_restored_belongs_to_whom_the_database_belonged(
    place: Place,
) -> None:
    place.back_up()
    place.file.chmod(0o640)
    other = os.geteuid() == 0
    if other:
        os.chown(place.file, 1234, 2345)
        os.chown(place.file.parent, 3456, 4567)
    owner = (place.file.stat().st_uid, place.file.stat().st_gid)
    place.restore()
    now = place.file.stat()
    assert (mode_of(place.file), now.st_uid, now.st_gid) == (0o640, *owner)
    place.file.unlink()
    folder = place.file.parent.stat()
    place.restore()
    now = place.file.stat()
    assert (mode_of(place.file), now.st_uid) == (0o600, folder.st_uid)
    assert now.st_gid == folder.st_gid or not other


async def test_what_a_newer_release_made_is_neither_used_nor_restored(place: Place) -> None:
    with closing(place.open()) as db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")
    place.back_up()
    database = Database(str(place.url))
    with pytest.raises(Conflict, match="The database has the schema 9999, which a newer release"):
        await upgrade(database)
    await database.close()
    with closing(place.open()) as db:
        db.execute("UPDATE alembic_version SET version_num = '0001'")
    with pytest.raises(Conflict, match="backup has the schema 9999, which a newer release"):
        place.restore()
