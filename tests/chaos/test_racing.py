"""Two workers reach for one lane at the same moment, again and again."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest
from sqlmodel import col, select

from ocpi.push.lane import Lane
from ocpi.push.lanes import PartnerLane
from ocpi.push.storing import put_held
from ocpi.push.worker import Worker
from tests.chaos.scale import SCALE
from tests.ocpi.push.world import World, a_world


class Contender(Worker):
    """A worker that takes lanes and does not drive them."""

    won: list[Lane]

    def _drive(self, row: PartnerLane) -> None:
        self.won.append(Lane(self._context, self._sources, self._pace, self._watch, row))

    async def reach(self) -> Lane | None:
        """Try for the lane; gives it if it was ours."""
        self.won = []
        await self._claim(1)
        return self.won[0] if self.won else None

    async def write(self, lane: Lane, cursor: int, *, release: bool) -> bool:
        """Store progress as the owner at that epoch; gives whether it was accepted."""
        progress = replace(lane.take(), cursors={"state": cursor})
        async with self._database.write() as db:
            return not await put_held(db, self._watch.id, [(lane, progress)], release=release)


async def cursor_of(world: World) -> int:
    async with world.database.read() as db:
        return (await db.exec(select(col(PartnerLane.cursors)))).one().get("state", 0)


@pytest.mark.timeout(600)
async def test_a_lane_never_has_two_owners_and_a_former_one_writes_nothing(quick_url: str) -> None:
    async with a_world(quick_url) as world:
        await world.add_partner("msp")
        both = [Contender(world.context(own_database=True), {}) for _ in range(2)]
        epochs, former = set[int](), list[tuple[Contender, Lane]]()
        wins = dict.fromkeys(both, 0)
        race, ends = 0, time.monotonic() + SCALE.longest_race
        while race < SCALE.races and time.monotonic() < ends:
            race += 1
            found = await asyncio.gather(*(contender.reach() for contender in both))
            winners = [(who, lane) for who, lane in zip(both, found, strict=True) if lane]
            assert len(winners) == 1, f"race {race}"
            who, lane = winners[0]
            wins[who] += 1
            assert lane.epoch not in epochs
            epochs.add(lane.epoch)
            for old, lost in former:
                assert not await old.write(lost, -1, release=True), f"race {race}"
            assert await who.write(lane, race, release=True)
            former = [(who, lane), *former[:1]]
        assert await cursor_of(world) == race
        print(f"{race} races, won {sorted(wins.values())}")
