"""The database's clock is set on or back by a day, and a partner is away for three."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import func, update
from sqlmodel import SQLModel, select

from ocpi.database import clock
from ocpi.push.feed import SyncObject
from ocpi.push.lanes import ParkedObject, PartnerLane, Receipt, WorkerBeat
from tests.chaos.scale import SCALE
from tests.chaos.skewed import Skewed
from tests.ocpi.push.faults import failing, status_of, until_parked, until_state
from tests.ocpi.push.world import QUICK, World, until, until_found

DAY = 86_400


async def count(world: World, table: type[SQLModel]) -> int:
    async with world.database.read() as db:
        return (await db.exec(select(func.count()).select_from(table))).one()


@pytest.mark.parametrize("days", [1, -1])
async def test_a_clock_that_jumps_loses_nothing_and_stops_no_lane(
    skewed: Skewed, days: int
) -> None:
    world = skewed.world
    partner = await world.add_partner("msp")
    world.add_worker(own_database=True)
    world.add_worker(own_database=True)
    await world.put_locations(10)
    await world.until_told()
    await skewed.jump(days * DAY)
    await world.put_locations(10)
    await world.post_cdr("c1")
    await world.until_told()
    assert len(partner.cdrs) == 1


async def test_what_is_parked_when_the_clock_is_set_back_does_not_wait_for_it(
    skewed: Skewed,
) -> None:
    world = skewed.world
    partner = await world.add_partner("msp")
    partner.misbehave = failing(3000, 500, only="/poison")  # type: ignore[assignment]
    world.add_worker()
    await world.put_location("poison")
    await world.put_location("a")
    await until_parked(world, "locations/nl*tnm*poison", "transient")
    await skewed.jump(-DAY)
    partner.misbehave = None
    await world.until_told()


async def test_a_breaker_that_is_open_when_the_clock_is_set_back_does_not_wait_for_it(
    skewed: Skewed,
) -> None:
    world = skewed.world
    partner = await world.add_partner("msp")
    partner.misbehave = failing(3000, 500, probes=True)  # type: ignore[assignment]
    world.add_worker()
    await world.put_locations(10)
    await until_state(world, "stopped")
    await skewed.jump(-DAY)
    partner.misbehave = None
    await world.until_told()


async def test_a_dead_worker_whose_beat_lies_in_the_future_keeps_no_lane(skewed: Skewed) -> None:
    world = skewed.world
    await world.add_partner("msp")
    async with world.database.write() as db:
        db.add(WorkerBeat(id="elsewhere", beat_at=await clock(db)))
        await db.exec(update(PartnerLane).values(owner="elsewhere"))
    await skewed.jump(-DAY)
    await world.put_location("a")
    world.add_worker()
    await world.until_told()


async def test_a_partner_that_is_away_for_three_days_leaves_nothing_behind_but_its_mark(
    skewed: Skewed,
) -> None:
    world = skewed.world
    partner = await world.add_partner("msp")
    partner.misbehave = failing(3000, 500, probes=True)  # type: ignore[assignment]
    world.add_worker(pace=replace(QUICK, retries=(5, 60, 600), probe_cap=300, probe_cap_later=900))
    await world.put_locations(SCALE.objects)
    await until_state(world, "stopped")
    parked = await count(world, ParkedObject)
    for hour in range(72):
        await skewed.jump(3600)
        for number in range(3):
            await world.put_location(f"l{(hour + number) % SCALE.objects}")
        if hour % 24 == 0:
            await world.post_cdr(f"c{hour}")
    assert (await status_of(world)).state == "stopped"
    assert await count(world, SyncObject) == SCALE.objects + 3
    # What was in flight when the breaker opened, and nothing for all that changed since but bills
    # that it may have taken when they were tried.
    assert await count(world, ParkedObject) <= parked + 3 <= 16
    assert await count(world, Receipt) == 0
    partner.misbehave, before = None, len(partner.pushes)
    await skewed.jump(900)
    await world.until_told()
    bills = [n for n, each in enumerate(partner.pushes[before:]) if each.method == "POST"]
    # One push for each object, in whatever state it is now, and what bills goes first: behind what
    # is parked, the trials of the breaker and what is in flight.
    assert len(partner.pushes) - before <= SCALE.objects + 3 + parked
    assert max(bills) <= parked + 4 * QUICK.in_flight
    await until(lambda: len(partner.cdrs) == 3)

    async def proven() -> bool:
        return await count(world, Receipt) == 3

    # They are stored together, a moment later.
    await until_found(proven)
