"""Requests of a worker that died land after those of the worker that has its lanes now."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import httpx
import pytest
from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.database import clock
from ocpi.push.lanes import (
    ParkedObject,
    PartnerLane,
    WorkerBeat,
    park_late,
    put_notes,
    restart_lanes,
    rewind_lane,
)
from ocpi.push.orphans import release_orphans, tell_again
from ocpi.push.pace import micros
from ocpi.push.parking import Notes, Parking, Why
from ocpi.push.returning import tell_returned
from ocpi.push.status import retry, rewind
from tests.ocpi.push.faults import (
    end_process,
    failing,
    status_of,
    until_not_behind,
    until_parked,
    until_state,
)
from tests.ocpi.push.simulated import Simulated
from tests.ocpi.push.world import QUICK, World, until, until_found

# Waits that outlast a test: the tests say themselves when the time of a late request is over.
PACE = replace(QUICK, exchange=60, lease=300, retries=(60,))


class Landing:
    """Keeps what a partner is sent, once, and lets it land when a test says so."""

    def __init__(self, partner: Simulated) -> None:
        self._partner = partner
        self._kept: list[tuple[str, list[str], object]] = []
        self.arrived = asyncio.Event()

    async def keep_one(self, request: httpx.Request) -> None:
        if request.method == "GET" or self.arrived.is_set():
            return
        _, module, *parts = request.url.path.strip("/").split("/")
        self._kept.append((module, parts, self._partner.requests[-1].body))
        self.arrived.set()
        # The worker is killed meanwhile.
        await asyncio.sleep(60)

    async def land(self, world: World) -> None:
        for module, parts, body in self._kept:
            self._partner.behave("PUT", module, parts, body)
        await time_is_over(world)


async def time_is_over(world: World) -> None:
    """Have the time be over in which requests of the dead may land."""
    async with world.database.write() as db:
        now = await clock(db)
        doubtful = col(PartnerLane.again_at).is_not(None)
        await db.exec(update(PartnerLane).where(doubtful).values(again_at=now))
        late = col(ParkedObject.kind) == Why.LATE
        await db.exec(update(ParkedObject).where(late).values(next_at=now))


def keeping(partner: Simulated) -> Landing:
    landing = Landing(partner)
    partner.misbehave = landing.keep_one
    return landing


async def lane_of(world: World) -> PartnerLane:
    async with world.database.read() as db:
        return (await db.exec(select(PartnerLane))).one()


async def until_repaired(world: World) -> None:
    """Wait until the lane is not to be told again any more."""

    async def done() -> bool:
        return (await lane_of(world)).again_at is None

    await until_found(done)


async def until_taken(world: World) -> None:
    """Wait until the lane has an owner again."""

    async def taken() -> bool:
        async with world.database.read() as db:
            lanes = select(PartnerLane.owner).join(
                WorkerBeat, col(WorkerBeat.id) == col(PartnerLane.owner)
            )
            return (await db.exec(lanes)).first() is not None

    await until_found(taken)


async def test_an_old_state_that_lands_late_does_not_stay(world: World) -> None:
    partner = await world.add_partner("msp")
    landing = keeping(partner)
    first = world.add_worker(pace=PACE)
    await world.put_location("a", "1")
    await landing.arrived.wait()
    await end_process(world, first)
    await world.put_location("a", "1")
    await world.put_location("b")
    world.add_worker(pace=PACE)
    await world.until_told()
    await landing.land(world)
    assert not world.is_up_to_date(partner)
    # Nothing changes any more: only the repair can tell it.
    await world.until_told()
    assert partner.versions["a"] == [2, 1, 2]
    await until_repaired(world)
    await until_not_behind(world)


async def test_what_changed_after_the_takeover_is_told_again_too(world: World) -> None:
    partner = await world.add_partner("msp")
    landing = keeping(partner)
    first = world.add_worker(pace=PACE)
    await world.put_location("a")
    await landing.arrived.wait()
    await end_process(world, first)
    world.add_worker(pace=PACE)
    await world.until_told()
    await world.put_location("a")
    await world.until_told()
    await landing.land(world)
    await until(lambda: partner.versions["a"] == [1, 2, 1, 2])


async def test_a_parked_object_whose_try_lands_late_is_told_again(world: World) -> None:
    partner = await world.add_partner("msp")
    partner.misbehave = failing(3000, 500, only="/a")  # type: ignore[assignment]
    first = world.add_worker(pace=PACE)
    await world.put_location("b")
    await world.put_location("a")
    await until(lambda: "b" in partner.locations)
    await until_parked(world, "locations/nl*tnm*a", "transient")
    landing = keeping(partner)
    async with world.database.write() as db:
        await db.exec(update(ParkedObject).values(next_at=await clock(db)))
    await landing.arrived.wait()
    await world.put_location("a")
    # The lane has read the change, so it is not behind: only what is parked tells of it.
    await until_not_behind(world)
    await end_process(world, first)
    world.add_worker(pace=PACE)
    await world.until_told()
    await until_parked(world, "locations/nl*tnm*a", "late")
    await landing.land(world)
    await until(lambda: partner.versions["a"][-2:] == [2, 3])
    await until_repaired(world)


async def test_owners_that_die_one_after_the_other_are_all_repaired(world: World) -> None:
    partner = await world.add_partner("msp")
    landing = keeping(partner)
    first = world.add_worker(pace=PACE)
    await world.put_location("a")
    await landing.arrived.wait()
    await end_process(world, first)
    second = world.add_worker(pace=PACE)
    await world.until_told()
    await until_not_behind(world)
    await end_process(world, second)
    await world.put_location("a")
    world.add_worker(pace=PACE)
    await world.until_told()
    await landing.land(world)
    await until(lambda: partner.versions["a"][-2:] == [1, 2])


async def test_lanes_of_the_dead_that_were_up_to_date_are_not_told_again(
    world: World,
) -> None:
    partner = await world.add_partner("msp")
    first = world.add_worker(pace=PACE)
    await world.put_location("a")
    await world.post_cdr("c1")
    await world.until_told()
    await until_not_behind(world)
    await end_process(world, first)
    second = world.add_worker(pace=PACE)
    await until_taken(world)
    await world.put_location("b")
    await world.until_told()
    await second.stop()
    assert (await lane_of(world)).again_at is None
    assert len(partner.pushes) == 3


async def test_a_cdr_is_not_posted_again_by_the_repair(world: World) -> None:
    partner = await world.add_partner("msp")
    landing = keeping(partner)
    first = world.add_worker(pace=PACE)
    await world.put_location("a")
    await landing.arrived.wait()
    await end_process(world, first)
    await world.post_cdr("c1")
    world.add_worker(pace=PACE)
    await world.until_told()
    await time_is_over(world)
    await until_repaired(world)
    await until(lambda: len(partner.versions["a"]) == 2)
    assert len(partner.of("POST")) == 1


async def test_what_is_to_be_told_again_stays_so_when_an_earlier_wish_was_fulfilled(
    world: World,
) -> None:
    await world.add_partner("msp")
    partner_id, key = world.ids["msp"], "locations/nl*tnm*a"

    async def wish() -> ParkedObject:
        async with world.database.write() as db:
            await park_late(db, partner_id, [key])
            return (await db.exec(select(ParkedObject))).one()

    async def fulfil(row: ParkedObject) -> None:
        notes = Notes()
        notes.unpark(key, Parking(row.seq, Why(row.kind), row.next_at))
        async with world.database.write() as db:
            await put_notes(db, partner_id, notes)

    earlier, later = await wish(), await wish()
    await fulfil(earlier)
    async with world.database.read() as db:
        assert (await db.exec(select(ParkedObject.next_at))).one() == later.next_at
    await fulfil(later)
    async with world.database.read() as db:
        assert (await db.exec(select(ParkedObject))).all() == []


Cursors = dict[str, int]


@pytest.mark.parametrize(
    ("cursors", "again_from", "to", "expected"),
    [
        ({"money": 5, "state": 9}, None, {"state": 7}, None),
        ({"money": 5, "state": 9}, {"money": 5, "state": 4}, {"money": 9, "state": 7}, (5, 4)),
        ({"money": 5, "state": 9}, {"money": 5, "state": 8}, {"money": 9, "state": 7}, (5, 7)),
        ({"money": 5, "state": 9}, {"money": 5, "state": 8}, {}, (0, 0)),
    ],
)
async def test_who_rewinds_a_lane_does_not_lose_by_its_repair(
    world: World,
    cursors: Cursors,
    again_from: Cursors | None,
    to: Cursors,
    expected: tuple[int, int] | None,
) -> None:
    await world.add_partner("msp")
    async with world.database.write() as db:
        lane = update(PartnerLane).values(cursors=cursors, again_from=again_from, again_at=7)
        await db.exec(lane)
    async with world.database.write() as db:
        await rewind_lane(db, world.ids["msp"], to)
        row = (await db.exec(select(PartnerLane))).one()
    found = row.again_from and (row.again_from["money"], row.again_from["state"])
    assert found == expected


async def test_a_trial_whose_request_lands_late_is_waited_for(world: World) -> None:
    partner = await world.add_partner("msp")
    worker = world.add_worker(pace=PACE)
    await world.put_location("a")
    await world.until_told(partner)
    partner.misbehave = failing(3000, 500, probes=True)  # type: ignore[assignment]
    for name in "bcdefg":
        await world.put_location(name)
    await until_state(world, "stopped")
    landing = keeping(partner)
    await landing.arrived.wait()
    # Its trial is under way as it dies.
    await end_process(world, worker)
    partner.misbehave = None
    for name in "bcdefg":
        await world.put_location(name)
    sent = len(partner.requests)
    world.add_worker(pace=PACE)
    await until_taken(world)
    await asyncio.sleep(0.3)
    assert len(partner.requests) == sent
    assert (await status_of(world)).state == "stopped"
    await landing.land(world)
    async with world.database.write() as db:
        await restart_lanes(db, world.ids.values())
    await world.until_told()


@pytest.mark.parametrize("owned", [True, False])
async def test_a_clock_that_was_set_back_does_not_delay_the_repair(
    world: World, *, owned: bool
) -> None:
    partner = await world.add_partner("msp")
    await world.put_location("a")
    await world.put_location("b")
    if owned:
        world.add_worker()
        await world.until_told(partner)
    async with world.database.write() as db:
        hours = await clock(db) + 10**11
        lanes = update(PartnerLane).values(again_at=hours, again_from={"money": 0, "state": 0})
        await db.exec(lanes)
    if not owned:
        world.add_worker()
    await until(lambda: partner.versions.get("a") == [1, 1])
    await until_repaired(world)


async def test_a_clock_that_was_set_back_does_not_delay_the_trial(world: World) -> None:
    await world.add_partner("msp")
    await world.put_location("a")
    async with world.database.write() as db:
        down = {"reason": "down", "sentence": "", "opened_at": 0, "next_probe_at": 0, "failures": 0}
        hours = await clock(db) + 10**11
        await db.exec(update(PartnerLane).values(again_at=hours, breaker=down))
    world.add_worker()
    await world.until_told()


async def test_only_lanes_of_the_dead_are_set_back(world: World) -> None:
    await world.add_partner("msp")
    await world.put_location("a")
    async with world.database.write() as db:
        db.add(WorkerBeat(id="alive", beat_at=await clock(db)))
        await db.exec(update(PartnerLane).values(owner="alive", cursors={"money": 0, "state": 0}))
        await release_orphans(db, again_at=10)
        assert (await db.exec(select(PartnerLane.owner, PartnerLane.again_at))).one() == (
            "alive",
            None,
        )
        await db.exec(update(PartnerLane).values(owner="dead"))
        await release_orphans(db, again_at=10)
        await db.exec(update(PartnerLane).values(cursors={"money": 0, "state": 1}))
        await tell_again(db, now=9, longest=10)
    async with world.database.write() as db:
        row = (await db.exec(select(PartnerLane))).one()
        assert (row.owner, row.again_at, row.again_from) == (None, 10, {"money": 0, "state": 0})
        epoch = row.epoch
        db.expire_all()
        await tell_again(db, now=10, longest=10)
        await db.refresh(row)
        assert (row.epoch, row.again_at, row.again_from) == (epoch + 1, None, None)
        assert row.cursors == {"money": 0, "state": 0}


Hurrying = Callable[[AsyncSession, int], Awaitable[object]]


@pytest.mark.req("CD-08")
@pytest.mark.parametrize(
    "hurry",
    [
        retry,
        lambda db, partner_id: retry(db, partner_id, "cdrs/nl*tnm*c1"),
        lambda db, partner_id: tell_returned(db, partner_id, "de*001"),
        rewind,
        lambda db, partner_id: rewind_lane(db, partner_id, hopeful=False),
    ],
    ids=["retry", "retry of one", "returned", "rewind", "agreement"],
)
async def test_a_cdr_that_another_way_may_have_in_flight_is_not_told_before_that_is_known(
    world: World, hurry: Hurrying
) -> None:
    partner = await world.add_partner("msp")
    await world.post_cdr("c1", "msp")
    partner_id, seqs = world.ids["msp"], {"cdrs/nl*tnm*c1": 1}
    async with world.database.write() as db:
        await park_late(db, partner_id, seqs, wait=micros(60), seqs=seqs)
    world.add_worker(pace=PACE)
    await until_not_behind(world)
    async with world.database.write() as db:
        await hurry(db, partner_id)
    await world.put_location("a")
    await until(lambda: "a" in partner.locations)
    await asyncio.sleep(0.2)
    assert partner.cdrs == []
    await time_is_over(world)
    await world.until_told()
    assert len(partner.of("POST")) == 1
