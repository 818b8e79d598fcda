"""What every message asks of partners and parties, kept for as long as nothing about them changes.

Whatever changes the directory's tables gives them a new edition: triggers do it (migration 0016),
so that nobody can forget to. Before each use the present edition is asked for, which is one small
row, and what was read of another edition counts for nothing: a revoked token is good for nothing
from the commit on, in every process.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from contextvars import Context
from typing import Any, TypeVar

from sqlalchemy import select
from sqlmodel import Field, SQLModel, col

Value = TypeVar("Value")
Ask = Callable[[], Awaitable[str]]

MOST = 16_384
"""Values at most; then all are forgotten."""


class Edition(SQLModel, table=True):
    """The one row that says which edition of the directory's tables this is."""

    __tablename__ = "edition"

    id: int | None = Field(default=None, primary_key=True)
    word: str
    """Random: a counter that fell back with a failover would come to the same number again."""


EDITION = select(col(Edition.word))


class Kept:
    """What one process has read, by what it was read for."""

    def __init__(self, ask: Ask) -> None:
        """`ask` gives the word of the present edition."""
        self._ask = ask
        self._word = ""
        self._values: dict[Hashable, Any] = {}

    async def get(self, key: Hashable, read: Callable[[], Awaitable[Value]]) -> Value:
        """What `read` gives, read anew only in another edition; what it raises is not kept."""
        word = await self._ask()
        if word == self._word and key in self._values:
            value: Value = self._values[key]
            return value
        value = await read()
        # What changed meanwhile may be in it or not.
        if await self._ask() == word:
            self._keep(word, key, value)
        return value

    def _keep(self, word: str, key: Hashable, value: Any) -> None:
        if word != self._word or len(self._values) >= MOST:
            self._word, self._values = word, {}
        self._values[key] = value


class EachTurn:
    """One question for all who ask it in one turn of the loop, where the answer is there at once.

    What is sent after a commit is heard in a later turn than one in which the answer was older, and
    each turn begins by forgetting it.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._word: str | None = None

    async def __call__(self) -> str:
        """The answer; raises what asking raises."""
        if self._word is None:
            self._word = await self._ask()
            asyncio.get_running_loop().call_soon(self._forget)
        return self._word

    def _forget(self) -> None:
        self._word = None


class Shared:
    """One question for all who ask it at the same time: its answer is younger than each asking."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._asked: asyncio.Task[str] | None = None
        self._next: asyncio.Task[str] | None = None
        """Waits for the one that is asked, whose answer may be older than who asks now."""

    async def __call__(self) -> str:
        """The answer; raises what asking raises."""
        if self._next is None:
            # It is nobody's question in particular, so none of whoever was first goes into it.
            self._next = asyncio.create_task(self._ask_after(self._asked), context=Context())
            self._next.add_done_callback(_look)
        return await asyncio.shield(self._next)

    async def _ask_after(self, other: asyncio.Task[str] | None) -> str:
        if other is not None:
            await asyncio.wait([other])
        self._asked, self._next = self._next, None
        return await self._ask()


def _look(task: asyncio.Task[str]) -> None:
    """Who asked may be gone: asyncio complains of failures that nobody has looked at."""
    if not task.cancelled():
        task.exception()
