"""What lanes have noted is stored, whatever one of them has noted."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
import structlog
from sqlmodel import col, select

from ocpi.parties import Partner
from ocpi.push.lane import Lane
from ocpi.push.lanes import PartnerLane, Progress, Receipt
from ocpi.push.parking import Notes
from ocpi.push.storing import Storing
from ocpi.push.watch import Watch
from tests.ocpi.push.world import QUICK, World, a_world, until_found

TOO_MUCH = 10**20
"""No column takes it."""


def proof(name: str, *, accepted_at: int = 7) -> Progress:
    """Give what is left of a lane that was lost when its partner had accepted a CDR."""
    receipt = Receipt(
        partner=name,
        object_key=f"cdrs/nl*tnm*{name}",
        accepted_at=accepted_at,
        http_status=200,
        request_id="r",
    )
    return Progress({}, None, None, None, Notes(), [receipt], frozenset())


def storing_of(world: World) -> Storing:
    return Storing(world.database, Watch(QUICK, {}), {})


async def proved(world: World) -> list[str]:
    async with world.database.read() as db:
        return sorted(await db.exec(select(col(Receipt.partner))))


async def test_a_value_that_cannot_be_stored_stops_its_own_lane_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = await world.add_partner("bad"), await world.add_partner("good")
    bad_id, take = world.ids["bad"], Lane.take

    def take_too_much(lane: Lane) -> Progress:
        progress = take(lane)
        return replace(progress, last_success_at=TOO_MUCH if lane.partner_id == bad_id else 7)

    monkeypatch.setattr(Lane, "take", take_too_much)
    with structlog.testing.capture_logs() as logs:
        # What both note is stored together at first.
        world.add_worker(pace=replace(QUICK, commit=0.2, crash=60, exchange=5, lease=20))
        for name in ("a", "b", "c"):
            await world.put_location(name)
            await world.until_told(good)
            await until_found(lambda: has_passed(world, good.name))
    async with world.database.read() as db:
        epochs = dict((await db.exec(select(PartnerLane.partner_id, PartnerLane.epoch))).all())
    assert epochs == {bad_id: 2, world.ids["good"]: 2}
    assert bad.locations != good.locations
    lost = [line for line in logs if line["event"] == "push: what a lane noted is lost"]
    assert [line["partner_id"] for line in lost] == [bad_id]


async def has_passed(world: World, name: str) -> bool:
    async with world.database.read() as db:
        lane = await db.get(PartnerLane, world.ids[name])
    assert lane is not None
    return lane.cursors.get("state") == len(world.ours.locations)


async def test_a_proof_that_cannot_be_stored_keeps_no_other_back(world: World) -> None:
    for name in ("a", "bad", "c"):
        await world.add_partner(name)
    storing = storing_of(world)
    for name in world.ids:
        storing.leave(world.ids[name], proof(name, accepted_at=TOO_MUCH))
        if name != "bad":
            storing.leave(world.ids[name], proof(name))
    await storing.commit()
    assert await proved(world) == ["a", "c"]


async def test_a_proof_is_kept_though_its_partner_was_removed_meanwhile(world: World) -> None:
    await world.add_partner("msp")
    storing = storing_of(world)
    storing.leave(world.ids["msp"], proof("msp"))
    await world.remove("msp")
    await storing.commit()
    assert await proved(world) == ["msp"]


async def test_what_is_left_of_a_lane_does_not_wait_for_a_handshake(postgres_url: str) -> None:
    async with a_world(postgres_url) as world:
        await world.add_partner("msp")
        storing = storing_of(world)
        storing.leave(world.ids["msp"], proof("msp"))
        # It has the partner, and may want a lane that is locked here.
        async with world.database.write() as db, asyncio.timeout(5):
            await db.get(Partner, world.ids["msp"], with_for_update={"key_share": True})
            await storing.commit()
        assert await proved(world) == ["msp"]
