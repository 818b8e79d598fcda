"""Several workers on one database, workers that die, and a database that goes away."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import asyncpg
import httpx
from sqlalchemy import Executable, delete, update
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import OperationalError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.database import Database, clock
from ocpi.push.lane import Lane
from ocpi.push.lanes import PartnerLane, WorkerBeat, restart_lanes, rewind_lane
from ocpi.push.process import is_dead, own_process, process_of
from ocpi.push.storing import put_held
from ocpi.push.worker import Worker
from tests.ocpi.push.faults import end_process
from tests.ocpi.push.world import QUICK, World, a_world, until, until_found

PATIENT = replace(QUICK, exchange=5, lease=20)


async def owners(world: World) -> Counter[str | None]:
    async with world.database.read() as db:
        found = await db.exec(select(col(PartnerLane.owner)))
        return Counter(found)


async def until_shared(world: World, *shares: int) -> None:
    async def look() -> bool:
        shared = await owners(world)
        return None not in shared and sorted(shared.values()) == sorted(shares)

    # Processes that share two cores with the rest of the tests take their time.
    await until_found(look, seconds=40)


async def test_workers_share_the_lanes_and_take_over_those_of_the_dead(
    world: World,
) -> None:
    for number in range(5):
        await world.add_partner(f"p{number}")
    first = world.add_worker(own_database=True, pace=PATIENT)
    await until_shared(world, 5)
    second = world.add_worker(own_database=True, pace=PATIENT)
    await until_shared(world, 2, 3)
    await world.put_locations(5)
    await world.until_told()
    await end_process(world, first)
    await world.put_location("a")
    await world.until_told()
    await until_shared(world, 5)
    # A worker that ends properly hands its lanes over at once.
    third = world.add_worker(own_database=True, pace=PATIENT)
    await until_shared(world, 2, 3)
    await second.stop()
    await until_shared(world, 5)
    await world.put_location("b")
    await world.until_told()
    await third.stop()
    assert await owners(world) == {None: 5}
    async with world.database.read() as db:
        assert (await db.exec(select(WorkerBeat))).all() == []


async def test_lanes_that_are_taken_up_anew_as_a_worker_joins_are_shared_with_it(
    world: World,
) -> None:
    for number in range(6):
        await world.add_partner(f"p{number}")
    world.add_worker(own_database=True, pace=PATIENT)
    await until_shared(world, 6)
    async with world.database.write() as db:
        await restart_lanes(db, world.ids.values())
        db.add(WorkerBeat(id="joining", beat_at=await clock(db)))
    # Its share is three from now on.
    await until_found(lambda: free_lanes(world))
    async with world.database.write() as db:
        await db.exec(delete(WorkerBeat).where(col(WorkerBeat.id) == "joining"))
    world.add_worker(own_database=True, pace=PATIENT)
    await until_shared(world, 3, 3)
    await world.put_location("a")
    await world.until_told()


async def free_lanes(world: World) -> bool:
    return (await owners(world))[None] == 3


async def test_lanes_are_told_by_one_worker_at_a_time(world: World) -> None:
    partners = [await world.add_partner(f"p{number}") for number in range(4)]
    for _ in range(4):
        world.add_worker(own_database=True, pace=replace(QUICK, lease=30))
    await world.put_locations(20)
    await world.until_told()
    await until_shared(world, 1, 1, 1, 1)
    assert [len(partner.pushes) for partner in partners] == [20, 20, 20, 20]


async def test_a_worker_hears_of_changes_that_another_process_made(postgres_url: str) -> None:
    async with a_world(postgres_url) as world:
        partner = await world.add_partner("msp")
        world.add_worker(own_database=True, pace=replace(QUICK, poll=3600))
        async with asyncio.timeout(15):
            # The first of them may have been there at its start.
            while len(partner.versions.get("a", [])) < 5:
                await world.put_location("a")
                await asyncio.sleep(0.05)


async def test_what_a_worker_sent_that_had_lost_its_lane_is_sent_again(
    world: World,
) -> None:
    partner = await world.add_partner("msp")
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def hold_the_first(_request: httpx.Request) -> None:
        if not arrived.is_set():
            arrived.set()
            await go_on.wait()

    partner.misbehave = hold_the_first
    world.add_worker(own_database=True, pace=PATIENT)
    await world.put_location("a")
    await arrived.wait()
    world.add_worker(own_database=True, pace=PATIENT)

    async def find_the_other() -> str | None:
        async with world.database.read() as db:
            owner = select(PartnerLane.owner).scalar_subquery()
            return (await db.exec(select(WorkerBeat.id).where(WorkerBeat.id != owner))).first()

    other = await until_found(find_the_other)
    async with world.database.write() as db:
        await db.exec(update(PartnerLane).values(owner=other))
    await world.put_location("a")
    await world.until_told()
    go_on.set()
    await until(lambda: partner.versions["a"] == [2, 1, 2])


async def test_a_worker_that_lost_its_lease_sends_nothing(world: World) -> None:
    partner = await world.add_partner("msp")
    # A lease this short is over before a request may start.
    worker = world.add_worker(pace=replace(QUICK, lease=0.3))
    await world.put_location("a")
    await asyncio.sleep(0.3)
    assert partner.requests == []
    await worker.stop()
    world.add_worker()
    await world.until_told()


async def test_a_stopping_worker_ends_what_is_in_flight_and_stores_it(world: World) -> None:
    partner = await world.add_partner("msp")
    arrived = asyncio.Event()

    async def dawdle(_request: httpx.Request) -> None:
        arrived.set()
        await asyncio.sleep(0.1)

    partner.misbehave = dawdle
    worker = world.add_worker()
    await world.post_cdr("c1")
    await arrived.wait()
    await worker.stop()
    assert world.is_up_to_date(partner)
    partner.misbehave = None
    again = world.add_worker()
    await world.put_location("a")
    await world.until_told()
    await again.stop()
    assert len(partner.of("POST")) == 1


async def test_the_lanes_of_a_dead_process_need_not_wait_for_its_lease(world: World) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()")
    known = process_of(process.pid)
    assert not is_dead(known)
    process.kill()
    await process.wait()
    await world.add_partner("msp")
    async with world.database.write() as db:
        db.add(WorkerBeat(id="dead", beat_at=await clock(db), process=known))
        await db.exec(update(PartnerLane).values(owner="dead"))
    world.add_worker(pace=replace(QUICK, lease=3600))
    await world.put_location("a")
    await world.until_told()


def test_only_a_process_of_this_machine_can_be_seen_to_be_dead() -> None:
    own = own_process()
    assert own is not None
    assert not is_dead(own)
    assert not is_dead(None)
    assert not is_dead(f"another-{own}")
    assert is_dead(f"{own}0")


async def test_the_worker_outlives_an_outage_of_postgresql(
    postgres_server: URL, postgres_url: str
) -> None:
    name = make_url(postgres_url).database
    admin = await asyncpg.connect(postgres_server.render_as_string(hide_password=False))
    async with a_world(postgres_url) as world:
        partner = await world.add_partner("msp")
        world.add_worker()
        await world.put_locations(100)
        await until(lambda: len(partner.requests) > 20)
        await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        stop = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1"
        await admin.execute(stop, name)
        await asyncio.sleep(0.3)
        assert len(partner.locations) < 100
        await admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await world.until_told()
        await admin.close()


class Unreliable(Database):
    """A database that can be away."""

    away = False

    async def fetch(
        self, key: Any, statement: Executable, given: Mapping[str, Any]
    ) -> Sequence[Sequence[Any]]:
        self._fail()
        return await super().fetch(key, statement, given)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        self._fail()
        async with super().write() as db:
            yield db

    def _fail(self) -> None:
        if self.away:
            raise OperationalError("", {}, Exception("The database is away."))


async def test_the_worker_outlives_its_database(sqlite_url: str) -> None:
    database = Unreliable(sqlite_url)
    async with a_world(sqlite_url, database) as world:
        partner = await world.add_partner("msp")

        lost_at, losses = 0.0, 0

        async def lose_the_database(_request: httpx.Request) -> None:
            nonlocal lost_at, losses
            # Between two losses there is time to store something: else nothing ever gets on.
            if len(partner.requests) % 7 == 0 and time.monotonic() > lost_at + 0.2:
                database.away, lost_at, losses = True, time.monotonic(), losses + 1

        await world.put_locations(30)
        for number in range(3):
            await world.post_cdr(f"c{number}")
        partner.misbehave = lose_the_database
        world.add_worker()
        for _ in range(500):
            await asyncio.sleep(0.02)
            database.away = False
            if world.is_up_to_date(partner):
                break
        assert world.is_up_to_date(partner)
        assert losses > 0
        assert len(partner.of("POST")) <= 5
        partner.misbehave = None
        await world.put_location("a")
        await world.until_told()


class Holder(Worker):
    """A worker that takes lanes and does not drive them."""

    async def hold(self, lanes: int) -> list[Lane]:
        self.held: list[Lane] = []
        await self._claim(lanes)
        return self.held

    def _drive(self, row: PartnerLane) -> None:
        self.held.append(Lane(self._context, self._sources, self._pace, self._watch, row))

    async def put(self, lanes: list[Lane], cursor: int) -> list[int]:
        """Store the progress of all at once; gives those that were not ours any more."""
        told = [(lane, replace(lane.take(), cursors={"state": cursor})) for lane in lanes]
        async with self._database.write() as db:
            lost = await put_held(db, self._watch.id, told)
        return [lane.partner_id for lane, _ in lost]


async def test_of_many_lanes_that_are_stored_together_only_the_lost_ones_are_not(
    world: World,
) -> None:
    for number in range(3):
        await world.add_partner(f"p{number}")
    holder = Holder(world.context(), {})
    lanes = await holder.hold(3)
    ids = [lane.partner_id for lane in lanes]
    async with world.database.write() as db:
        assert await rewind_lane(db, ids[1])
    assert await holder.put(lanes, 7) == [ids[1]]
    async with world.database.read() as db:
        found = await db.exec(select(col(PartnerLane.partner_id), col(PartnerLane.cursors)))
        cursors = {partner_id: stored.get("state") for partner_id, stored in found}
    assert cursors == {ids[0]: 7, ids[1]: None, ids[2]: 7}
