"""SQLite on the loop's own thread: what may wait does so elsewhere, and nothing is half done."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
from sqlmodel import select

from ocpi.database import Database, stamp
from ocpi.push.feed import FeedHead
from tests.house import open_database


@pytest.fixture
async def database(sqlite_url: str) -> AsyncIterator[Database]:
    async with open_database(sqlite_url) as opened:
        yield opened


@contextmanager
def locked(database: Database) -> Iterator[None]:
    """Hold the write lock, as another process would."""
    other = sqlite3.connect(database.url.database or "", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


async def write(database: Database, error: Exception | None = None) -> None:
    async with database.write() as db:
        await stamp(db, "state")
        if error is not None:
            raise error


async def head(database: Database) -> int:
    async with database.read() as db:
        found = await db.exec(select(FeedHead.seq).where(FeedHead.stream == "state"))
        return found.one()


async def test_the_loop_goes_on_while_a_writer_waits_for_another_process(
    database: Database,
) -> None:
    with locked(database):
        writing = asyncio.create_task(write(database))
        for _ in range(20):
            await asyncio.sleep(0.01)
            assert await head(database) == 0
        assert not writing.done()
    await writing
    assert await head(database) == 1


async def test_a_writer_that_is_cancelled_while_it_waits_leaves_nothing_locked(
    database: Database,
) -> None:
    with locked(database):
        writing = asyncio.create_task(write(database))
        await asyncio.sleep(0.1)
        for _ in range(3):
            writing.cancel()
            await asyncio.sleep(0.05)
        assert not writing.done()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await write(database)
    assert await head(database) == 1


async def test_busy_threads_of_the_loop_keep_no_writer_waiting(database: Database) -> None:
    over = threading.Event()
    busy = [asyncio.create_task(asyncio.to_thread(over.wait)) for _ in range(100)]
    try:
        async with asyncio.timeout(5):
            await write(database)
    finally:
        over.set()
        await asyncio.gather(*busy)
    assert await head(database) == 1


async def test_what_raises_inside_is_rolled_back(database: Database) -> None:
    with pytest.raises(LookupError):
        await write(database, LookupError())
    assert await head(database) == 0
    await write(database)
    assert await head(database) == 1
