"""Who answers when asked is there: what fails meanwhile stops nothing else, and is no absence."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from ocpi.answer import Broken
from tests.ocpi.push.faults import (
    failing,
    parked,
    status_of,
    until_not_behind,
    until_nothing_is_parked,
    until_parked,
    until_state,
)
from tests.ocpi.push.simulated import Answerer, envelope
from tests.ocpi.push.test_rejecting import until_reason
from tests.ocpi.push.test_starving import relays_failed
from tests.ocpi.push.world import OWNER, QUICK, World, until

# What is stopped, or parked, stays so for longer than any test does.
SLOW = replace(QUICK, retries=(3600,), probe=3600, probe_cap=3600, auth=3600, gone=3600)
ONE = replace(SLOW, in_flight=1, most_in_flight=1)


@pytest.mark.req("HC-15")
async def test_relays_that_fail_do_not_stop_who_answers(world: World) -> None:
    partner = await world.add_partner("msp", offline_policy="spec_strict")
    world.add_worker(pace=SLOW)
    await world.put_locations(10)
    await world.until_told()
    await relays_failed(world)
    await until(lambda: len(partner.of("GET")) >= 1)
    # It was never away, so that it would not GET what is not told.
    await world.put_locations(10)
    await world.until_told()
    assert (await status_of(world)).state == "active"


@pytest.mark.req("HC-15")
@pytest.mark.parametrize(
    ("answer", "asked"), [(Broken("exhausted", "none is left"), 3), (envelope(2000, 429), 1)]
)
async def test_who_could_not_be_asked_or_asks_for_a_pause_is_not_away(
    world: World, answer: Exception | httpx.Response, asked: int
) -> None:
    partner = await world.add_partner("msp")
    world.add_worker(pace=SLOW)
    await world.put_locations(3)
    await world.until_told()

    async def misbehave(request: httpx.Request) -> httpx.Response | None:
        if request.method != "GET":
            return None
        if isinstance(answer, Exception):
            raise answer
        return answer

    partner.misbehave = misbehave
    await relays_failed(world)
    await until(lambda: len(partner.of("GET")) >= asked)
    partner.misbehave = None
    await world.put_locations(3)
    await world.until_told()
    assert (await status_of(world)).state == "active"


async def test_one_module_that_fails_stops_no_other(world: World) -> None:
    partner = await world.add_partner("msp", offline_policy="spec_strict")
    world.add_worker(pace=ONE)
    partner.misbehave = failing(3000, 500, only="/locations")  # type: ignore[assignment]
    await world.put_locations(12)
    await until_not_behind(world)
    for number in range(20):
        await world.post_cdr(f"c{number}")
    await until(lambda: len(partner.cdrs) == 20)
    assert partner.of("GET") != []
    assert (await status_of(world)).parked == {"transient": 12}


async def test_of_who_answers_and_fails_on_everything_not_everything_is_parked(
    world: World,
) -> None:
    partner = await world.add_partner("msp")
    partner.misbehave = failing(3000, 500)  # type: ignore[assignment]
    await world.put_locations(100)
    world.add_worker(pace=ONE)
    status = await until_state(world, "stopped")
    assert (status.reason or "").startswith("The partner rejects everything, in the same way.")
    assert len(await parked(world)) <= QUICK.faults + QUICK.alike


async def test_nothing_is_sent_while_it_is_asked_whether_a_partner_is_there(world: World) -> None:
    partner = await world.add_partner("msp")

    async def answer(request: httpx.Request) -> httpx.Response | None:
        if request.method == "GET":
            raise httpx.ReadTimeout("Nobody answers")
        return envelope(3000, 500)

    partner.misbehave = answer
    await world.put_locations(50)
    world.add_worker(pace=ONE)
    status = await until_state(world, "stopped")
    assert (status.reason or "").startswith("The partner does not answer")
    assert len(partner.pushes) == QUICK.faults


@pytest.mark.parametrize("http", [403, 410])
async def test_one_object_that_is_forbidden_or_gone_stops_nothing_though_it_is_alone(
    world: World, http: int
) -> None:
    partner = await world.add_partner("msp", offline_policy="spec_strict")
    world.add_worker(pace=ONE)
    partner.misbehave = failing(2000, http, only="/one")  # type: ignore[assignment]
    await world.put_location("one")
    row = await until_parked(world, f"locations/{OWNER}*one", "transient")
    assert (row.http_status, row.attempts) == (http, 1)
    assert len(partner.of("GET")) == 1
    await world.post_cdr("c1")
    # It was never away, so that it would not GET what is not told.
    await world.put_locations(30)
    await until(lambda: len(partner.locations) == 30 and len(partner.cdrs) == 1)
    assert (await status_of(world)).state == "active"


def showing_versions(code: int, http: int) -> Answerer:
    """Give an answer to everything, but versions to everybody."""

    async def answer(request: httpx.Request) -> httpx.Response:
        return envelope() if request.method == "GET" else envelope(code, http)

    return answer


async def test_a_dead_token_is_noticed_although_versions_are_shown_to_everybody(
    world: World,
) -> None:
    partner = await world.add_partner("msp")
    world.add_worker(pace=replace(QUICK, in_flight=1, most_in_flight=1))
    partner.misbehave = showing_versions(2000, 401)
    await world.put_locations(30)
    status = await until_state(world, "stopped")
    assert status.reason == (
        "The partner answers, but does not let us tell it anything. HTTP 401, OCPI 2000: As asked"
    )
    asked = len(partner.of("GET"))
    await until(lambda: len(partner.of("GET")) > asked + 20)
    assert (await status_of(world)).reason == status.reason
    assert len(await parked(world)) < QUICK.faults
    partner.misbehave = None
    await world.until_told()
    await until_nothing_is_parked(world)


@pytest.mark.req("HC-15")
async def test_who_lets_us_tell_nothing_is_away_once_versions_are_refused_too(
    world: World,
) -> None:
    partner = await world.add_partner("msp")
    world.add_worker()
    partner.misbehave = showing_versions(2000, 401)
    await world.put_locations(30)
    await until_reason(world, "The partner answers, but")
    partner.misbehave = failing(2000, 401, probes=True)  # type: ignore[assignment]
    await until_reason(world, "The partner does not accept our token.")


async def test_a_dead_token_is_noticed_after_one_module_was_forbidden_for_a_moment(
    world: World,
) -> None:
    partner = await world.add_partner("msp")
    world.add_worker(pace=ONE)
    partner.misbehave = failing(2000, 401, only="/locations")  # type: ignore[assignment]
    await world.put_location("a")
    await until_parked(world, f"locations/{OWNER}*a", "transient")
    await world.post_cdr("c1")
    await until(lambda: len(partner.cdrs) == 1)
    partner.misbehave = None
    await world.put_locations(5)
    await until_not_behind(world)
    partner.misbehave = failing(2000, 401, probes=True)  # type: ignore[assignment]
    await world.put_locations(5)
    await until_reason(world, "The partner does not accept our token.")
    assert (await parked(world)).keys() <= {f"locations/{OWNER}*a"}
