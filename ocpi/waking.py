"""How processes on one PostgreSQL wake each other after a commit: a hint, for all of them poll."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from uuid import uuid4

import asyncpg

CHANNEL = "ocpi_changed"
# A notification takes a lock that all commits share, so there is one for many of them.
GAP = 0.1
# Seconds after which a connection that may have died without a word is replaced.
RENEWAL = 300.0
RETRY = 5.0

# What goes wrong is of no consequence: who is not woken finds out when it looks by itself.
_FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)


class Waking:
    """One process' voice and ear."""

    def __init__(self, notify: Callable[[str, str], Awaitable[object]]) -> None:
        """`notify` sends a text on a channel."""
        self._notify = notify
        self._me = uuid4().hex
        self._due = False
        self._ending = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def tell(self) -> None:
        """Have the others woken soon."""
        self._due = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._tell())

    async def _tell(self) -> None:
        while self._due:
            self._due = False
            with suppress(*_FAILURES):
                await self._notify(CHANNEL, self._me)
            with suppress(TimeoutError):
                async with asyncio.timeout(GAP):
                    await self._ending.wait()

    async def hear(self, dsn: str, woken: Callable[[], None]) -> None:
        """Call `woken` whenever another process tells, until cancelled."""
        while True:
            with suppress(*_FAILURES):
                await self._hear(dsn, woken)
                continue
            await asyncio.sleep(RETRY)

    async def _hear(self, dsn: str, woken: Callable[[], None]) -> None:
        """The same for as long as a connection is good."""
        lost = asyncio.Event()

        def heard(_connection: Any, _pid: int, _channel: str, who: object) -> None:
            if who != self._me:
                woken()

        connection = await asyncpg.connect(dsn, timeout=RETRY)
        try:
            connection.add_termination_listener(lambda _connection: lost.set())
            await connection.add_listener(CHANNEL, heard)
            async with asyncio.timeout(RENEWAL):
                await lost.wait()
        except TimeoutError:
            return
        finally:
            connection.terminate()
        raise ConnectionResetError

    async def close(self) -> None:
        """Say what is left to say."""
        self._ending.set()
        if self._task is not None:
            await self._task
