"""Numbers in the order of commits lose nothing; bare serial numbers, the control, do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import BigInteger, Column, MetaData, Table, Text, insert, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.database import Database, stamp
from tests.chaos.scale import SCALE, seeded
from tests.house import open_database

NOTED = Table("noted", MetaData(), Column("seq", BigInteger), Column("name", Text))
SERIAL = Table("serial", NOTED.metadata, Column("last", BigInteger))
Writing = Callable[[Database, str, float], Awaitable[None]]


async def write_stamped(database: Database, name: str, seconds: float) -> None:
    """Write a row as the feed does, in a transaction that goes on for a while."""
    async with database.write() as db:
        await _note(db, await stamp(db, "state"), name)
        await asyncio.sleep(seconds)


async def write_numbered(database: Database, name: str, seconds: float) -> None:
    """Write a row under a bare serial number: given out at once, before the row is there."""
    async with database.write() as db:
        next_one = update(SERIAL).values(last=SERIAL.c.last + 1).returning(SERIAL.c.last)
        number = (await db.exec(next_one)).scalar_one()
    # Longer than above, so that a reader comes in between on a slow machine too.
    await asyncio.sleep(10 * seconds)
    async with database.write() as db:
        await _note(db, number, name)


async def _note(db: AsyncSession, number: int, name: str) -> None:
    await db.exec(insert(NOTED).values(seq=number, name=name))


async def read_on(database: Database, done: asyncio.Event) -> set[str]:
    """What a reader sees that never looks back."""
    cursor, seen, last = 0, set[str](), False
    query = select(NOTED.c.seq, NOTED.c.name).order_by(NOTED.c.seq)
    while not last:
        last = done.is_set()
        async with database.read() as db:
            rows = (await db.exec(query.where(NOTED.c.seq > cursor))).all()  # type: ignore[call-overload]
        seen |= {name for _, name in rows}
        cursor = max((seq for seq, _ in rows), default=cursor)
        await asyncio.sleep(0.001)
    return seen


async def lost(database: Database, write: Writing, name: str) -> int:
    """How many rows a reader misses while several write."""
    chance, done = seeded(name), asyncio.Event()
    each = SCALE.rows // SCALE.writers

    async def write_all(writer: int) -> None:
        for step in range(each):
            await write(database, f"{writer}-{step}", chance.uniform(0, 0.004))

    reading = asyncio.create_task(read_on(database, done))
    await asyncio.gather(*(write_all(writer) for writer in range(SCALE.writers)))
    done.set()
    return each * SCALE.writers - len(await reading)


@pytest.mark.timeout(600)
async def test_numbers_in_commit_order_lose_nothing_and_bare_ones_do(quick_url: str) -> None:
    async with open_database(quick_url) as database:
        async with database.engine.begin() as connection:
            await connection.run_sync(NOTED.metadata.create_all)
        assert await lost(database, write_stamped, "stamped") == 0
        async with database.write() as db:
            await db.exec(NOTED.delete())
            await db.exec(insert(SERIAL).values(last=0))
        missing = await lost(database, write_numbered, "numbered")
        # Otherwise the assertion before would have proved nothing.
        assert missing > 0
        print(f"of {SCALE.rows} rows {missing} were lost under bare numbers, none under stamps")
