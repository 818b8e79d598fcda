"""What is read of partners is kept until something about them changes, and not a moment longer."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import DBAPIError
from sqlmodel import col, select

from ocpi import kept
from ocpi.database import Database
from ocpi.directory import AnnouncedParty, Directory, read_directory
from ocpi.errors import NotAuthenticated
from ocpi.kept import EDITION, Edition, Kept
from ocpi.parties import IssuedToken, Partner, authenticate
from tests.house import (
    CPO,
    OURS,
    TOKEN,
    add_partner,
    add_party,
    open_database,
    present,
    settings_of,
)

PARTY = "'fr*abc', 'FR', 'ABC'"
# Each table of the directory: what a new row has, and what is changed of it.
ROWS = {
    "our_party (platform, role, party, country_code, party_id, business_details)": (
        f"'cpo', 'CPO', {PARTY}, '{{}}'",
        'business_details = \'{"name": "x"}\'',
    ),
    "partner (name, platform, state, suspended, options, created_at)": (
        "'b', 'cpo', 'offered', false, '{}', 1",
        "suspended = true",
    ),
    "partner_role (partner_id, platform, role, party, country_code, party_id)": (
        f"1, 'cpo', 'EMSP', {PARTY}",
        "role = 'NSP'",
    ),
    "partner_endpoint (partner_id, identifier, role, url)": (
        "1, 'cdrs', 'RECEIVER', 'https://a.example'",
        "url = 'https://b.example'",
    ),
    "issued_token (partner_id, hash, registration, created_at)": (
        "1, 'abc', false, 1",
        "used_at = 2",
    ),
    "announced_party (partner_id, role, party, country_code, party_id, status, last_updated)": (
        f"1, 'CPO', {PARTY}, 'CONNECTED', 1",
        "status = 'OFFLINE'",
    ),
    "agreement (from_party, to_party, module, allowed, created_at)": (
        "'*', '*', '*', false, 1",
        "allowed = true",
    ),
    "partner_lane (partner_id, epoch, cursors)": (
        "1, 1, '{}'",
        'breaker = \'{"reason": "down", "failures": 1}\'',
    ),
}


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url) as opened:
        await add_party(opened, OURS)
        yield opened


@pytest.fixture
async def light(sqlite_url: str) -> AsyncIterator[Database]:
    async with open_database(sqlite_url) as opened:
        yield opened


async def edition(database: Database) -> str:
    async with database.read() as db:
        return (await db.exec(select(Edition.word))).one()


async def run(database: Database, *statements: str) -> None:
    async with database.write() as db:
        for statement in statements:
            await db.exec(text(statement))  # type: ignore[call-overload]


@pytest.mark.parametrize("table", ROWS)
async def test_each_row_that_comes_changes_or_goes_makes_a_new_edition(
    database: Database, table: str
) -> None:
    await run(
        database,
        "INSERT INTO partner (name, platform, state, suspended, options, created_at) "
        "VALUES ('a', 'cpo', 'offered', false, '{}', 1)",
    )
    name = table.partition(" ")[0]
    row, change = ROWS[table]
    seen = [await edition(database)]
    for statement in (
        f"INSERT INTO {table} VALUES ({row})",  # noqa: S608
        f"UPDATE {name} SET {change}",  # noqa: S608
        f"DELETE FROM {name}",  # noqa: S608
    ):
        await run(database, statement)
        seen.append(await edition(database))
    assert len(set(seen)) == len(seen) == 4


async def test_how_far_a_lane_is_and_when_it_probes_next_makes_no_new_edition(
    database: Database,
) -> None:
    await add_partner(database, "a", TOKEN)
    down = 'breaker = \'{"reason": "down", "failures": %d}\''
    await run(
        database,
        "INSERT INTO partner_lane (partner_id, epoch, cursors) SELECT id, 1, '{}' FROM partner",
        f"UPDATE partner_lane SET {down % 1}",  # noqa: S608
    )
    before = await edition(database)
    await run(
        database,
        "UPDATE partner_lane SET epoch = 2, cursors = '{\"a\": 1}', last_error = 'none'",
        f"UPDATE partner_lane SET {down % 2}",  # noqa: S608
    )
    assert await edition(database) == before
    await run(database, "UPDATE partner_lane SET breaker = NULL")
    assert await edition(database) != before


async def test_what_is_rolled_back_makes_no_new_edition(database: Database) -> None:
    before = await edition(database)
    with pytest.raises(DBAPIError):
        await run(database, "UPDATE our_party SET role = 'X'", "UPDATE our_party SET role = NULL")
    assert await edition(database) == before


async def test_who_changes_several_partners_waits_for_nobody_that_changes_others(
    postgres_url: str,
) -> None:
    async with open_database(postgres_url) as database:
        for name in ("a", "b"):
            await add_partner(database, name, f"token of {name}", CPO if name == "a" else OURS)
        rename = "UPDATE partner SET note = 'x' WHERE name = '{}'"
        async with asyncio.timeout(20), database.write() as first:
            await first.exec(text(rename.format("a")))  # type: ignore[call-overload]
            await run(database, rename.format("b"))
            # With the edition locked since the first change, each would wait for the other here.
            await first.exec(text(rename.format("b")))  # type: ignore[call-overload]


async def test_many_changes_of_one_transaction_make_one_new_edition(postgres_url: str) -> None:
    async with open_database(postgres_url) as database:
        await add_partner(database, "a", TOKEN)
        seen = [await edition(database)]
        async with database.write() as db:
            for note in ("x", "y"):
                await db.exec(update(Partner).values(note=note))
                # What else is done at the commit.
                await db.exec(text("SET CONSTRAINTS ALL IMMEDIATE"))  # type: ignore[call-overload]
                seen.append((await db.exec(select(Edition.word))).one())
        before, first, second = seen
        assert before != first == second


async def test_a_token_that_another_process_takes_back_is_good_for_nothing_at_once(
    database: Database, database_url: str
) -> None:
    await add_partner(database, "a", TOKEN)
    authorization = present(TOKEN)["Authorization"]
    for _ in range(2):
        assert (await authenticate(database, "cpo", authorization, 0)).name == "a"
    other = Database(database_url)
    await run(other, "DELETE FROM issued_token")
    await other.close()
    with pytest.raises(NotAuthenticated):
        await authenticate(database, "cpo", authorization, 0)


async def test_a_token_expires_although_nothing_changes(database: Database) -> None:
    partner_id = await add_partner(database, "a", TOKEN)
    async with database.write() as db:
        of = col(IssuedToken.partner_id) == partner_id
        await db.exec(update(IssuedToken).where(of).values(expires_at=100))
    authorization = present(TOKEN)["Authorization"]
    assert (await authenticate(database, "cpo", authorization, 99)).name == "a"
    with pytest.raises(NotAuthenticated, match="expired"):
        await authenticate(database, "cpo", authorization, 100)


async def test_the_directory_is_read_once_and_then_only_after_a_change(
    database: Database, database_url: str
) -> None:
    settings = settings_of(database_url, hub_country_code="NL", hub_party_id="HUB")

    async def read() -> Directory:
        return await read_directory(database, settings)

    before = await read()
    assert await read() is before
    hub = await add_partner(database, "a", TOKEN, CPO, role="HUB")
    after = await read()
    assert after is not before
    async with database.write() as db:
        moved = update(Partner).where(col(Partner.id) == hub).values(platform="hub")
        await db.exec(moved)
        db.add(
            AnnouncedParty(
                partner_id=hub,
                role="CPO",
                party="fr*abc",
                country_code="FR",
                party_id="ABC",
                status="CONNECTED",
                last_updated=1,
            )
        )
    assert "fr*abc" in (await read()).members


class Source:
    """Counts how often it is read, and may change while it is."""

    def __init__(self) -> None:
        self.word = "first"
        self.reads = 0
        self.meanwhile: Callable[[], None] = lambda: None

    async def ask(self) -> str:
        return self.word

    async def read(self) -> int:
        self.reads += 1
        self.meanwhile()
        return self.reads

    def change(self) -> None:
        self.word += "+"


async def test_what_is_kept_is_read_again_only_in_another_edition() -> None:
    source = Source()
    memory = Kept(source.ask)
    assert [await memory.get("a", source.read) for _ in range(3)] == [1, 1, 1]
    assert await memory.get("b", source.read) == 2
    source.change()
    assert [await memory.get("a", source.read) for _ in range(3)] == [3, 3, 3]


async def test_what_changes_while_it_is_read_is_not_kept() -> None:
    source = Source()
    source.meanwhile = source.change
    memory = Kept(source.ask)
    assert [await memory.get("a", source.read) for _ in range(3)] == [1, 2, 3]


async def test_a_failure_is_not_kept() -> None:
    source = Source()
    memory = Kept(source.ask)

    async def fail() -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await memory.get("a", fail)
    assert await memory.get("a", source.read) == 1


async def test_what_is_kept_does_not_grow_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST", 3)
    source = Source()
    memory = Kept(source.ask)
    for key in range(4):
        await memory.get(key, source.read)
    assert await memory.get(3, source.read) == 4
    assert await memory.get(0, source.read) == 5


async def test_sqlite_answers_at_once_whoever_else_asks(light: Database) -> None:
    ((word,),) = await light.fetch("test.edition", EDITION, {})
    source = Source()
    assert await light.kept.get("a", source.read) == 1
    assert word == await edition(light)
