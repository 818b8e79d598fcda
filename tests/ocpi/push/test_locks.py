"""Who locks several rows locks them in the order in which all do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from credentials.registration import retire
from ocpi.erasure.erasing import forget_feed
from ocpi.golive.ruling import find_partner, reconsider
from ocpi.parties import Partner, PartnerRole, PlatformID
from ocpi.push.feed import SyncObject
from ocpi.push.lane import Lane
from ocpi.push.lanes import ParkedObject, PartnerLane, close_lane, restart_lanes
from ocpi.push.orphans import see_to_orphans
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
        lambda db: see_to_orphans(db, now=10, longest=10),
    ],
    ids=["restart", "orphans"],
)
async def test_lanes_are_locked_by_their_ids(postgres_url: str, change: Change) -> None:
    async with a_world(postgres_url) as world:
        ids = [await world.add_partner(name) and world.ids[name] for name in ("a", "b")]
        assert ids == [1, 2]
        await set_backwards(world, owner="dead", again_at=7, again_from={"state": 0})
        await meet(world, change, lock(1), lock(2))


async def set_backwards(world: World, **values: object) -> None:
    """Change two lanes: what was changed last comes last where nobody asks for an order."""
    for each in (2, 1):
        async with world.database.write() as db:
            this = col(PartnerLane.partner_id) == each
            await db.exec(update(PartnerLane).where(this).values(**values))


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

    async def beat(self) -> None:
        await self._beat()

    async def leave(self) -> None:
        await self._hand_back()

    @property
    def id(self) -> str:
        return self._watch.id


async def test_a_beat_locks_lanes_to_be_told_again_and_orphans_in_one_order(
    postgres_url: str,
) -> None:
    async with a_world(postgres_url) as world:
        for name in ("orphan", "doubtful"):
            await world.add_partner(name)
        async with world.database.write() as db:
            lane = await db.get_one(PartnerLane, world.ids["orphan"])
            lane.owner = "dead"
            lane = await db.get_one(PartnerLane, world.ids["doubtful"])
            lane.again_at, lane.again_from = 7, {"state": 0}
        keeper = Keeper(world.context(), {})
        await meet(world, lambda _: keeper.beat(), lock(1), lock(2))


async def test_who_ends_locks_the_lanes_that_it_gives_back_by_their_ids(postgres_url: str) -> None:
    async with a_world(postgres_url) as world:
        for name in ("a", "b"):
            await world.add_partner(name)
        keeper = Keeper(world.context(), {})
        await set_backwards(world, owner=keeper.id)
        await meet(world, lambda _: keeper.leave(), lock(1), lock(2))
        async with world.database.read() as db:
            assert (await db.exec(select(PartnerLane.owner))).all() == [None, None]


async def test_who_unregisters_locks_its_own_lane_and_that_of_the_hub_by_their_ids(
    postgres_url: str,
) -> None:
    async with a_world(postgres_url) as world:
        for name in ("direct", "hub"):
            await world.add_partner(name)
        async with world.database.write() as db:
            partner = await db.get_one(Partner, world.ids["hub"])
            partner.platform = PlatformID.HUB
            # The same party is reached by both.
            role = update(PartnerRole).where(col(PartnerRole.partner_id) == partner.key)
            await db.exec(role.values(platform="hub", party="de*001", party_id="001"))

        async def leave(db: AsyncSession) -> None:
            await retire(db, await db.get_one(Partner, world.ids["direct"]))

        await meet(world, leave, lock(1), lock(2))


async def test_lanes_are_locked_by_their_ids_where_rules_may_think_otherwise(
    postgres_url: str,
) -> None:
    async with a_world(postgres_url) as world:
        for name in ("a", "b"):
            await world.add_partner(name)
        rules = [{"number": 1, "module": "locations", "hide": True, "tag": "fleet"}]
        for each in (2, 1):
            async with world.database.write() as db:
                partner = await db.get_one(Partner, each)
                partner.rules = rules
        await meet(world, lambda db: reconsider(db, "locations", "nl*tnm*x"), lock(1), lock(2))


async def test_what_is_left_of_a_lost_lane_locks_it_by_itself(postgres_url: str) -> None:
    async with a_world(postgres_url) as world:
        for name in ("a", "b"):
            await world.add_partner(name)
        keeper = Keeper(world.context(), {})
        await keeper.take()
        keeper.lose(1)
        await meet(world, lambda _: keeper.store(), lock(1), lock(2))


async def test_a_partner_is_removed_while_what_is_left_of_its_lane_is_stored(
    postgres_url: str,
) -> None:
    async with a_world(postgres_url) as world:
        await world.add_partner("msp")
        keeper = Keeper(world.context(), {})
        await keeper.take()
        keeper.lose(world.ids["msp"])

        async def end(db: AsyncSession) -> None:
            await retire(db, await db.get_one(Partner, world.ids["msp"]))

        async def remove(db: AsyncSession) -> None:
            await db.delete(await db.get_one(Partner, world.ids["msp"]))
            await db.flush()

        await meet(world, lambda _: keeper.store(), end, remove)
        async with world.database.read() as db:
            assert (await db.exec(select(ParkedObject))).all() == []


async def erase(db: AsyncSession, _: int) -> None:
    await forget_feed(db, [row(key) for key in ("a", "b")])


def row(key: str) -> SyncObject:
    place: dict[str, Any] = {"stream": "state", "seq": 1, "prev_seq": 0, "order_key": key}
    return SyncObject(key=key, module="locations", owner="nl*tnm", **place)


@pytest.mark.parametrize("change", [retry, close_lane, erase])
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
