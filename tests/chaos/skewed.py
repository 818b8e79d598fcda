"""A database clock that can be set, by which days pass in a moment."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from sqlalchemy import BigInteger, Column, MetaData, Table, insert, text, update

from ocpi import database
from ocpi.push.pace import micros
from tests.ocpi.push.world import World

SKEW = Table("skew", MetaData(), Column("micros", BigInteger))


@dataclass
class Skewed:
    """The clock of a world's database; what workers and lanes are told is ahead, or behind."""

    world: World

    async def begin(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async with self.world.database.engine.begin() as connection:
            await connection.run_sync(SKEW.metadata.create_all)
        async with self.world.database.write() as db:
            await db.exec(insert(SKEW).values(micros=0))
        for name, sql in list(database.CLOCK.items()):
            skewed = f"{sql} + (SELECT micros FROM skew)"  # noqa: S608 - constants.
            monkeypatch.setitem(database.CLOCK, name, skewed)
            monkeypatch.setitem(vars(database)["_CLOCK"], name, text(skewed))

    async def jump(self, seconds: float) -> None:
        """Set the clock on, or back."""
        async with self.world.database.write() as db:
            await db.exec(update(SKEW).values(micros=SKEW.c.micros + micros(seconds)))
