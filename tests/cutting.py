"""Cut points: the n-th thing that a database is asked fails, whatever it is."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, event

from ocpi.database import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    import pytest
    from sqlalchemy import Executable
    from sqlmodel.ext.asyncio.session import AsyncSession

MOST = 80
"""No request asks for so much."""


class Cuts:
    """What fails are statements, commits, and the news of a commit that was made all the same."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Cut into databases that are opened from here on, see `watch`."""
        self._left = 0
        self._at = ""
        fetch, write = Database.fetch, Database.write

        async def cut_fetch(
            database: Database, key: Any, statement: Executable, given: Mapping[str, Any]
        ) -> Sequence[Sequence[Any]]:
            self.pass_by(f"reading {key}")
            return await fetch(database, key, statement, given)

        @asynccontextmanager
        async def cut_write(database: Database) -> AsyncIterator[AsyncSession]:
            async with write(database) as db:
                yield db
            self.pass_by("hearing of a commit")

        monkeypatch.setattr(Database, "fetch", cut_fetch)
        monkeypatch.setattr(Database, "write", cut_write)

    def watch(self, database: Database) -> None:
        """Cut into what is done by the ORM, too."""
        engine = database.engine.sync_engine

        @event.listens_for(engine, "before_cursor_execute")
        def at_statement(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
            self.pass_by(statement)

        @event.listens_for(engine, "commit")
        def at_commit(_connection: Connection) -> None:
            self.pass_by("a commit")

    def numbers(self, fewest: int = 6) -> Iterator[int]:
        """Numbers to `arm` with, until one is larger than there are things to fail."""
        for number in range(1, MOST - 1):
            yield number
            if not self._at:
                assert number >= fewest
                return
        raise AssertionError("It never ends.")

    def arm(self, number: int) -> None:
        """Have the n-th fail from here."""
        self._left, self._at = number, ""

    def disarm(self) -> str:
        """Let everything pass; gives what failed, or nothing where there were fewer."""
        self._left = 0
        return self._at

    def pass_by(self, what: str) -> None:
        """Fail if it is this one's turn."""
        self._left -= 1
        if self._left == 0:
            self._at = what
            raise OSError(what)
