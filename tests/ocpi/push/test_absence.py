"""What a partner is told after an absence that it catches up on by itself."""

from __future__ import annotations

import httpx
import pytest

from tests.ocpi.push.faults import (
    failing,
    parked,
    status_of,
    until_looked,
    until_not_behind,
    until_nothing_is_parked,
    until_parked,
    until_state,
)
from tests.ocpi.push.simulated import Simulated, envelope
from tests.ocpi.push.world import World, until


async def went_away(world: World, http: int) -> Simulated:
    """Give a partner that was told ten Locations, and misses two changes of each and a CDR."""
    partner = await world.add_partner("msp", offline_policy="spec_strict")
    world.add_worker()
    await world.put_locations(10)
    await world.until_told()
    partner.requests.clear()
    partner.misbehave = failing(3000, http, probes=True)  # type: ignore[assignment]
    await world.put_locations(10)
    await until_state(world, "stopped")
    await world.put_locations(10)
    await world.post_cdr("c1")
    # What nobody had seen yet when the partner came back would be told as new.
    await until_looked(world)
    partner.requests.clear()
    return partner


@pytest.mark.parametrize("http", [503, 410])
async def test_a_strict_partner_is_told_bills_and_what_changes_after_its_return(
    world: World, http: int
) -> None:
    partner = await went_away(world, http)
    partner.misbehave = None
    await until_state(world, "active")
    await until(lambda: len(partner.cdrs) == 1)
    await until_not_behind(world)
    await until_nothing_is_parked(world)
    missed = [name for name, held in partner.locations.items() if held["version"] <= 10]
    # One of them may have shown that the partner is back.
    assert len(missed) >= 9
    await world.put_location(missed[0])
    await until(lambda: partner.locations[missed[0]] == world.ours.locations[missed[0]])
    assert [request.path for request in partner.of("PUT")].count(f"NL/TNM/{missed[0]}") <= 2


async def test_a_strict_partner_that_returns_with_a_refusal_is_told_no_more(
    world: World,
) -> None:
    partner = await went_away(world, 503)

    async def refuse(request: httpx.Request) -> httpx.Response | None:
        return None if request.method in ("GET", "POST") else envelope(2001, 400)

    partner.misbehave = refuse
    await until_state(world, "active")
    await until_not_behind(world)
    await until(lambda: len(partner.cdrs) == 1)
    assert len(await parked(world)) <= 1


async def test_what_a_strict_partner_had_refused_is_not_given_up_for_its_absence(
    world: World,
) -> None:
    partner = await world.add_partner("msp", offline_policy="spec_strict")
    world.add_worker()
    partner.misbehave = failing(2001, 400, only="/poison")  # type: ignore[assignment]
    await world.put_location("poison")
    await until_parked(world, "locations/nl*tnm*poison", "dead")
    partner.misbehave = failing(3000, 503, probes=True)  # type: ignore[assignment]
    await world.put_locations(10)
    await until_state(world, "stopped")
    partner.misbehave = None
    await until_state(world, "active")
    await until_not_behind(world)
    assert (await status_of(world)).parked == {"dead": 1}
