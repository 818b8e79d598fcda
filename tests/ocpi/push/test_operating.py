"""What staff do about objects that a partner refuses or has lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
import structlog
from sqlalchemy import delete, update
from sqlmodel import col, select

from ocpi.database import clock
from ocpi.errors import Conflict, InvalidParameters, UnknownObject
from ocpi.push.lanes import open_lane, park_late, rewind_lane
from ocpi.push.marks import KEPT, MINUTE, FeedMark, mark_feed
from ocpi.push.operating import drop_parked, retry_parked, rewind_partner
from ocpi.spec.moments import format_moment, moment_of
from tests.ocpi.push.faults import (
    failing,
    parked,
    until_not_behind,
    until_nothing_is_parked,
    until_parked,
    until_state,
)
from tests.ocpi.push.world import QUICK, World, until

POISON = "locations/nl*tnm*poison"


async def test_what_is_dropped_is_told_at_its_next_change_and_not_before(
    world: World,
) -> None:
    partner = await world.add_partner("msp")
    partner.misbehave = failing(2001, 400, only="/poison")  # type: ignore[assignment]
    world.add_worker()
    await world.put_location("poison")
    await until_parked(world, POISON, "rejected")
    await drop_parked(world.database, "msp", POISON, force=False)
    await until_parked(world, POISON, "dropped")
    partner.misbehave = None
    async with world.database.write() as db:
        await park_late(db, world.ids["msp"], [POISON])
    assert await retry_parked(world.database, "msp", None) == 0
    await world.put_location("a")
    await until(lambda: "a" in partner.locations)
    await asyncio.sleep(0.2)
    assert "poison" not in partner.locations
    await until_parked(world, POISON, "dropped")
    await world.put_location("poison")
    await world.until_told()
    await until_nothing_is_parked(world)


async def test_what_is_dropped_is_tried_when_staff_name_it(world: World) -> None:
    partner = await world.add_partner("msp")
    partner.misbehave = failing(2001, 400, only="/poison")  # type: ignore[assignment]
    world.add_worker()
    await world.put_location("poison")
    await until_parked(world, POISON, "dead")
    await drop_parked(world.database, "msp", POISON, force=False)
    partner.misbehave = None
    assert await retry_parked(world.database, "msp", POISON) == 1
    await world.until_told()


async def test_what_staff_retry_is_tried_at_once_though_its_partner_is_stopped(
    world: World,
) -> None:
    partner = await world.add_partner("msp")
    partner.misbehave = failing(2001, 400, only="/poison")  # type: ignore[assignment]
    # Nothing is tried again by itself for longer than any test lasts.
    world.add_worker(pace=replace(QUICK, retries=(3600,), probe=36000, probe_cap=36000))
    await world.put_location("poison")
    await until_parked(world, POISON, "rejected")
    partner.misbehave = failing(3000, 500, probes=True)  # type: ignore[assignment]
    await world.put_locations(6)
    await until_state(world, "stopped")
    partner.misbehave = None
    assert await retry_parked(world.database, "msp", None) >= 1
    await world.until_told()
    await until_state(world, "active")
    await until_nothing_is_parked(world)


async def test_a_cdr_is_dropped_by_force_alone_and_that_is_logged(world: World) -> None:
    partner = await world.add_partner("msp")
    partner.misbehave = failing(2001, 400, only="/cdrs")  # type: ignore[assignment]
    world.add_worker()
    await world.post_cdr("c1")
    key = "cdrs/nl*tnm*c1"
    await until_parked(world, key, "rejected")
    with pytest.raises(Conflict, match="force it, or take it back by `ocpi cdr credit`"):
        await drop_parked(world.database, "msp", key, force=False)
    with structlog.testing.capture_logs() as logs:
        await drop_parked(world.database, "msp", key, force=True)
    warning = {"event": "push: a CDR is given up", "log_level": "warning"}
    assert {**warning, "partner": "msp", "key": key} in logs
    await until_parked(world, key, "dropped")
    with pytest.raises(UnknownObject, match="is not parked for msp"):
        await drop_parked(world.database, "msp", "cdrs/nl*tnm*c2", force=True)


Again = Callable[[World], Awaitable[object]]


async def agreement(world: World) -> None:
    async with world.database.write() as db:
        await rewind_lane(db, world.ids["msp"], hopeful=False)


async def endpoints(world: World) -> None:
    async with world.database.write() as db:
        await open_lane(db, world.ids["msp"])


async def registered_anew(world: World) -> None:
    await world.unregister("msp")
    await world.register_again("msp", "another token")


async def rewound(world: World) -> None:
    await rewind_partner(world.database, "msp")


@pytest.mark.req("CD-08")
@pytest.mark.parametrize("again", [agreement, endpoints, registered_anew, rewound])
async def test_a_cdr_that_staff_gave_up_stays_so_when_all_is_told_again(
    world: World, again: Again
) -> None:
    partner = await world.add_partner("msp")
    partner.misbehave = failing(2001, 400, only="/cdrs")  # type: ignore[assignment]
    world.add_worker()
    await world.put_location("a")
    await world.post_cdr("c1")
    key = "cdrs/nl*tnm*c1"
    await until_parked(world, key, "rejected")
    await drop_parked(world.database, "msp", key, force=True)
    partner.misbehave = None
    await again(world)
    await until(lambda: partner.versions["a"] == [1, 1])
    await until_not_behind(world)
    assert (partner.cdrs, [*await parked(world)]) == ([], [key])
    assert await retry_parked(world.database, "msp", key) == 1
    await world.until_told()


async def test_what_changed_since_a_moment_is_told_again_and_nothing_older(
    world: World,
) -> None:
    partner = await world.add_partner("msp")
    partner.misbehave = failing(2001, 400, only="/poison")  # type: ignore[assignment]
    world.add_worker()
    await world.put_location("poison")
    await world.put_location("old")
    await until_parked(world, POISON, "dead")
    await until(lambda: "old" in partner.locations)
    now = await _mark(world)
    await world.put_location("new")
    await world.post_cdr("c1")
    await until(lambda: "new" in partner.locations and len(partner.cdrs) == 1)
    await until_not_behind(world)
    partner.misbehave = None
    partner.locations.clear()
    begin = await rewind_partner(world.database, "msp", _written(now + 1000))
    assert begin == _written(now)
    await until(lambda: sorted(partner.locations) == ["new", "poison"])
    await until_not_behind(world)
    assert ("old" in partner.locations, len(partner.cdrs)) == (False, 1)
    # Of so long ago nobody knows how far the feed was.
    assert await rewind_partner(world.database, "msp", _written(now - MINUTE)) is None
    await world.until_told()


async def test_a_moment_must_be_one(world: World) -> None:
    await world.add_partner("msp")
    with pytest.raises(InvalidParameters, match="since: 'yesterday' is no moment"):
        await rewind_partner(world.database, "msp", "yesterday")


async def test_a_partner_that_is_behind_a_mark_is_not_moved_on(world: World) -> None:
    partner = await world.add_partner("msp")
    await world.put_locations(3)
    now = await _mark(world)
    assert await rewind_partner(world.database, "msp", _written(now)) == _written(now)
    world.add_worker()
    await world.until_told(partner)


async def test_there_is_a_mark_a_minute_where_something_changed(world: World) -> None:

    async def marks() -> list[tuple[int, int]]:
        async with world.database.write() as db:
            await mark_feed(db)
            found = await db.exec(select(FeedMark).order_by(col(FeedMark.at)))
            return [(mark.at, mark.state) for mark in found]

    ((first, seq),) = await marks()
    assert (first % MINUTE, seq) == (0, 0)
    await world.put_location("a")
    assert await marks() == [(first, 0)]
    await _make_older(world, MINUTE)
    later = await marks()
    assert [seq for _, seq in later] == [0, 1]
    await _make_older(world, KEPT)
    # Nothing changed: the newest mark holds, however old it is.
    assert len(await marks()) == 2
    await world.put_location("a")
    assert [seq for _, seq in await marks()] == [1, 2]


async def _mark(world: World) -> int:
    """Set a mark that holds for now, instead of those that a worker has set."""
    async with world.database.write() as db:
        await db.exec(delete(FeedMark))
        await mark_feed(db)
        now = await clock(db) // 1000 * 1000
        await db.exec(update(FeedMark).values(at=now))
    return now


async def _make_older(world: World, by: int) -> None:
    async with world.database.write() as db:
        for mark in (await db.exec(select(FeedMark).order_by(col(FeedMark.at)))).all():
            await db.exec(
                update(FeedMark).where(col(FeedMark.at) == mark.at).values(at=mark.at - by)
            )


def _written(at: int) -> str:
    return format_moment(moment_of(at))
