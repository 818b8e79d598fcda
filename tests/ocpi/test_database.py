"""Transactions, numbers in commit order, the database's clock, and reads without the ORM."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import bindparam
from sqlmodel import col, select

from modules.tariffs.store import TariffRow
from ocpi.database import Database, clock, stamp
from ocpi.envelope import may_pass
from tests.house import head, open_database


@pytest.fixture
async def database(sqlite_url: str) -> AsyncIterator[Database]:
    async with open_database(sqlite_url) as opened:
        yield opened


@pytest.fixture
async def each_database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url) as opened:
        yield opened


def tariff_row(position: int) -> TariffRow:
    return TariffRow(
        position=position,
        key=f"nl*tnm*{position}",
        owner="nl*tnm",
        last_updated=2**62,
        body='{"name":"Größe"}',
    )


BODIES = (
    select(col(TariffRow.body), col(TariffRow.last_updated))
    .where(col(TariffRow.position) > bindparam("position"))
    .order_by(col(TariffRow.position))
)


async def rows_of(database: Database, position: int = 0) -> list[tuple[object, ...]]:
    rows = await database.fetch("test.bodies", BODIES, {"position": position})
    return [tuple(row) for row in rows]


async def test_a_block_that_ends_is_committed(database: Database) -> None:
    async with database.write() as db:
        db.add(tariff_row(1))
        await db.flush()
        assert await rows_of(database) == []
    assert await rows_of(database) == [('{"name":"Größe"}', 2**62)]


async def fail_after_writing(database: Database) -> None:
    async with database.write() as db:
        db.add(tariff_row(1))
        await stamp(db, "state")
        raise LookupError


async def test_a_block_that_raises_leaves_nothing(each_database: Database) -> None:
    with pytest.raises(LookupError):
        await fail_after_writing(each_database)
    assert await rows_of(each_database) == []
    assert not each_database.changed.is_set()
    async with each_database.read() as db:
        assert await head(db, "state") == 0


@pytest.mark.parametrize("wrong", [{"position": 2**70}, {"position": 1, "body": "\ud800"}])
async def test_a_value_that_no_column_takes_is_not_to_be_tried_again(
    each_database: Database, wrong: dict[str, Any]
) -> None:
    with pytest.raises(Exception) as raised:  # noqa: PT011 - each driver has its own.
        async with each_database.write() as db:
            db.add(TariffRow(**tariff_row(1).model_dump() | wrong))
    assert not may_pass(raised.value)


async def test_a_prepared_read_takes_its_parameters_each_time(each_database: Database) -> None:
    async with each_database.write() as db:
        db.add_all([tariff_row(1), tariff_row(2)])
    assert [len(await rows_of(each_database, position)) for position in (0, 1, 2, 0)] == [
        2,
        1,
        0,
        2,
    ]


async def test_the_clock_tells_microseconds_since_1970(each_database: Database) -> None:
    async with each_database.read() as db:
        before = time.time_ns() // 1000
        now = await clock(db)
        after = time.time_ns() // 1000
    # SQLite's clock ticks in milliseconds.
    assert before - 2000 <= now <= after + 2000


async def test_numbers_follow_one_another(database: Database) -> None:
    async with database.write() as db:
        assert [await stamp(db, "state"), await stamp(db, "state", 10)] == [1, 2]
        assert [await stamp(db, "state"), await stamp(db, "money")] == [12, 1]


async def test_only_a_commit_that_stamped_wakes_the_worker(database: Database) -> None:
    async with database.write() as db:
        await clock(db)
    assert not database.changed.is_set()
    async with database.write() as db:
        await stamp(db, "state")
        assert not database.changed.is_set()
    assert database.changed.is_set()


async def count_up(database: Database, times: int) -> list[int]:
    numbers = []
    for _ in range(times):
        async with database.write() as db:
            numbers.append(await stamp(db, "state"))
            await asyncio.sleep(0)
    return numbers


async def test_concurrent_writers_get_each_number_once(each_database: Database) -> None:
    given = await asyncio.gather(*(count_up(each_database, 15) for _ in range(6)))
    assert sorted(number for numbers in given for number in numbers) == list(range(1, 91))


async def test_two_processes_on_one_database_wait_for_each_other(database_url: str) -> None:
    async with open_database(database_url) as ours:
        theirs = Database(ours.url.render_as_string(hide_password=False))
        try:
            given = await asyncio.gather(*(count_up(each, 20) for each in (ours, theirs)))
        finally:
            await theirs.close()
    assert sorted(number for numbers in given for number in numbers) == list(range(1, 41))


async def test_a_long_write_does_not_stop_readers(each_database: Database) -> None:
    async with each_database.write() as db:
        db.add(tariff_row(1))
        await db.flush()
        async with each_database.read() as other:
            assert await head(other, "state") == 0
        assert await rows_of(each_database) == []
