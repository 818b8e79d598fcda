"""A partner that refuses everything is there, and stops being so like any other."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from itertools import count

import httpx
import pytest
from sqlalchemy import insert, update

from ocpi.push import intake
from ocpi.push.feed import Change, Stream, changed
from ocpi.push.lane import Lane
from ocpi.push.lanes import PartnerLane, restart_lanes
from ocpi.push.status import LaneStatus
from ocpi.push.storing import Storing
from tests.ocpi.push.faults import failing, parked, status_of, until_not_behind, until_state
from tests.ocpi.push.simulated import Simulated, envelope
from tests.ocpi.push.test_starving import relays_failed
from tests.ocpi.push.world import OWNER, QUICK, THINGS, World, until, until_found

# What is refused waits for longer than any test does.
PATIENT = replace(QUICK, retries=(3600,))


async def dead(_request: httpx.Request) -> httpx.Response:
    """Do not answer, as nobody listens there any more."""
    raise httpx.ConnectError("Connection refused")


async def refused_everything(world: World) -> None:
    """Have a lane believe that its partner refuses everything."""
    breaker = {"reason": "rejecting", "sentence": "x", "opened_at": 0, "failures": 0}
    async with world.database.write() as db:
        lanes = update(PartnerLane).values(breaker={**breaker, "next_probe_at": 0})
        await db.exec(lanes)
        await restart_lanes(db, world.ids.values())


async def until_reason(world: World, start: str) -> LaneStatus:
    async def look() -> LaneStatus | None:
        status = await status_of(world)
        return status if (status.reason or "").startswith(start) else None

    found = await until_found(look)
    assert found is not None
    return found


@pytest.mark.req("HC-15")
async def test_who_dies_while_it_refuses_everything_is_down(world: World) -> None:
    partner = await world.add_partner("msp")
    await refused_everything(world)
    partner.misbehave = dead
    world.add_worker(pace=PATIENT)
    status = await until_reason(world, "The partner does not answer")
    assert (status.reason or "").endswith("msp: no connection")
    # Nothing was there to be tried.
    assert partner.pushes == []
    partner.misbehave = None
    await until_state(world, "active")


@pytest.mark.req("HC-15")
async def test_relays_show_that_it_is_down_before_the_next_probe(world: World) -> None:
    partner = await world.add_partner("msp")
    partner.misbehave = failing(2001, 400)  # type: ignore[assignment]
    world.add_worker(pace=replace(PATIENT, probe=3600, probe_cap=3600))
    await world.put_locations(25)
    await until_reason(world, "The partner rejects everything")
    partner.misbehave = dead
    asked = len(partner.requests)
    await relays_failed(world)
    await until_reason(world, "The partner does not answer")
    assert len(partner.requests) == asked + 1


async def turns(partner: Simulated, number: int) -> None:
    reached = len(partner.of("GET")) + number
    await until(lambda: len(partner.of("GET")) >= reached)


@pytest.mark.parametrize("versions", ["lost now and then", "refused as well"])
async def test_it_is_not_down_for_one_answer_that_is_lost_or_for_versions_that_are_refused(
    world: World, versions: str
) -> None:
    partner = await world.add_partner("msp")
    asked = count()

    async def answer(request: httpx.Request) -> httpx.Response | None:
        if request.method != "GET" or versions == "refused as well":
            return envelope(2001, 404)
        return await dead(request) if next(asked) % 2 else None

    partner.misbehave = answer
    world.add_worker(pace=PATIENT)
    await world.put_locations(25)
    await until_reason(world, "The partner rejects everything")
    reasons = set()
    for _ in range(12):
        await turns(partner, 1)
        reasons.add(((await status_of(world)).reason or "")[:30])
    assert reasons == {"The partner rejects everything"[:30]}


async def test_who_was_reached_by_nothing_and_answers_is_not_held_to_be_down_for_it_again(
    world: World,
) -> None:
    partner = await world.add_partner("msp")
    partner.misbehave = failing(2001, 400)  # type: ignore[assignment]
    world.add_worker(pace=PATIENT)
    await world.put_locations(25)
    await until_reason(world, "The partner rejects everything")
    await relays_failed(world)
    await turns(partner, 3)
    for _ in range(10):
        await turns(partner, 1)
        assert (await status_of(world)).reason == (
            "The partner rejects everything, in the same way. HTTP 400, OCPI 2001: As asked"
        )


async def test_what_lies_behind_many_that_are_refused_alike_is_told_after_few_probes(
    world: World,
) -> None:
    """They fill the lane's memory, so that it would never read on."""
    partner = await world.add_partner("msp")
    partner.misbehave = failing(2001, 400, only="/bad")  # type: ignore[assignment]
    for number in range(300):
        await world.put_location(f"bad{number}")
    await world.put_locations(50)
    world.add_worker(pace=replace(PATIENT, crowd=100))
    await until_not_behind(world)
    await until_state(world, "active")
    assert len(partner.locations) == 50
    assert len(partner.of("GET")) < 50
    assert (await status_of(world)).parked == {"rejected": 300}


async def test_of_who_refuses_everything_nothing_more_is_parked_however_often_it_is_asked(
    world: World,
) -> None:
    partner = await world.add_partner("msp")
    partner.misbehave = failing(2001, 400)  # type: ignore[assignment]
    await world.put_locations(300)
    world.add_worker(pace=PATIENT)
    await until_reason(world, "The partner rejects everything")
    before, refused = len(await parked(world)), len(partner.pushes)
    await turns(partner, 40)
    assert len(await parked(world)) == before < PATIENT.alike
    assert len(partner.pushes) - refused <= 42 + PATIENT.in_flight
    assert len({push.path for push in partner.pushes}) > PATIENT.batch
    partner.misbehave = None
    await until_not_behind(world)
    assert len(partner.locations) == 300 - before


@pytest.mark.parametrize("status", [403, 410])
async def test_what_lies_behind_many_that_are_forbidden_is_told(world: World, status: int) -> None:
    partner = await world.add_partner("msp")
    partner.misbehave = failing(2000, status, only="/bad")  # type: ignore[assignment]
    for number in range(60):
        await world.put_location(f"bad{number}")
    await world.put_location("well")
    world.add_worker(pace=PATIENT)
    await until(lambda: "well" in partner.locations)


@pytest.mark.pitfall("IP-18")
async def test_a_cdr_is_not_told_before_its_session_because_others_are_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The newest of all is what is tried.
    monkeypatch.setattr(intake, "random", lambda: 0.0)
    partner = await world.add_partner("msp")
    partner.misbehave = failing(2001, 400, only="/bad")  # type: ignore[assignment]
    bad = [Change("locations", f"{OWNER}*bad{number}", stream=Stream.MONEY) for number in range(60)]
    session = Change("locations", f"{OWNER}*session", stream=Stream.MONEY)
    cdr = Change("cdrs", f"{OWNER}*cdr", stream=Stream.MONEY, behind=session.key)
    async with world.database.write() as db:
        for change in (*bad, session, cdr):
            body = json.dumps({"id": change.key, "version": 1, "evses": {}})
            await db.exec(insert(THINGS).values(key=change.key, body=body))
        await changed(db, *bad, session, cdr)
    world.add_worker(pace=PATIENT)
    await until(lambda: len(partner.cdrs) == 1)
    taken = [push.method for push in partner.pushes if "bad" not in push.path]
    assert taken == ["PUT", "POST"]


@pytest.mark.pitfall("IP-35")
async def test_a_cdr_that_a_trial_took_out_of_its_turn_is_posted_once_though_nothing_can_be_stored(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The newest of all is what is tried.
    monkeypatch.setattr(intake, "random", lambda: 0.0)
    partner = await world.add_partner("msp")
    partner.misbehave = failing(2001, 400, only="/cdrs")  # type: ignore[assignment]
    for number in range(100):
        await world.post_cdr(f"c{number}")
    world.add_worker(pace=replace(PATIENT, lease=60, beat=30))
    await until_reason(world, "The partner rejects everything")
    refused, commit, stored = len(await parked(world)), Storing.commit, asyncio.Event()

    async def commit_late(storing: Storing, *, release: Lane | None = None) -> None:
        await stored.wait()
        await commit(storing, release=release)

    monkeypatch.setattr(Storing, "commit", commit_late)
    posted: list[str] = []

    async def take(request: httpx.Request) -> httpx.Response | None:
        if request.method == "GET":
            return None
        posted.append(json.loads(request.content)["id"])
        return envelope(1000, 201)

    partner.misbehave = take
    await until(lambda: len(posted) >= 100 - refused)
    stored.set()
    await until_not_behind(world)
    assert len(posted) == len(set(posted)) == 100 - refused
