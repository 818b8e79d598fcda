"""The push while partners misbehave."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import httpx
import pytest
import structlog

from ocpi.parties import Partner
from ocpi.push.status import lane_status, retry, rewind
from ocpi.sealing import Seal
from tests.ocpi.push.faults import (
    always,
    failing,
    parked,
    status_of,
    until_not_behind,
    until_nothing_is_parked,
    until_parked,
    until_state,
)
from tests.ocpi.push.simulated import Answerer, Simulated, envelope
from tests.ocpi.push.world import QUICK, World, until


@pytest.mark.parametrize(("code", "http"), [(3000, 500), (2001, 400)])
async def test_a_poison_object_delays_no_other(world: World, code: int, http: int) -> None:
    partner = await world.add_partner("msp")
    partner.misbehave = failing(code, http, only="/poison")  # type: ignore[assignment]
    await world.put_location("poison")
    await world.put_locations(30)
    await world.post_cdr("c1")
    # On a slow machine it would be dead before the others are told.
    world.add_worker(pace=replace(QUICK, deaths=10_000))
    await until(lambda: len(partner.locations) == 30 and len(partner.cdrs) == 1)
    kind = "transient" if http == 500 else "rejected"
    row = await until_parked(world, "locations/nl*tnm*poison", kind)
    assert row.http_status == http
    assert (await status_of(world)).state == "active"
    partner.misbehave = None
    await world.until_told()


@pytest.mark.pitfall("IP-37")
async def test_a_code_by_which_a_partner_asks_for_a_pause_parks_nothing(world: World) -> None:
    partner = await world.add_partner("msp", codes=["2004=throttle"])
    partner.misbehave = failing(2004, 200)  # type: ignore[assignment]
    await world.put_location("l1")
    world.add_worker()
    await until(lambda: len(partner.pushes) >= 3)
    assert await parked(world) == {}
    partner.misbehave = None
    await world.until_told()


async def test_a_partner_that_is_down_is_left_alone_until_it_is_back(world: World) -> None:
    partner = await world.add_partner("msp")
    partner.misbehave = failing(3000, 500, probes=True)  # type: ignore[assignment]
    world.add_worker()
    await world.put_locations(40)
    status = await until_state(world, "stopped")
    assert status.reason == (
        "The partner does not answer, or not properly. HTTP 500, OCPI 3000: As asked"
    )
    assert len(await parked(world)) <= 13
    pushes = len(partner.pushes)
    for _ in range(5):
        await world.put_location("l0")
    await asyncio.sleep(0.3)
    # An object is tried now and then, in case that only the probe is broken.
    assert len(partner.pushes) - pushes <= 5
    partner.misbehave = None
    await world.until_told()
    await until_state(world, "active")
    await until_not_behind(world)


def without_versions(answer: httpx.Response) -> Answerer:
    """Take all that is pushed, and answer so to who asks for the versions."""

    async def misbehave(request: httpx.Request) -> httpx.Response | None:
        return answer if request.method == "GET" else None

    return misbehave


async def test_a_broken_versions_endpoint_alone_stops_nothing_for_ever(world: World) -> None:
    partner = await world.add_partner("msp")
    partner.misbehave = failing(3000, 500, probes=True)  # type: ignore[assignment]
    world.add_worker()
    await world.put_locations(10)
    await until_state(world, "stopped")

    partner.misbehave = without_versions(envelope(3000, 500))
    await world.until_told()


async def test_one_object_is_enough_to_see_that_a_partner_is_down(world: World) -> None:
    partner = await world.add_partner("msp")
    partner.misbehave = failing(3000, 503, probes=True)  # type: ignore[assignment]
    world.add_worker()
    await world.put_location("a")
    await until_state(world, "stopped")
    partner.misbehave = None
    await world.until_told()


async def test_one_failing_object_of_a_partner_that_is_up_stops_nothing(world: World) -> None:
    partner = await world.add_partner("msp")
    partner.misbehave = failing(3000, 503)  # type: ignore[assignment]
    world.add_worker()
    await world.put_location("a")
    await until(lambda: len(partner.pushes) >= 5)
    assert (await status_of(world)).state == "active"
    assert partner.of("GET") != []


async def test_rejections_end_after_seven_until_the_object_changes(world: World) -> None:
    partner = await world.add_partner("msp")
    partner.misbehave = failing(2001, 200)  # type: ignore[assignment]
    world.add_worker()
    await world.put_location("a")
    row = await until_parked(world, "locations/nl*tnm*a", "dead")
    assert (row.attempts, row.next_at, row.error) == (7, None, "HTTP 200, OCPI 2001: As asked")
    assert len(partner.pushes) == 7
    partner.misbehave = None
    await asyncio.sleep(0.2)
    assert len(partner.pushes) == 7
    await world.put_location("a")
    await world.until_told()
    await until_nothing_is_parked(world)


async def test_an_operator_revives_what_is_dead(world: World) -> None:
    partner = await world.add_partner("msp")
    partner.misbehave = failing(2001, 200)  # type: ignore[assignment]
    world.add_worker()
    await world.put_location("a")
    await until_parked(world, "locations/nl*tnm*a", "dead")
    partner.misbehave = None
    async with world.database.write() as db:
        assert await retry(db, world.ids["msp"], "locations/nl*tnm*unknown") == 0
        assert await retry(db, world.ids["msp"], "locations/nl*tnm*a") == 1
    await world.until_told()


async def test_a_cdr_is_never_given_up(world: World) -> None:
    partner = await world.add_partner("msp")
    partner.misbehave = failing(2001, 200)  # type: ignore[assignment]
    world.add_worker()
    await world.post_cdr("c1")
    await until(lambda: len(partner.of("POST")) >= 10)
    assert (await parked(world))["cdrs/nl*tnm*c1"].kind == "rejected"
    partner.misbehave = None
    await world.until_told()


async def test_a_partner_that_rejects_everything_is_not_asked_object_by_object(
    world: World,
) -> None:
    partner = await world.add_partner("msp")
    partner.misbehave = failing(2000, 404)  # type: ignore[assignment]
    await world.put_locations(100)
    # With waits as short as these an object could be given up before its partner is.
    world.add_worker(pace=replace(QUICK, deaths=10_000))
    status = await until_state(world, "stopped")
    assert status.reason is not None
    assert status.reason.startswith("The partner rejects everything, in the same way.")
    await asyncio.sleep(0.3)
    assert len(await parked(world)) <= 28
    partner.misbehave = None
    await world.until_told()


@pytest.mark.pitfall("IP-38")
async def test_a_partner_that_asks_for_a_pause_gets_it(world: World) -> None:
    partner = await world.add_partner("msp")
    pauses = [envelope(2000, 429), httpx.Response(429, headers={"Retry-After": "1"})]

    async def pause(_request: httpx.Request) -> httpx.Response | None:
        return pauses.pop() if pauses else None

    partner.misbehave = pause
    world.add_worker(pace=replace(QUICK, in_flight=1, most_in_flight=1))
    await world.put_location("a")
    await until(lambda: len(partner.pushes) == 1)
    await world.put_location("b")
    await asyncio.sleep(0.3)
    assert len(partner.pushes) == 1
    await world.until_told()
    assert len(partner.pushes) == 4
    assert await parked(world) == {}


async def test_a_token_that_is_not_accepted_stops_the_lane_until_there_is_another(
    world: World,
) -> None:
    partner = await world.add_partner("msp")
    world.add_worker(pace=replace(QUICK, auth=3600))
    await world.put_location("a")
    await world.until_told()
    partner.token = "another-token"
    await world.put_locations(5)
    await until_state(world, "stopped")
    assert await parked(world) == {}
    # The six, a question, and probes that become rarer.
    assert len(partner.requests) <= 12
    await world.rotate("msp", "another-token")
    await world.until_told()


async def test_who_accepts_our_token_again_is_told_although_its_versions_are_broken(
    world: World,
) -> None:
    partner = await world.add_partner("msp")
    partner.misbehave = failing(2000, 401, probes=True)  # type: ignore[assignment]
    world.add_worker()
    await world.put_locations(5)
    await until_state(world, "stopped")

    partner.misbehave = without_versions(envelope(2000, 404))
    await world.until_told()
    await until_state(world, "active")


async def test_a_rotated_token_is_presented_from_the_next_request_on(world: World) -> None:
    partner = await world.add_partner("msp")
    world.add_worker()
    await world.put_location("a")
    await world.until_told()
    await world.rotate("msp", "another-token")
    partner.token = "another-token"
    before = len(partner.requests)
    await world.put_location("b")
    await world.until_told()
    assert len(partner.requests) == before + 1


async def test_one_object_that_is_forbidden_does_not_stop_the_lane_for_good(world: World) -> None:
    partner = await world.add_partner("msp")
    partner.misbehave = failing(2000, 403, only="/poison")  # type: ignore[assignment]
    # One at a time: were it refused last of all, nothing would be left to show that we are let in.
    world.add_worker(pace=replace(QUICK, in_flight=1, most_in_flight=1))
    await world.put_location("poison")
    await world.put_locations(5)
    await until(lambda: len(partner.locations) == 5)
    await until_parked(world, "locations/nl*tnm*poison", "rejected")
    await until_state(world, "active")


async def test_a_partner_that_is_gone_is_asked_less_and_less(world: World) -> None:
    partner = await world.add_partner("msp")
    partner.misbehave = failing(2000, 410, probes=True)  # type: ignore[assignment]
    world.add_worker(pace=replace(QUICK, gone=3600, in_flight=1, most_in_flight=1))
    await world.put_locations(20)
    await until_state(world, "stopped")
    await asyncio.sleep(1)
    status = await status_of(world)
    assert (status.state, status.parked) == ("stopped", {})
    assert status.reason is not None
    assert status.reason.startswith("The partner says that its address is gone for good.")
    # Each wait is up to twice as long as the one before.
    assert 2 <= len(partner.requests) <= 15


async def test_html_is_no_success(world: World) -> None:
    partner = await world.add_partner("msp")
    page = httpx.Response(200, text="<html>Maintenance</html>")
    partner.misbehave = always(page)  # type: ignore[assignment]
    world.add_worker()
    await world.put_location("a")
    await until(lambda: len(partner.pushes) > 2)
    partner.misbehave = None
    await world.until_told()


async def test_a_cdr_that_arrived_although_the_answer_was_lost_is_posted_until_it_is_certain(
    world: World,
) -> None:
    partner = await world.add_partner("msp")
    lose = [True]

    async def lose_answer(request: httpx.Request) -> httpx.Response | None:
        if request.method == "POST" and lose:
            lose.pop()
            partner.cdrs.append(partner.requests[-1].body)
            raise httpx.ReadError("reset")
        return None

    partner.misbehave = lose_answer
    world.add_worker()
    await world.post_cdr("c1")
    await until(lambda: len(partner.of("POST")) == 2)
    await world.until_told()
    await until_nothing_is_parked(world)


async def test_nothing_is_sent_after_a_partner_has_unregistered(world: World) -> None:
    partner = await world.add_partner("msp")

    async def dawdle(_request: httpx.Request) -> None:
        await asyncio.sleep(0.02)

    partner.misbehave = dawdle
    world.add_worker()
    await world.put_locations(50)
    await until(lambda: len(partner.requests) > 5)
    await world.unregister("msp")
    sent = len(partner.requests)
    await world.put_location("a")
    await asyncio.sleep(0.2)
    assert len(partner.requests) == sent
    async with world.database.read() as db:
        assert await lane_status(db, require_check=False) == []


async def test_who_registers_again_is_told_everything_again(world: World) -> None:
    partner = await world.add_partner("msp")
    world.add_worker()
    await world.put_locations(10)
    await world.until_told()
    await world.unregister("msp")
    partner.locations.clear()
    await world.put_location("a")
    await world.register_again("msp", "another-token")
    await world.until_told()


async def test_a_suspended_partner_is_told_nothing_until_it_is_resumed(world: World) -> None:
    partner = await world.add_partner("msp")
    world.add_worker()
    await world.put_location("a")
    await world.until_told()
    await world.suspend("msp")
    sent = len(partner.requests)
    await world.put_location("b")
    await asyncio.sleep(0.15)
    status = await status_of(world)
    assert (len(partner.requests), status.state) == (sent, "suspended")
    assert (status.behind, status.oldest) == (1, "locations/nl*tnm*b")
    await world.suspend("msp", suspended=False)
    await world.until_told()


async def test_a_token_sealed_with_another_key_harms_no_other_partner(world: World) -> None:
    await world.add_partner("sealed")
    other = await world.add_partner("other")
    async with world.database.write() as db:
        partner = await db.get(Partner, world.ids["sealed"])
        assert partner is not None
        partner.token_out = Seal("x" * 32).close("token")
        db.add(partner)
    world.add_worker()
    await world.put_locations(10)
    await world.until_told(other)
    assert world.partners["sealed"].requests == []


async def test_a_rewound_lane_tells_everything_again_but_no_cdr_twice(world: World) -> None:
    partner = await world.add_partner("msp")
    world.add_worker()
    await world.post_cdr("c1")
    await world.put_locations(20)
    await until(lambda: len(partner.locations) > 5)
    async with world.database.write() as db:
        assert await rewind(db, world.ids["msp"])
        assert not await rewind(db, 99)
    await until(lambda: len(partner.of("PUT")) >= 26)
    await world.until_told()
    async with world.database.write() as db:
        await rewind(db, world.ids["msp"])
    before = len(partner.of("PUT"))
    await until(lambda: len(partner.of("PUT")) == before + 20)
    assert len(partner.of("POST")) == 1


@pytest.mark.threat("TA-09")
async def test_no_log_line_and_no_row_holds_a_token(world: World) -> None:
    partner: Simulated = await world.add_partner("msp")

    async def repeat(request: httpx.Request) -> httpx.Response:
        return envelope(2001, 400, f"{request.headers['authorization']} {partner.token}")

    partner.misbehave = repeat
    with structlog.testing.capture_logs() as lines:
        world.add_worker()
        await world.put_location("a")
        row = await until_parked(world, "locations/nl*tnm*a", "dead")
    assert row.error == "HTTP 400, OCPI 2001: Token [token] [token]"
    assert partner.token not in str(lines)
    assert [line["event"] for line in lines].count("push failed") == 7
