"""The key under which partners' tokens lie: it is found to be wrong at once, and can be changed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlmodel import select
from structlog.testing import capture_logs
from typer.testing import CliRunner

from credentials.keys import check_key, reseal
from credentials.keyscli import keys_app
from ocpi.context import Context
from ocpi.database import Database
from ocpi.parties import Partner
from ocpi.sealing import Seal, WrongKey, hash_token
from tests.house import context_of, open_database, settings_of
from tests.plainlog import log_plainly
from tests.schema import create_schema

OLD, NEW = "the-old-key-of-some-length", "the-new-key-of-some-length"
TOKENS = {f"partner-{number}": f"canary-of-{number}" for number in range(6)}


async def add(database: Database, seal: Seal, tokens: dict[str, str]) -> None:
    async with database.write() as db:
        for name, token in tokens.items():
            sealed = seal.close(token)
            db.add(
                Partner(
                    name=name, platform="cpo", state="confirmed", token_out=sealed, created_at=0
                )
            )


async def sealed_in(database: Database) -> dict[str, str]:
    async with database.read() as db:
        rows = await db.exec(select(Partner.name, Partner.token_out))
        return {name: sealed or "" for name, sealed in rows}


@pytest.fixture
async def context(database_url: str) -> AsyncIterator[Context]:
    """Give a process that knows the new key and the old one."""
    made = replace(context_of(settings_of(database_url)), seal=Seal(NEW, OLD))
    await create_schema(made.database)
    await add(made.database, Seal(OLD), TOKENS)
    yield made
    await made.close()


@pytest.mark.threat("TA-10")
async def test_after_the_change_the_new_key_alone_opens_every_token(context: Context) -> None:
    done = await reseal(context)
    assert (done.resealed, done.current, done.lost) == (6, 0, [])
    stored = await sealed_in(context.database)
    assert {name: Seal(NEW).open(sealed) for name, sealed in stored.items()} == TOKENS
    with pytest.raises(WrongKey):
        Seal(OLD).open(stored["partner-0"])
    again = await reseal(context)
    assert (again.resealed, again.current) == (0, 6)
    assert await sealed_in(context.database) == stored


@pytest.mark.threat("TA-10")
async def test_a_change_that_is_interrupted_goes_on_where_it_stopped(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = Seal.close
    done: list[str] = []

    def fail(seal: Seal, token: str) -> str:
        if len(done) == 3:
            raise RuntimeError("killed")
        done.append(token)
        return close(seal, token)

    with monkeypatch.context() as patched:
        patched.setattr(Seal, "close", fail)
        with pytest.raises(RuntimeError):
            await reseal(context)
    # Whoever serves meanwhile has both keys and opens them all.
    for name, sealed in (await sealed_in(context.database)).items():
        assert context.seal.open(sealed) == TOKENS[name]
    after = await reseal(context)
    assert (after.resealed, after.current) == (3, 3)


@pytest.mark.threat("TA-10")
async def test_tokens_that_are_exchanged_meanwhile_are_not_lost(context: Context) -> None:
    async def exchange(name: str) -> None:
        async with context.database.write() as db:
            found = await db.exec(select(Partner).where(Partner.name == name).with_for_update())
            found.one().token_out = context.seal.close(f"fresh of {name}")

    await asyncio.gather(reseal(context), *(exchange(name) for name in TOKENS), reseal(context))
    stored = await sealed_in(context.database)
    opened = {name: Seal(NEW).open(sealed) for name, sealed in stored.items()}
    assert opened == {name: f"fresh of {name}" for name in TOKENS}


@pytest.mark.threat("TA-10")
async def test_with_a_wrong_key_nothing_starts_and_with_a_lost_one_it_is_told(
    context: Context,
) -> None:
    await check_key(context)
    with pytest.raises(WrongKey, match="OCPI_SECRET_KEY"):
        await check_key(replace(context, seal=Seal("a-key-that-never-was-used")))
    await add(context.database, Seal("a-key-that-got-lost-somewhere"), {"unlucky": "x"})
    with capture_logs() as lines:
        await check_key(context)
    assert [line["partner"] for line in lines] == ["unlucky"]
    assert (await reseal(context)).lost == ["unlucky"]


@pytest.mark.threat("TA-10")
async def test_a_dump_of_the_database_holds_no_token(context: Context) -> None:
    await reseal(context)
    rows = await context.database.fetch("dump", text("SELECT * FROM partner"), {})
    for token in TOKENS.values():
        assert token not in str(rows)
        assert hash_token(token) not in str(rows)


def test_the_command_tells_what_it_did_and_what_comes_next(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def prepare() -> None:
        async with open_database(sqlite_url) as database:
            await add(database, Seal(OLD), TOKENS)

    monkeypatch.setattr("ocpi.opening.upgrade", _nothing)
    asyncio.run(prepare())
    for name, value in {
        "DATABASE_URL": sqlite_url,
        "SECRET_KEY": NEW,
        "SECRET_KEY_PREVIOUS": OLD,
    }.items():
        monkeypatch.setenv(f"OCPI_{name}", value)
    result = CliRunner().invoke(keys_app, ["rotate"], catch_exceptions=False)
    assert "Sealed 6 tokens anew; 0 were so already." in result.stdout
    assert "without OCPI_SECRET_KEY_PREVIOUS" in result.stdout
    result = CliRunner().invoke(keys_app, ["rotate", "--json"], catch_exceptions=False)
    monkeypatch.delenv("OCPI_SECRET_KEY_PREVIOUS")
    again = CliRunner().invoke(keys_app, ["rotate"], catch_exceptions=False)
    log_plainly()
    assert "No OCPI_SECRET_KEY_PREVIOUS is given" in again.stdout
    assert "Start every process" not in again.stdout
    assert json.loads(result.stdout) == {
        "key_id": Seal(NEW).key_id,
        "resealed": 0,
        "current": 6,
        "lost": [],
    }


async def _nothing(_database: Database) -> None:
    """The schema is there."""
