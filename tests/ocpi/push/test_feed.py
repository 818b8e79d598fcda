"""The feed: no change is missed, whole objects cover their parts, and what a PATCH may follow."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import text
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.database import Database
from ocpi.push.feed import Change, Stream, SyncObject, changed
from ocpi.spec.document import decode
from tests.house import head, open_database

LOC1 = "nl*tnm*loc1"


@pytest.fixture
async def database(sqlite_url: str) -> AsyncIterator[Database]:
    async with open_database(sqlite_url) as opened:
        yield opened


async def tell(database: Database, *changes: Change) -> list[int]:
    async with database.write() as db:
        return [await changed(db, change) for change in changes]


async def rows(database: Database) -> list[dict[str, Any]]:
    async with database.read() as db:
        found = await db.exec(select(SyncObject).order_by(col(SyncObject.seq)))
        return [row.model_dump() for row in found]


async def seqs(database: Database) -> list[tuple[str, int, int]]:
    return [(row["key"], row["prev_seq"], row["seq"]) for row in await rows(database)]


async def test_a_change_is_remembered_with_all_that_its_telling_needs(database: Database) -> None:
    await tell(
        database,
        Change("locations", LOC1, part="EVSE-1", patch={"status": "CHARGING"}, correlation_id="c"),
    )
    assert await rows(database) == [
        {
            "key": "locations/nl*tnm*loc1/evse-1",
            "module": "locations",
            "owner": "nl*tnm",
            "stream": "state",
            "seq": 1,
            "prev_seq": 0,
            "order_key": "locations/nl*tnm*loc1",
            "audience": None,
            "deleted": False,
            "patch": '{"status":"CHARGING"}',
            "correlation_id": "c",
        }
    ]


@pytest.mark.req("TR-19")
async def test_a_second_change_takes_the_place_of_the_first(database: Database) -> None:
    await tell(database, Change("tariffs", "nl*tnm*t1"), Change("tariffs", "nl*tnm*t2"))
    await tell(database, Change("tariffs", "nl*tnm*t1", deleted=True, audience="de*msp"))
    assert await seqs(database) == [("tariffs/nl*tnm*t2", 0, 2), ("tariffs/nl*tnm*t1", 1, 3)]
    newest = (await rows(database))[-1]
    assert (newest["deleted"], newest["audience"], newest["patch"]) == (True, "de*msp", None)


async def test_the_streams_count_apart(database: Database) -> None:
    given = await tell(
        database,
        Change("cdrs", "nl*tnm*c1", stream=Stream.MONEY),
        Change("tariffs", "nl*tnm*t1"),
        Change("cdrs", "nl*tnm*c2", stream=Stream.MONEY),
    )
    assert given == [1, 1, 2]
    async with database.read() as db:
        assert (await head(db, Stream.MONEY), await head(db, Stream.STATE)) == (2, 1)


async def test_a_part_follows_what_was_told_of_it_last(database: Database) -> None:
    whole, part = Change("locations", LOC1), Change("locations", LOC1, part="E1")
    await tell(database, whole, Change("tariffs", "nl*tnm*t1"), part, part)
    assert await seqs(database) == [
        ("locations/nl*tnm*loc1", 0, 1),
        ("tariffs/nl*tnm*t1", 0, 2),
        ("locations/nl*tnm*loc1/e1", 3, 4),
    ]
    await tell(database, Change("locations", LOC1, part="E2"))
    assert (await seqs(database))[-1] == ("locations/nl*tnm*loc1/e2", 1, 5)


async def test_the_whole_covers_its_parts_and_no_others(database: Database) -> None:
    await tell(
        database,
        Change("locations", LOC1, part="E1"),
        Change("locations", LOC1, part="E2"),
        Change("locations", "nl*tnm*loc10", part="E1"),
        Change("tariffs", LOC1),
        Change("locations", LOC1),
    )
    assert [key for key, _, _ in await seqs(database)] == [
        "locations/nl*tnm*loc10/e1",
        "tariffs/nl*tnm*loc1",
        "locations/nl*tnm*loc1",
    ]


async def test_who_missed_a_part_is_not_sent_a_patch_of_the_whole(database: Database) -> None:
    whole = Change("locations", LOC1, patch={"name": "New"})
    await tell(database, whole, Change("locations", LOC1, part="E1"), whole)
    # A partner that has seen no more than change 1 lacks the EVSE's change 2, whose row is gone.
    assert await seqs(database) == [("locations/nl*tnm*loc1", 2, 3)]


@pytest.mark.parametrize("identifier", ["a/b", "a%2fb", "a/b/c", "a b", "a*b", "/", "a?b#c"])
async def test_ids_with_a_slash_stay_apart(database: Database, identifier: str) -> None:
    await tell(
        database,
        Change("locations", "nl*tnm*a"),
        Change("locations", "nl*tnm*a", part="b"),
        Change("locations", "nl*tnm*a", part="b/c"),
        Change("locations", f"nl*tnm*{identifier}"),
        Change("locations", f"nl*tnm*{identifier}", part="b"),
    )
    assert len({row["key"] for row in await rows(database)}) == 5
    assert {row["owner"] for row in await rows(database)} == {"nl*tnm"}


async def test_a_change_that_is_rolled_back_was_never_there(database: Database) -> None:
    async with database.write() as db:
        await changed(db, Change("locations", LOC1))
        await db.rollback()
    assert await rows(database) == []
    assert await tell(database, Change("locations", LOC1)) == [1]


@pytest.mark.pitfall("IP-24")
async def test_a_polling_reader_misses_nothing(database_url: str) -> None:
    async with open_database(database_url) as database:
        done = asyncio.Event()

        async def write(writer: int) -> set[str]:
            keys = {f"nl*tnm*{writer}-{step}" for step in range(10)}
            for number, key in enumerate(keys):
                async with database.write() as db:
                    await changed(db, Change("tariffs", key, patch={"step": number}))
                    # The commit comes later than the number, and not in its order by itself.
                    await asyncio.sleep(0.001 * (writer % 3))
            return keys

        async def poll() -> list[str]:
            cursor, seen, last = 0, list[str](), False
            while not last:
                last = done.is_set()
                async with database.read() as db:
                    found = await db.exec(
                        select(SyncObject)
                        .where(col(SyncObject.seq) > cursor)
                        .order_by(col(SyncObject.seq))
                    )
                    for row in found:
                        cursor = row.seq
                        seen.append(row.key.removeprefix("tariffs/"))
                await asyncio.sleep(0.001)
            return seen

        reading = asyncio.create_task(poll())
        written = await asyncio.gather(*(write(writer) for writer in range(6)))
        done.set()
        assert sorted(await reading) == sorted(key for keys in written for key in keys)


async def test_a_cursor_over_bare_serial_numbers_would_miss_changes(postgres_url: str) -> None:
    """The control: what the feed does is needed, and the test above can tell."""
    async with open_database(postgres_url) as database:
        async with database.write() as db:
            await run(db, "CREATE TABLE bare (id BIGSERIAL)")
        async with database.write() as slow:
            await run(slow, "INSERT INTO bare DEFAULT VALUES")
            async with database.write() as quick:
                await run(quick, "INSERT INTO bare DEFAULT VALUES")
            seen = await bare_ids(database, after=0)
        seen += await bare_ids(database, after=max(seen))
        assert (seen, await bare_ids(database, after=0)) == ([2], [1, 2])


async def bare_ids(database: Database, after: int) -> list[int]:
    async with database.read() as db:
        return list(await run(db, f"SELECT id FROM bare WHERE id > {after} ORDER BY id"))  # noqa: S608


async def run(db: AsyncSession, statement: str) -> Any:
    found = await db.exec(text(statement))  # type: ignore[call-overload]
    return found.scalars() if found.returns_rows else None


async def test_patches_are_kept_exactly(database: Database) -> None:
    await tell(database, Change("tariffs", "nl*tnm*t1", patch=decode('{"price":0.2500}')))
    assert [row["patch"] for row in await rows(database)] == ['{"price":0.2500}']
