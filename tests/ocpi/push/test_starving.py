"""What one object, module or receiver fails on does not keep all else from a partner."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from itertools import count
from typing import Any

import httpx
import pytest
from sqlalchemy import update
from sqlmodel import select

from ocpi.context import Context
from ocpi.directory import AnnouncedParty
from ocpi.parties import PartnerRole
from ocpi.pulse import PartnerPulse, store_pulse
from ocpi.push import intake
from ocpi.push.feed import Change, Stream
from ocpi.push.lanes import PartnerLane, restart_lanes
from ocpi.push.reading import read_page
from ocpi.push.status import rewind
from tests.ocpi.push.faults import (
    failing,
    parked,
    status_of,
    until_looked,
    until_not_behind,
    until_parked,
    until_state,
)
from tests.ocpi.push.simulated import Simulated, envelope
from tests.ocpi.push.world import OWNER, QUICK, World, store, until, until_found

# An object that has failed twice waits for longer than any test does.
PATIENT = replace(QUICK, retries=(0.5, 60, 600), probe=0.1, probe_cap=0.5)


async def a_hub(world: World, **statuses: str) -> Simulated:
    """Give a partner that is a hub, with the parties behind it as it tells that they stand."""
    partner = await world.add_partner("msp")
    async with world.database.write() as db:
        await db.exec(update(PartnerRole).values(role="HUB"))
        for party, status in statuses.items():
            behind = AnnouncedParty(
                partner_id=world.ids["msp"],
                party=f"be*{party}",
                country_code="BE",
                party_id=party.upper(),
                role="EMSP",
                status=status,
                last_updated=0,
            )
            db.add(behind)
        await restart_lanes(db, [world.ids["msp"]])
    return partner


async def post_cdr_to(world: World, name: str, party: str) -> None:
    change = Change("cdrs", f"{OWNER}*{name}", stream=Stream.MONEY, audience=f"be*{party}")
    async with world.database.write() as db:
        await store(db, change, {"id": name, "version": 1})


async def went_down(world: World) -> None:
    """Have a lane believe that its partner has just gone down."""
    breaker = {"reason": "down", "sentence": "x", "opened_at": 0, "next_probe_at": 0, "failures": 0}
    async with world.database.write() as db:
        await db.exec(update(PartnerLane).values(breaker=breaker))
        await restart_lanes(db, world.ids.values())


async def relays_failed(world: World) -> None:
    """Have it stored that three messages did not reach a partner, which opens its breaker."""
    async with world.database.write() as db:
        await db.merge(PartnerPulse(partner_id=world.ids["msp"], heard_at=0, failures=3))
        db.info["stamped"] = True


async def until_forgiven(world: World, context: Context) -> None:
    async def look() -> bool:
        await store_pulse(world.database, context.pulse)
        async with world.database.read() as db:
            return (await db.exec(select(PartnerPulse.failures))).one() == 0

    await until_found(look)


async def test_what_cannot_be_sent_is_no_trial(world: World) -> None:
    await a_hub(world, away="OFFLINE")
    await post_cdr_to(world, "c1", "away")
    world.add_worker(pace=replace(QUICK, retries=(3600,)))
    await until_parked(world, f"cdrs/{OWNER}*c1", "rejected")
    await went_down(world)
    await until_state(world, "active")
    # Nor is one that is new.
    await post_cdr_to(world, "c2", "away")
    await went_down(world)
    await until_state(world, "active")
    row = await until_parked(world, f"cdrs/{OWNER}*c2", "rejected")
    assert row.attempts == 1


async def test_an_object_that_cannot_be_rendered_does_not_keep_the_breaker_open(
    world: World,
) -> None:
    await world.add_partner("msp")
    await went_down(world)
    bad = Change("locations", f"{OWNER}*bad", part="nope")
    async with world.database.write() as db:
        await store(db, bad, {"version": 1, "evses": {}})
    world.add_worker(pace=replace(QUICK, retries=(3600,)))
    await until_parked(world, f"locations/{OWNER}*bad/nope", "rejected")
    await until_state(world, "active")


async def test_objects_that_fail_again_and_again_keep_nothing_from_a_partner_that_was_down(
    world: World,
) -> None:
    partner = await world.add_partner("msp")
    pace = replace(PATIENT, retries=(0.05, 0.1, 0.5, 1.0))
    world.add_worker(pace=pace)
    await world.put_location("first")
    await world.until_told()
    partner.misbehave = failing(3000, 500, only="poison")  # type: ignore[assignment]
    for number in range(6):
        await world.put_location(f"poison{number}")
        await world.put_location(f"fine{number}")

    async def hopeless() -> bool:
        rows = (await parked(world)).values()
        return sum(row.attempts >= pace.doubts for row in rows) == 6

    await until_found(hopeless)
    await went_down(world)
    for number in range(100):
        await world.put_location(f"live{number}")
    await until(lambda: sum(name.startswith("live") for name in partner.locations) == 100)
    await until_state(world, "active")


async def test_objects_that_alone_are_left_do_not_keep_a_partner_stopped_that_is_there(
    world: World,
) -> None:
    """By turns each of them would be the trial, and fail, for ever."""
    partner = await world.add_partner("msp")
    partner.misbehave = failing(3000, 500, only="poison")  # type: ignore[assignment]
    for number in range(2):
        await world.put_location(f"poison{number}")
    await went_down(world)
    world.add_worker(pace=PATIENT)
    await until_state(world, "active")
    rows = (await parked(world)).values()
    assert [row.attempts for row in rows] == [PATIENT.doubts] * 2


async def test_a_receiver_that_a_hub_does_not_reach_delays_no_other(world: World) -> None:
    partner = await a_hub(world, dead="CONNECTED", live="CONNECTED")
    world.add_worker(pace=PATIENT)

    async def answer(request: httpx.Request) -> httpx.Response | None:
        return envelope(4003) if request.headers.get("ocpi-to-party-id") == "DEAD" else None

    partner.misbehave = answer
    for number in range(30):
        await post_cdr_to(world, f"dead{number}", "dead")
    for number in range(30):
        await post_cdr_to(world, f"live{number}", "live")
    await until(lambda: len(partner.cdrs) == 30)
    status = await status_of(world)
    assert (status.state, status.parked) == ("active", {"transient": 30})


async def test_however_many_receivers_a_hub_does_not_reach_the_hub_is_told_all_else(
    world: World,
) -> None:
    partner = await a_hub(world, dead="CONNECTED", live="CONNECTED")

    async def answer(request: httpx.Request) -> httpx.Response | None:
        return envelope(4003) if request.headers.get("ocpi-to-party-id") == "DEAD" else None

    partner.misbehave = answer
    for number in range(60):
        await post_cdr_to(world, f"dead{number}", "dead")
    # One pause would last for longer than the test does.
    world.add_worker(pace=replace(PATIENT, crowd=30, probe=60, probe_cap=60, retries=(3600,)))
    await until_not_behind(world)
    await post_cdr_to(world, "live", "live")
    await until(lambda: len(partner.cdrs) == 1)
    assert (await status_of(world)).parked == {"transient": 60}


async def test_a_module_that_is_forbidden_stops_no_other(world: World) -> None:
    partner = await world.add_partner("msp")
    partner.misbehave = failing(2000, 403, only="/cdrs")  # type: ignore[assignment]
    for number in range(20):
        await world.post_cdr(f"c{number}")
    await world.put_locations(20)
    world.add_worker(pace=replace(PATIENT, auth=3600))
    await until(lambda: len(partner.locations) == 20)
    # A new one does not stop it again.
    await until_state(world, "active")
    await world.post_cdr("later")
    await until_parked(world, f"cdrs/{OWNER}*later", "rejected")
    await world.put_location("last")
    await until(lambda: "last" in partner.locations)


async def test_an_object_that_is_gone_does_not_make_its_partner_so(world: World) -> None:
    partner = await world.add_partner("msp")
    partner.misbehave = failing(2000, 410, only="/one")  # type: ignore[assignment]
    world.add_worker(pace=replace(PATIENT, gone=3600))
    await world.put_location("one")
    await until_parked(world, f"locations/{OWNER}*one", "transient")
    await world.post_cdr("c1")
    await until(lambda: len(partner.cdrs) == 1)
    await until_parked(world, f"locations/{OWNER}*one", "rejected")
    await until_state(world, "active")


@pytest.mark.req("HC-15")
async def test_who_is_down_while_there_is_nothing_to_send_stays_so(world: World) -> None:
    partner = await world.add_partner("msp")
    world.add_worker()
    await world.put_location("a")
    await world.until_told()
    partner.misbehave = failing(3000, 500, probes=True)  # type: ignore[assignment]
    await relays_failed(world)
    await until_state(world, "stopped")
    before = len(partner.of("GET"))
    states = set()
    while len(partner.of("GET")) < before + 10:
        states.add((await status_of(world)).state)
        await asyncio.sleep(0.01)
    assert states == {"stopped"}
    partner.misbehave = None
    await until_state(world, "active")


async def test_who_refuses_some_gets_all_others_without_a_pause(world: World) -> None:
    partner = await world.add_partner("msp")
    partner.misbehave = failing(2001, 400, only="/bad")  # type: ignore[assignment]
    for number in range(60):
        await world.put_location(f"bad{number}")
        await world.put_location(f"fine{number}")
    # One pause would last for longer than the test does.
    world.add_worker(pace=replace(PATIENT, crowd=30, probe=60, probe_cap=60))
    await until(lambda: len(partner.locations) == 60)
    await world.post_cdr("c1")
    await until(lambda: len(partner.cdrs) == 1)
    assert (await status_of(world)).state == "active"


async def test_who_is_told_what_changes_is_forgiven_what_did_not_reach_it_before(
    world: World,
) -> None:
    partner = await world.add_partner("msp", offline_policy="spec_strict")
    worker_context = world.context
    contexts: list[Context] = []

    def kept(*, own_database: bool = False) -> Context:
        contexts.append(worker_context(own_database=own_database))
        return contexts[-1]

    world.context = kept  # type: ignore[method-assign]
    world.add_worker()
    await world.put_locations(20)
    await world.until_told()
    await relays_failed(world)
    await until(lambda: partner.of("GET") != [])
    await until_state(world, "active")
    await until_forgiven(world, contexts[0])
    partner.locations.clear()
    async with world.database.write() as db:
        await rewind(db, world.ids["msp"])
    await world.until_told()


async def test_what_opens_it_while_the_feed_is_read_lets_nothing_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    partner = await world.add_partner("msp")
    world.add_worker(pace=replace(QUICK, probe=60, probe_cap=60))
    await world.put_location("a")
    await world.until_told()
    reading, go_on = asyncio.Event(), asyncio.Event()

    async def read_slowly(*given: Any) -> Any:
        reading.set()
        await go_on.wait()
        return await read_page(*given)

    monkeypatch.setattr(intake, "read_page", read_slowly)

    async def no_versions(request: httpx.Request) -> httpx.Response | None:
        return envelope(3000, 500) if request.method == "GET" else None

    partner.misbehave = no_versions
    sent = len(partner.pushes)
    await world.put_locations(5)
    await reading.wait()
    await relays_failed(world)
    await until_state(world, "stopped")
    go_on.set()
    await until_looked(world)
    assert len(partner.pushes) == sent


async def test_a_lane_that_waits_for_its_last_answer_takes_no_room(world: World) -> None:
    leaving, staying = await world.add_partner("leaving"), await world.add_partner("staying")
    arrived, answered = asyncio.Event(), asyncio.Event()

    async def hang(_: httpx.Request) -> None:
        arrived.set()
        await answered.wait()

    world.add_worker(pace=replace(QUICK, exchange=20, lease=60))
    await world.put_location("a")
    await world.until_told()
    leaving.misbehave = hang
    await world.put_location("a")
    await arrived.wait()
    await world.suspend("leaving")
    async with world.database.write() as db:
        await restart_lanes(db, [world.ids["staying"]])
    await asyncio.sleep(0.2)
    await world.put_location("b")
    await until(lambda: "b" in staying.locations, seconds=5)
    answered.set()


@pytest.mark.parametrize("status", [429, 503])
async def test_an_object_at_which_a_pause_is_asked_for_again_and_again_delays_no_other(
    world: World, status: int
) -> None:
    partner = await world.add_partner("msp")
    pause = envelope(2000, status)
    pause.headers["Retry-After"] = "1"

    async def answer(request: httpx.Request) -> httpx.Response | None:
        return pause if "/sick" in request.url.path else None

    partner.misbehave = answer
    world.add_worker()
    await world.put_location("sick")
    begun = time.monotonic()
    for number in range(4):
        await world.put_location(f"well{number}")
        await until(lambda n=number: f"well{n}" in partner.locations)  # type: ignore[misc]
    row = await until_parked(world, f"locations/{OWNER}*sick", "transient")
    assert row.http_status == status
    assert f"HTTP {status}" in ((await status_of(world)).last_error or "")
    # Three pauses, and none since.
    sick, begun = len(partner.pushes), time.monotonic()
    while time.monotonic() < begun + 2.5:
        await world.put_location("well")
        version = world.ours.locations["well"]["version"]
        await until(
            lambda v=version: partner.locations.get("well", {}).get("version") == v,  # type: ignore[misc]
            seconds=0.9,
        )
    assert sum("sick" in push.path for push in partner.pushes[sick:]) in (1, 2)


async def test_many_at_which_a_pause_is_asked_for_keep_nothing_that_lies_behind_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They fill the lane's memory, so that it would never read on."""
    # The newest of all is what is tried.
    monkeypatch.setattr(intake, "random", lambda: 0.0)
    partner = await world.add_partner("msp")
    partner.misbehave = failing(2000, 429, only="/sick")  # type: ignore[assignment]
    for number in range(60):
        await world.put_location(f"sick{number}")
    world.add_worker(pace=replace(QUICK, throttle=0.01, throttle_cap=0.01, retries=(3600,)))
    changes = count()

    async def all_are_parked() -> bool:
        name = f"well{next(changes)}"
        await world.put_location(name)
        await until(lambda: name in partner.locations, seconds=5)
        return (await status_of(world)).parked == {"transient": 60}

    await until_found(all_are_parked, seconds=30)
    await until_not_behind(world)
