"""Ten thousand partners, nearly all of them dead."""

from __future__ import annotations

import asyncio
import random
import resource
import time

import pytest
from sqlalchemy import func
from sqlmodel import col, select

from ocpi.database import clock
from ocpi.parties import Partner, PartnerEndpoint, State
from ocpi.push.lanes import PartnerLane
from ocpi.push.pace import Pace, micros
from tests.chaos.load import percentile
from tests.chaos.scale import SCALE, WHOLE, seeded
from tests.ocpi.push.faults import failing
from tests.ocpi.push.simulated import Simulated
from tests.ocpi.push.world import World, a_world, until, until_found

DEAD = 9_990 if WHOLE else 100
LIVING = 10
DAY = 86_400


async def add_dead(world: World, count: int, chance: random.Random) -> None:
    """Register partners that have been away for two days, in one transaction."""
    pace, token = Pace(), world.seal.close("token")
    async with world.database.write() as db:
        now = await clock(db)
        partners = [
            Partner(
                name=f"dead{number}",
                platform="cpo",
                state=State.CONFIRMED,
                versions_url=f"https://dead{number}.example/2.2.1/versions",
                token_out=token,
                options={},
                created_at=now,
            )
            for number in range(count)
        ]
        db.add_all(partners)
        await db.flush()
        for partner in partners:
            wait = chance.uniform(0, pace.probe_cap_later)
            breaker = {
                "reason": "down",
                "sentence": "HTTP 500",
                "opened_at": now - micros(2 * DAY),
                "next_probe_at": now + micros(wait),
                "failures": chance.randrange(200, 204),
            }
            url = f"https://{partner.name}.example/2.2.1/locations"
            endpoint = {"identifier": "locations", "role": "RECEIVER", "url": url}
            db.add(PartnerEndpoint(partner_id=partner.key, **endpoint))
            db.add(PartnerLane(partner_id=partner.key, breaker=breaker))
            simulated = world.partners[partner.name] = Simulated(partner.name, "token")
            simulated.misbehave = failing(3000, 500, probes=True)  # type: ignore[assignment]


async def delays(world: World, living: list[Simulated], seconds: float) -> list[float]:
    """How long the living wait for each change, sorted."""
    found, ends = [], time.monotonic() + seconds
    while time.monotonic() < ends:
        began = time.monotonic()
        await world.put_location("a")
        await world.until_told(*living)
        found.append(time.monotonic() - began)
        await asyncio.sleep(0.1)
    return sorted(found)


@pytest.mark.timeout(400)
async def test_ten_thousand_partners_of_whom_nearly_all_are_dead(
    sqlite_url: str,
) -> None:
    async with a_world(sqlite_url) as world:
        await crowd(world)


async def crowd(world: World) -> None:
    """Tell ten partners alone, and then among the dead."""
    living = [await world.add_partner(f"living{number}") for number in range(LIVING)]
    worker = world.add_worker(pace=Pace())
    await world.put_locations(5)
    await world.until_told(*living)
    alone = await delays(world, living, SCALE.phase)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    await worker.stop()
    await add_dead(world, DEAD, seeded("crowd"))
    began = time.monotonic()
    world.add_worker(pace=Pace())

    async def all_taken() -> bool:
        async with world.database.read() as db:
            free = select(func.count()).where(col(PartnerLane.owner).is_(None))
            return (await db.exec(free)).one() == 0

    await until_found(all_taken, seconds=120)
    await world.put_location("a")
    await until(lambda: all(world.is_up_to_date(one) for one in living), seconds=150)
    taken = time.monotonic() - began
    before, busy, began = count_dead(world), time.process_time(), time.monotonic()
    crowded = await delays(world, living, 2 * SCALE.phase)
    seconds = time.monotonic() - began
    asked = count_dead(world) - before
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    print(f"{DEAD} dead: taken up in {taken:.1f} s, {grown / DEAD:.1f} kB each, tests' part too")
    print(f"{asked / seconds:.1f} requests a second to them, {busy_part(busy, seconds)}")
    for name, found in (("alone", alone), ("among the dead", crowded)):
        p50, p99 = (round(percentile(found, part), 3) for part in (0.5, 0.99))
        print(f"{name}: {len(found)} changes, p50 {p50} s, p99 {p99} s")
    # Each is asked twice in a quarter of an hour, and told something at every fourth time.
    assert asked <= 4 * DEAD * seconds / Pace().probe_cap_later + 10
    assert world.is_up_to_date(living[0])


def busy_part(since: float, seconds: float) -> str:
    return f"{100 * (time.process_time() - since) / seconds:.0f} % of a core, all in all"


def count_dead(world: World) -> int:
    return sum(len(one.requests) for name, one in world.partners.items() if "dead" in name)
