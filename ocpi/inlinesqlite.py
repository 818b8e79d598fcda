"""SQLAlchemy's way to SQLite, on the event loop's own thread except where it may have to wait.

A statement takes tens of microseconds, a change of threads more than a hundred: aiosqlite makes
four for each. Here only BEGIN, which may wait for another process, and COMMIT, which waits for the
disk, are left to a thread. For sessions, and for `run_sync` of a connection: a connection's own
`execute` insists on waiting for something.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

from sqlalchemy import URL
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.pool import AsyncAdaptedQueuePool, Pool
from sqlalchemy.util import await_only

NAME = "sqlite.inline"


# Threads of its own: in the loop's, names that do not resolve would stand in the way of commits.
_THREADS = ThreadPoolExecutor(8, "sqlite")


def in_thread(work: Callable[..., Any], *given: Any) -> Any:
    """Do what may wait in a thread; only inside a call that SQLAlchemy has made awaitable."""
    return await_only(_to_the_end(work, *given))


async def _to_the_end(work: Callable[..., Any], *given: Any) -> Any:
    """A thread cannot be stopped: who is cancelled waits, for it still uses the connection."""
    loop = asyncio.get_running_loop()
    task = loop.run_in_executor(_THREADS, partial(work, *given))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        # What it raised belongs to nobody any more.
        task.exception()
        raise


class _Cursor(sqlite3.Cursor):
    async def _async_soft_close(self) -> None:
        """SQLAlchemy asks this of drivers whose rows are still to come; ours are there."""


class _Connection(sqlite3.Connection):
    def cursor(self, factory: Any = _Cursor) -> Any:
        return super().cursor(factory)


class InlineSQLite(SQLiteDialect_pysqlite):
    """The dialect behind `sqlite+inline:///`."""

    driver = "inline"
    is_async = True
    supports_statement_cache = True

    @classmethod
    def get_pool_class(cls, url: URL) -> type[Pool]:
        """A pool whose users wait without stopping the loop."""
        del url
        return AsyncAdaptedQueuePool

    def connect(self, *given: Any, **named: Any) -> Any:
        """A connection that threads may use one after the other."""
        options = {**named, "check_same_thread": False, "factory": _Connection}
        return super().connect(*given, **options)

    def do_commit(self, dbapi_connection: Any) -> None:
        """Wait for the disk elsewhere."""
        in_thread(dbapi_connection.commit)


registry.register(NAME, __name__, InlineSQLite.__name__)
