"""Who locks several rows locks them in the order in which all do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from sqlalchemy import text, update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.golive.ruling import find_partner
from ocpi.push.lane import Lane
from ocpi.push.lanes import ParkedObject, PartnerLane, close_lane, restart_lanes
from ocpi.push.orphans import release_orphans, tell_again
from ocpi.push.status import retry
from ocpi.push.worker import Worker
from tests.ocpi.push.world import World, a_world, until_found

Change = Callable[[AsyncSession], Awaitable[object]]
WAITING = text(
    "SELECT count(*) FROM pg_stat_activity"
    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


async def meet(world: World, change: Change, first: Change, then: Change) -> None:
    """Have a transaction take a lock, another one wait for it, and the first one go on."""

    async def other() -> None:
        async with world.database.write() as db:
            await change(db)

    async def waits() -> bool:
        return bool((await world.database.fetch("waiting", WAITING, {}))[0][0])

    async with world.database.write() as db:
        await first(db)
        task = asyncio.create_task(other())
        await until_found(waits)
        await then(db)
    await task


def lock(partner_id: int) -> Change:
    return lambda db: db.get(PartnerLane, partner_id, with_for_update=True)


@pytest.mark.parametrize(
    "change",
    [
        lambda db: restart_lanes(db, [2, 1]),
        lambda db: release_orphans(db, again_at=10),
        lambda db: tell_again(db, now=10, longest=10),
    ],
    ids=["restart", "release", "tell again"],
)
async def test_lanes_are_locked_by_their_ids(postgres_url: str, change: Change) -> None:
    async with a_world(postgres_url) as world:
        ids = [await world.add_partner(name) and world.ids[name] for name in ("a", "b")]
        assert ids == [1, 2]
        lanes = update(PartnerLane).values(owner="dead", again_at=7, again_from={"state": 0})
        # What was changed last comes last where nobody asks for an order.
        for each in reversed(ids):
            async with world.database.write() as db:
                await db.exec(lanes.where(col(PartnerLane.partner_id) == each))
        await meet(world, change, lock(1), lock(2))


class Keeper(Worker):
    """A worker that takes lanes, and has something to store of them."""

    async def take(self) -> None:
        await self._claim(9)

    def _drive(self, row: PartnerLane) -> None:
        lane = Lane(self._context, self._sources, self._pace, self._watch, row)
        lane.changed = True
        self._lanes[lane.partner_id] = lane

    def lose(self, partner_id: int) -> None:
        told = self._lanes.pop(partner_id).take()
        self._storing.leave(partner_id, replace(told, sent=frozenset("a")))

    async def store(self) -> None:
        await self._storing.commit()


async def test_what_is_left_of_a_lost_lane_locks_it_by_itself(postgres_url: str) -> None:
    async with a_world(postgres_url) as world:
        for name in ("a", "b"):
            await world.add_partner(name)
        keeper = Keeper(world.context(), {})
        await keeper.take()
        keeper.lose(1)
        await meet(world, lambda _: keeper.store(), lock(1), lock(2))


@pytest.mark.parametrize("change", [retry, close_lane])
async def test_who_changes_what_is_parked_takes_the_lane_first(
    postgres_url: str, change: Callable[[AsyncSession, int], Awaitable[object]]
) -> None:
    async with a_world(postgres_url) as world:
        await world.add_partner("msp")
        partner_id = world.ids["msp"]
        for key in ("a", "b"):
            async with world.database.write() as db:
                db.add(parked(partner_id, key))

        async def store(db: AsyncSession) -> None:
            await lock(partner_id)(db)
            await touch(db, "b")

        await meet(world, lambda db: change(db, partner_id), store, lambda db: touch(db, "a"))


def parked(partner_id: int, key: str) -> ParkedObject:
    return ParkedObject(
        partner_id=partner_id,
        object_key=key,
        seq=1,
        kind="rejected",
        attempts=1,
        next_at=1,
        first_failed_at=1,
    )


async def test_rules_may_change_while_something_is_parked(postgres_url: str) -> None:
    async with a_world(postgres_url) as world:
        await world.add_partner("msp")
        partner_id = world.ids["msp"]

        async def rule(db: AsyncSession) -> None:
            await find_partner(db, "msp", lock=True)
            await lock(partner_id)(db)

        async def park(db: AsyncSession) -> None:
            db.add(parked(partner_id, "a"))
            await db.flush()

        await meet(world, rule, lock(partner_id), park)


async def touch(db: AsyncSession, key: str) -> None:
    one = update(ParkedObject).where(col(ParkedObject.object_key) == key)
    await db.exec(one.values(attempts=2))
