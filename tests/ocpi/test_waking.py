"""Processes that wake each other after a commit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

import ocpi.waking
from ocpi.database import Database, stamp
from tests.house import open_database


@asynccontextmanager
async def other_process(url: str) -> AsyncIterator[Database]:
    """Give a database as another process has it, that hears."""
    database = Database(url)
    hearing = asyncio.create_task(database.hear())
    try:
        yield database
    finally:
        hearing.cancel()
        await asyncio.wait([hearing])
        await database.close()


async def test_a_commit_that_stamped_wakes_other_processes_too(postgres_url: str) -> None:
    async with open_database(postgres_url) as ours, other_process(postgres_url) as theirs:
        own = asyncio.create_task(ours.hear())
        async with asyncio.timeout(15):
            while not theirs.changed.is_set():
                async with ours.write() as db:
                    await stamp(db, "state")
                await asyncio.sleep(0.05)
            theirs.changed.clear()
            ours.changed.clear()
            async with theirs.write() as db:
                await stamp(db, "state")
            await ours.changed.wait()
        own.cancel()


async def test_a_process_that_cannot_hear_goes_on_trying(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ocpi.waking, "RETRY", 0.05)
    monkeypatch.setattr(ocpi.waking, "RENEWAL", 0.2)
    async with open_database(postgres_url) as ours, other_process(postgres_url) as theirs:
        stop = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
        async with asyncio.timeout(15):
            for _ in range(3):
                async with ours.read() as db:
                    await db.exec(text(stop))  # type: ignore[call-overload]
                theirs.changed.clear()
                while not theirs.changed.is_set():
                    async with ours.write() as db:
                        await stamp(db, "state")
                    await asyncio.sleep(0.05)
