"""The faults of the adversarial list that no other test brings about."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import httpx
import pytest
from sqlalchemy import update
from sqlmodel import select

from ocpi.push.breaker import Breaker
from ocpi.push.feed import Stream
from ocpi.push.lanes import PartnerLane
from ocpi.push.pace import Pace, micros
from tests.chaos.scale import WHOLE
from tests.ocpi.push.faults import failing, until_not_behind, until_state
from tests.ocpi.push.simulated import Simulated
from tests.ocpi.push.world import QUICK, World, until

DEAD = 200 if WHOLE else 20
RETURNING = 100 if WHOLE else 10


def slowly(seconds: float) -> object:
    async def answer(_request: httpx.Request) -> None:
        await asyncio.sleep(seconds)

    return answer


async def test_a_slow_partner_gets_fewer_messages_and_delays_nobody(world: World) -> None:
    slow, other = await world.add_partner("slow"), await world.add_partner("other")
    slow.misbehave = slowly(1)  # type: ignore[assignment]
    world.add_worker(pace=replace(QUICK, exchange=30, lease=90))
    for _ in range(40):
        await world.put_location("a")
    await world.until_told(other)
    assert len(slow.versions.get("a", ())) < 40
    await world.until_told()


async def test_what_was_answered_and_not_stored_is_sent_again(world: World) -> None:
    partner = await world.add_partner("msp")
    # Nothing is stored while the test looks, as if the process died between answer and commit.
    first = world.add_worker(pace=replace(QUICK, commit=60))
    await world.put_locations(10)
    await world.until_told()
    await world.kill(first)
    told = len(partner.pushes)
    await world.put_location("a")
    world.add_worker()
    await world.until_told()
    await until(lambda: len(partner.pushes) >= told + 11)
    assert all(seen == sorted(seen) for seen in partner.versions.values())


async def test_a_cdr_whose_worker_dies_at_the_answer_has_one_copy(world: World) -> None:
    partner = await world.add_partner("msp")
    arrived = asyncio.Event()

    async def take_and_hang(request: httpx.Request) -> None:
        if request.method == "POST" and not arrived.is_set():
            partner.behave("POST", "cdrs", [], partner.requests[-1].body)
            arrived.set()
            await asyncio.sleep(60)

    partner.misbehave = take_and_hang
    first = world.add_worker()
    await world.post_cdr("c1")
    await arrived.wait()
    await world.kill(first)
    world.add_worker()
    await until(lambda: len(partner.of("POST")) == 2)
    await until_not_behind(world)
    assert [cdr["id"] for cdr in partner.cdrs] == ["c1"]


async def test_cursors_beyond_the_feed_as_after_a_restore_hide_no_change(world: World) -> None:
    await world.add_partner("msp")
    async with world.database.write() as db:
        beyond = {stream.value: 1_000_000 for stream in Stream}
        await db.exec(update(PartnerLane).values(cursors=beyond))
    world.add_worker()

    async def claimed() -> bool:
        async with world.database.read() as db:
            return (await db.exec(select(PartnerLane.owner))).one() is not None

    while not await claimed():  # noqa: ASYNC110 - a worker of its own does it.
        await asyncio.sleep(0.01)
    await world.put_location("a")
    await world.post_cdr("c1")
    await world.until_told()


async def test_an_object_that_never_rests_starves_no_other(world: World) -> None:
    partner = await world.add_partner("msp")
    partner.misbehave = slowly(0.02)  # type: ignore[assignment]
    world.add_worker(pace=replace(QUICK, in_flight=1, most_in_flight=1))
    await world.put_location("hot")

    rested = asyncio.Event()

    async def change_it() -> None:
        while not rested.is_set():
            await world.put_location("hot")

    changing = asyncio.create_task(change_it())
    for number in range(5):
        await world.put_location(f"quiet{number}")
    await until(lambda: all(f"quiet{number}" in partner.locations for number in range(5)))
    rested.set()
    await changing
    await world.until_told()
    await until_not_behind(world)


@pytest.mark.timeout(300)
async def test_many_dead_partners_delay_the_living_little(world: World) -> None:
    for number in range(DEAD):
        dead = await world.add_partner(f"dead{number}")
        dead.misbehave = failing(3000, 500, probes=True)  # type: ignore[assignment]
    living = [await world.add_partner(f"living{number}") for number in range(2)]
    world.add_worker(pace=replace(QUICK, probe=60, probe_cap=60))
    await world.put_locations(5)
    await world.until_told(*living)
    for number in range(DEAD):
        # Two hundred of them share this process with what looks at them.
        await until_state(world, "stopped", f"dead{number}", seconds=120)
    requests = count_dead(world)
    began = time.monotonic()
    await world.put_location("a")
    await world.until_told(*living)
    assert time.monotonic() - began < 5
    # Each is asked for its versions once a minute at most, whatever changes.
    assert count_dead(world) - requests <= DEAD


@pytest.mark.timeout(300)
async def test_partners_that_come_back_together_share_what_there_is(world: World) -> None:
    names = [f"back{number}" for number in range(RETURNING)]
    for name in names:
        (await world.add_partner(name)).misbehave = failing(3000, 500, probes=True)  # type: ignore[assignment]
    living = await world.add_partner("living")
    places = RETURNING + 5
    world.add_worker(pace=replace(QUICK, places=places))
    await world.put_locations(20)
    for name in names:
        await until_state(world, "stopped", name, seconds=120)
    busy, most = 0, 0

    async def take_a_while(_request: httpx.Request) -> None:
        nonlocal busy, most
        busy, most = busy + 1, max(most, busy + 1)
        await asyncio.sleep(0.02)
        busy -= 1

    for name in names:
        world.partners[name].misbehave = take_a_while
    await world.put_location("a")
    await world.until_told(living)
    for name in names:
        await until(lambda name=name: world.is_up_to_date(world.partners[name]), seconds=120)  # type: ignore[misc]
    # A probe of its breaker has no place, and each partner has one of them at most.
    assert most <= places + RETURNING


def count_dead(world: World) -> int:
    def requests_of(partner: Simulated) -> int:
        return len(partner.requests) if partner.name.startswith("dead") else 0

    return sum(map(requests_of, world.partners.values()))


def test_partners_that_came_down_together_are_not_asked_together() -> None:
    pace = Pace()
    breakers = [Breaker(pace) for _ in range(100)]
    for breaker in breakers:
        breaker.trip("down", "HTTP 500", 0)
        for _ in range(12):
            breaker.probed(0, "HTTP 500")
            breaker.trip("down", "HTTP 500", 0)
    waits = [breaker.next_probe_at for breaker in breakers]
    minutes = [sum(wait // micros(60) == minute for wait in waits) for minute in range(5)]
    assert max(minutes) < 2 * len(breakers) / len(minutes)
