"""Each day a seal is put over the CDRs that are stored, once, and it stays."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, select
from typer.testing import CliRunner

from modules.cdrs import sealing
from modules.cdrs.sealing import DAY, Sealer, seal_stored, vouch_anew
from modules.cdrs.seals import CDRSeal, hash_of
from modules.cdrs.verifying import read_anchors, verify
from ocpi.cli import app
from ocpi.context import Context
from ocpi.database import Database
from ocpi.erasure.erasing import erase
from ocpi.erasure.person import Person
from ocpi.errors import InvalidParameters
from ocpi.migrate import upgrade
from ocpi.sealing import Seal
from ocpi.spec.document import decode
from tests.house import context_of, settings_of
from tests.modules.cdrs.sealed import (
    CHANGED,
    NEW,
    OPEN,
    anchor,
    bill,
    do,
    found,
    open_sealing,
    two_seals,
)
from tests.plainlog import log_plainly


@pytest.fixture
async def context(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Context]:
    async with open_sealing(database_url, monkeypatch) as made:
        yield made


@pytest.mark.threat("TA-31")
async def test_two_that_seal_at_the_same_time_make_one_seal(
    context: Context, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bill(context, "A", "B")
    other = replace(context, database=Database(database_url))
    # Both have read before one writes.
    drafted = asyncio.Barrier(2)
    store = sealing._store  # noqa: SLF001

    async def together(database: Database, seal: CDRSeal) -> bool:
        await drafted.wait()
        return await store(database, seal)

    monkeypatch.setattr(sealing, "_store", together)
    with structlog.testing.capture_logs() as lines:
        await asyncio.gather(*(Sealer(each).turn() for each in (context, other)))
    await other.database.close()
    assert [(line["event"], line["cdrs"]) for line in lines] == [("cdrs sealed", 2)]
    assert (await verify(context)).seals == 1
    assert context.database.failures == {"busy": 0, "failed": 0}


@pytest.mark.threat("TA-31")
async def test_the_workers_seal_once_a_day_and_log_the_anchor(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bill(context, *"ABCDEF")
    now = 20_000 * DAY

    async def clock(_db: Any) -> int:
        return now

    monkeypatch.setattr(sealing, "clock", clock)
    with structlog.testing.capture_logs() as lines:
        await Sealer(context).turn()
        now += DAY - 1
        await bill(context, "G")
        await Sealer(context).turn()
        first = await anchor(context)
        now += 1
        await Sealer(context).turn()
        now += DAY
        await Sealer(context).turn()
    last = await anchor(context)
    assert [(line["anchor"].split(":")[0], line["cdrs"]) for line in lines] == [
        ("2", 6),
        ("3", 1),
        ("4", 0),
    ]
    assert [line["anchor"] for line in lines][0::2] == [f"{n}:{h}" for n, h in (first, last)]
    assert await found(context, *read_anchors(str(lines))) == []


@pytest.mark.threat("TA-31")
async def test_a_new_key_vouches_for_what_the_old_one_did(context: Context) -> None:
    await two_seals(context)
    assert (await erase(context, Person.named("DRIVER-1", None))).erased
    kept = await anchor(context)
    alone = replace(context, seal=Seal(NEW))
    assert len(await found(alone)) == 2 + 6
    # An anchor proves seals without any key.
    assert {each[0] for each in await found(alone, kept)} == {None}
    both = replace(context, seal=Seal(NEW, "k" * 32))
    assert await found(both) == []
    assert (await vouch_anew(both), await vouch_anew(both)) == (8, 0)
    assert await found(alone) == []


@pytest.mark.threat("TA-31")
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE cdr_seal SET hash = ''",
        "UPDATE cdr_seal SET leaves = ''",
        "DELETE FROM cdr_seal",
        "UPDATE cdr_erasure SET after = ''",
        "DELETE FROM cdr_erasure",
        "UPDATE cdr SET salt = ''",
    ],
)
async def test_the_database_keeps_seals_as_they_are(
    empty_database_url: str, statement: str
) -> None:
    context = context_of(settings_of(empty_database_url))
    await upgrade(context.database)
    await bill(context, "A")
    assert (await erase(context, Person.named("DRIVER-1", None))).erased
    await seal_stored(context)
    with pytest.raises(DBAPIError, match="neither changed nor removed"):
        await do(context, statement)
    await context.close()


async def test_a_seal_s_hash_covers_all_of_its_row_but_the_voucher(context: Context) -> None:
    await two_seals(context)
    async with context.database.read() as db:
        seal = (await db.exec(select(CDRSeal).where(col(CDRSeal.number) == 2))).one()
    others = {"leaves": b"", "previous": "", "hash": "", "voucher": ""}
    for name in CDRSeal.model_fields:
        changed = CDRSeal(**{**seal.model_dump(), name: others.get(name, 7)})
        assert (hash_of(changed) == seal.hash) == (name in {"hash", "voucher"})


def test_anchors_are_found_in_whatever_text() -> None:
    one, two = "a" * 64, "0" * 64
    text = f'2026-01-31 x=1:2 {{"anchor":"12:{one}","cdrs":3}}\n13:{two}\nat 14:{one}0'
    assert read_anchors(text) == [(12, one), (13, two)]
    with pytest.raises(InvalidParameters, match="no anchor"):
        read_anchors("12:34")


@pytest.fixture
def installed(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Set the environment of an installation with two CDRs."""
    monkeypatch.setenv("OCPI_SECRET_KEY", "k" * 32)
    monkeypatch.setenv("COLUMNS", "200")
    use(monkeypatch, sqlite_url)
    asyncio.run(_prepare(sqlite_url))
    yield sqlite_url
    log_plainly()


async def _prepare(url: str) -> None:
    context = context_of(settings_of(url))
    await upgrade(context.database)
    await bill(context, "A", "B")
    await context.close()


def use(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("OCPI_DATABASE_URL", url)


def run(*words: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, words)
    assert result.exit_code == code, result.output
    return result.stdout + result.stderr


@pytest.mark.threat("TA-31")
def test_the_commands_seal_and_find_a_backup_that_was_tampered_with(
    installed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("cdr", "verify").startswith("There is no seal yet")
    said = run("cdr", "seal")
    assert said.startswith("Sealed 2 CDRs.\nThe anchor is 1:")
    assert run("cdr", "seal").startswith("There is nothing new to seal.\nThe anchor is 1:")
    anchors = tmp_path / "anchors.txt"
    anchors.write_text(run("cdr", "seal", "--json"))
    backup = tmp_path / "backup.sqlite"
    run("backup", str(backup))
    use(monkeypatch, f"sqlite+aiosqlite:///{backup}")
    assert run("cdr", "verify", "--anchor", str(anchors)).startswith(
        "All is as it was sealed: seals 1, CDRs 2, lawful erasures of a driver 0. Not sealed yet:"
    )
    with closing(sqlite3.connect(backup)) as database:
        for statement in OPEN["sqlite"]:
            database.execute(statement)
        database.execute("UPDATE cdr SET body = replace(body, 'EUR', 'USD') WHERE key LIKE '%*b'")
        database.commit()
    told = run("cdr", "verify", "--anchor", str(anchors), code=1)
    assert "de*cpo*b" in told
    assert "error: CDRs are not what was sealed. The first seal that does not hold is 1." in told
    document = decode(run("cdr", "verify", "--json", code=1).splitlines()[0])
    (fault,) = document["faults"]
    assert (fault["seal"], fault["cdr"], fault["sentence"]) == (1, "de*cpo*b", CHANGED)
    use(monkeypatch, installed)
    run("restore", str(backup))
    run("cdr", "verify", code=1)
    nowhere = str(tmp_path / "nope")
    told = run("cdr", "verify", "--anchor", nowhere, code=1)
    assert told == f"error: The file {nowhere} cannot be read: No such file or directory.\n"
    assert "no anchor in it" in run("cdr", "verify", "--anchor", str(backup), code=1)
