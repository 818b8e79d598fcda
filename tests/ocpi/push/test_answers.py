"""What a lane makes of answers that say less, or more, than they should."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest
from sqlmodel import select

from ocpi.forgiving import Habit
from ocpi.push.lanes import Receipt
from tests.ocpi.push.faults import parked, present, until_nothing_is_parked, until_parked
from tests.ocpi.push.simulated import Simulated, envelope
from tests.ocpi.push.world import QUICK, World, until, until_found

BILL = "cdrs/nl*tnm*c1"


async def receipt_of(world: World) -> Receipt | None:
    async with world.database.read() as db:
        return (await db.exec(select(Receipt))).first()


def posts(partner: Simulated, answer: httpx.Response, *, take: bool = False) -> object:
    """Answer the first POST so, with `take` behind the partner's back, and later ones barely."""

    async def give(request: httpx.Request) -> httpx.Response | None:
        if request.method != "POST":
            return None
        if len(partner.of("POST")) > 1:
            return envelope(2001, 409) if take else None
        if take:
            partner.cdrs.append(partner.requests[-1].body)
        return answer

    return give


async def test_a_cdr_that_conflicts_with_something_else_has_no_receipt_after_a_restart(
    world: World,
) -> None:
    partner = await world.add_partner("msp")
    refusal = envelope(2001, 409, "The Session of this CDR is still ACTIVE")
    partner.misbehave = posts(partner, refusal)  # type: ignore[assignment]
    await world.post_cdr("c1")
    world.add_worker(pace=replace(QUICK, retries=(60,)))
    await until_parked(world, BILL, "rejected")
    assert await receipt_of(world) is None


@pytest.mark.pitfall("IP-38")
async def test_a_cdr_that_a_gateway_asked_to_send_later_may_have_arrived(world: World) -> None:
    partner = await world.add_partner("msp")
    busy = httpx.Response(503, headers={"Retry-After": "1"}, text="Upstream is busy")
    partner.misbehave = posts(partner, busy, take=True)  # type: ignore[assignment]
    world.add_worker()
    await world.put_location("a")
    await world.until_told()
    await world.post_cdr("c1")
    receipt = present(await until_found(lambda: receipt_of(world)))
    assert receipt.http_status == 409
    assert (await parked(world), len(partner.of("POST"))) == ({}, 2)


@pytest.mark.pitfall("IP-38")
async def test_a_change_that_a_gateway_asked_to_send_later_is_not_patched_in_twice(
    world: World,
) -> None:
    partner = await world.add_partner("msp")
    world.add_worker()
    await world.put_location("a", "1")
    await world.until_told()

    async def busy(request: httpx.Request) -> httpx.Response | None:
        if request.method != "PATCH":
            return None
        partner.misbehave = None
        _, module, *parts = request.url.path.strip("/").split("/")
        partner.behave("PATCH", module, parts, partner.requests[-1].body)
        return httpx.Response(503, headers={"Retry-After": "1"})

    partner.misbehave = busy
    await world.change_evse("a", "1")
    await until(lambda: len(partner.pushes) == 3)
    await world.until_told()
    assert [request.method for request in partner.pushes] == ["PUT", "PATCH", "PUT"]


@pytest.mark.pitfall("IP-35")
async def test_a_location_that_is_no_url_is_no_reason_to_post_a_cdr_again(world: World) -> None:
    partner = await world.add_partner("msp")
    accepted = envelope(1000, 201)
    accepted.headers["Location"] = "https://[host]/cdrs/1"
    partner.misbehave = posts(partner, accepted)  # type: ignore[assignment]
    world.add_worker(pace=replace(QUICK, crash=0.1))
    await world.post_cdr("c1")
    receipt = present(await until_found(lambda: receipt_of(world)))
    assert (receipt.http_status, receipt.url) == (201, None)
    assert len(partner.of("POST")) == 1
    assert ("msp", Habit.NO_LOCATION) in world.contexts[0].forgiving.take()


@pytest.mark.parametrize("code", [3_000_000_000, 10**20])
async def test_a_status_code_that_no_column_holds_harms_no_other_partner(
    world: World, code: int
) -> None:
    bad, good = await world.add_partner("bad"), await world.add_partner("msp")

    async def refuse(request: httpx.Request) -> httpx.Response | None:
        return httpx.Response(400, json={"status_code": code}) if "/a" in str(request.url) else None

    bad.misbehave = refuse
    world.add_worker()
    await world.put_location("a")

    async def is_parked() -> bool:
        return "locations/nl*tnm*a" in await parked(world, "bad")

    await until_found(is_parked)
    assert (await parked(world, "bad"))["locations/nl*tnm*a"].status_code is None
    await world.put_location("b")
    await world.until_told(good)
    bad.misbehave = None
    await world.put_location("a")
    await world.until_told()
    await until_nothing_is_parked(world)
    assert len(good.pushes) == 3


async def test_a_bare_404_to_a_delete_is_believed_the_third_time_and_is_no_refusal(
    world: World,
) -> None:
    """So a gateway answers that has nobody behind it, and so do many of what they never had."""
    partner = await world.add_partner("msp")

    async def no_such_page(request: httpx.Request) -> httpx.Response | None:
        return httpx.Response(404, text="Not Found") if request.method == "DELETE" else None

    partner.misbehave = no_such_page
    names = [str(number) for number in range(QUICK.alike + 5)]
    for name in names:
        await world.put_location(name)
        await world.delete_location(name)
    world.add_worker()
    await until(lambda: len(partner.of("DELETE")) == 3 * len(names))
    await until_nothing_is_parked(world)
    assert partner.of("GET") == []  # Its versions are asked for where it is in doubt.
