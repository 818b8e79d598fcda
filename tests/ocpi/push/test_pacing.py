"""How fast partners are told, and that slow ones do not slow the others."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import count

import httpx
import pytest

from ocpi.push.lane import Lane
from ocpi.push.lanes import PartnerLane, restart_lanes
from ocpi.push.pace import micros
from ocpi.push.status import rewind
from ocpi.push.watch import Watch
from tests.ocpi.push.faults import failing
from tests.ocpi.push.simulated import envelope
from tests.ocpi.push.world import QUICK, World, until


async def test_a_partner_gets_no_more_pushes_a_minute_than_it_wants(world: World) -> None:
    partner = await world.add_partner("msp", pushes_per_minute=1200)
    times: list[float] = []

    async def clock_in(_request: httpx.Request) -> None:
        times.append(asyncio.get_running_loop().time())

    partner.misbehave = clock_in
    await world.put_locations(30)
    begun = asyncio.get_running_loop().time()
    world.add_worker()
    await world.until_told()
    # 20 go at once, and 20 a second after that.
    assert times[29] - begun >= 0.4


async def test_a_request_that_hangs_at_the_start_delays_no_other(world: World) -> None:
    partner = await world.add_partner("msp")

    async def hang_once(_request: httpx.Request) -> None:
        if len(partner.requests) == 1:
            await asyncio.sleep(60)

    partner.misbehave = hang_once
    await world.put_locations(20)
    world.add_worker(pace=replace(QUICK, exchange=30, lease=90))
    await until(lambda: len(partner.locations) == 19)
    await world.kill(world.workers[0][0])


async def test_a_moment_that_comes_while_a_lane_looks_is_not_slept_over(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    partner = await world.add_partner("msp", pushes_per_minute=1200)
    now, step = Watch.now, vars(Lane)["_step"]
    skew, steps = 0, count()

    async def step_long(lane: Lane, at: int) -> None:
        nonlocal skew
        await step(lane, at)
        if next(steps) % 2:
            skew += 60_000  # More than from one request to the next.

    monkeypatch.setattr(Watch, "now", lambda watch: now(watch) + skew)
    monkeypatch.setattr(Lane, "_step", step_long)
    await world.put_locations(60)
    world.add_worker(pace=replace(QUICK, lease=3600))
    await world.until_told(partner)


@pytest.mark.threat("TA-17")
async def test_a_black_hole_delays_nobody_else(world: World) -> None:
    hole, other = await world.add_partner("hole"), await world.add_partner("other")

    async def swallow(_request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(60)
        return envelope()

    hole.misbehave = swallow
    world.add_worker(pace=replace(QUICK, exchange=30, lease=90))
    await world.put_locations(50)
    await world.until_told(other)
    assert len(hole.requests) <= QUICK.in_flight
    await world.kill(world.workers[0][0])


async def test_partners_are_told_however_few_places_there_are(world: World) -> None:
    partners = [await world.add_partner(f"p{number}") for number in range(5)]
    partners[0].misbehave = failing(3000, 500)  # type: ignore[assignment]
    await world.put_locations(40)
    world.add_worker(pace=replace(QUICK, places=1))
    await world.until_told(*partners[1:])
    partners[0].misbehave = None
    await world.until_told()


@pytest.mark.pitfall("IP-38")
async def test_a_lane_that_is_taken_up_anew_keeps_the_pause_and_a_rewind_ends_it(
    world: World,
) -> None:
    partner = await world.add_partner("msp")
    world.add_worker()

    async def later(request: httpx.Request) -> httpx.Response | None:
        answer = envelope(2000, 429)
        answer.headers["Retry-After"] = "3600"
        return answer if request.method != "GET" else None

    partner.misbehave = later
    await world.put_location("a")
    await until(lambda: len(partner.pushes) == 1)
    await asyncio.sleep(0.2)
    for _ in range(2):
        async with world.database.write() as db:
            await restart_lanes(db, [world.ids["msp"]])
        await asyncio.sleep(0.3)
    assert len(partner.pushes) == 1
    partner.misbehave = None
    async with world.database.write() as db:
        await rewind(db, world.ids["msp"])
    await world.until_told()


async def test_a_clock_that_was_set_back_makes_no_pause_longer_than_an_hour(world: World) -> None:
    watch = Watch(QUICK, [])
    row = PartnerLane(partner_id=1, paused_until=watch.now() + micros(86400))
    paused_until = Lane(world.context(), {}, QUICK, watch, row).take().paused_until
    assert paused_until is not None
    assert watch.now() < paused_until <= watch.now() + micros(3600)
