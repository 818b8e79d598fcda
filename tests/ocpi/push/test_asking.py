"""Who answers when asked is there: what fails meanwhile stops nothing else, and is no absence."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from tests.ocpi.push.faults import (
    failing,
    parked,
    status_of,
    until_not_behind,
    until_state,
)
from tests.ocpi.push.simulated import envelope
from tests.ocpi.push.test_starving import relays_failed
from tests.ocpi.push.world import QUICK, World, until

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
