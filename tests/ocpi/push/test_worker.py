"""The push from change to partner, while nothing goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from ocpi.push.lanes import Receipt
from ocpi.push.source import Send
from tests.ocpi.push.faults import parked
from tests.ocpi.push.simulated import Request, Simulated
from tests.ocpi.push.world import QUICK, THINGS, Locations, World, until


def told(partner: Simulated) -> list[tuple[str, str]]:
    return [(request.method, request.path) for request in partner.pushes]


async def test_a_partner_gets_what_was_there_before_it_and_what_changes_after(
    world: World,
) -> None:
    await world.put_location("a", "1", "2")
    await world.post_cdr("c1")
    world.add_worker()
    partner = await world.add_partner("msp")
    await world.until_told()
    await world.change_evse("a", "1", "b")
    await world.until_told()
    *first, last = told(partner)
    assert (sorted(first), last) == (
        [("POST", ""), ("PUT", "NL/TNM/a")],
        ("PATCH", "NL/TNM/a/1"),
    )


async def test_many_changes_while_nobody_listens_are_one_push(world: World) -> None:
    partner = await world.add_partner("msp")
    await world.put_location("a", "1")
    for _ in range(50):
        await world.change_evse("a", "1")
    first = world.add_worker()
    await world.until_told()
    await first.stop()
    # The EVSE's own push may not be needed, but its row comes after that of the whole.
    assert told(partner) in (
        [("PUT", "NL/TNM/a")],
        [("PUT", "NL/TNM/a"), ("PUT", "NL/TNM/a/1")],
    )


async def test_a_change_during_the_push_of_its_predecessor_is_told_after_it(
    world: World,
) -> None:
    partner = await world.add_partner("msp")
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def hold(_request: httpx.Request) -> None:
        arrived.set()
        await go_on.wait()

    partner.misbehave = hold
    # The request that is held must not be given up meanwhile.
    world.add_worker(pace=replace(QUICK, exchange=5, lease=20))
    await world.put_location("a", "1")
    await arrived.wait()
    await world.change_evse("a", "1", "a")
    await world.change_evse("a", "1", "b")
    await asyncio.sleep(0.1)
    assert told(partner) == [("PUT", "NL/TNM/a")]
    go_on.set()
    await world.until_told()
    # Only the last of two changes is known as a patch, so the whole EVSE is told.
    assert told(partner) == [("PUT", "NL/TNM/a"), ("PUT", "NL/TNM/a/1")]


async def test_versions_of_an_object_arrive_in_their_order(world: World) -> None:
    first, second = await world.add_partner("one"), await world.add_partner("two")

    async def dawdle(_request: httpx.Request) -> None:
        await asyncio.sleep(0.01)

    second.misbehave = dawdle
    world.add_worker()
    for name in "abc":
        await world.put_location(name, "1", "2")
    for turn in range(30):
        await world.change_evse("abc"[turn % 3], "12"[turn % 2], "ab"[turn % 2])
    await world.until_told()
    for partner in (first, second):
        assert {name: sorted(seen) for name, seen in partner.versions.items()} == partner.versions


@pytest.mark.pitfall("IP-07")
async def test_a_partner_that_lost_a_location_gets_it_again_with_the_next_change(
    world: World,
) -> None:
    partner = await world.add_partner("msp")
    world.add_worker()
    await world.put_location("a", "1")
    await world.until_told()
    partner.locations.clear()
    await world.change_evse("a", "1")
    await world.until_told()
    ladder = [("PATCH", "NL/TNM/a/1"), ("PUT", "NL/TNM/a/1"), ("PUT", "NL/TNM/a")]
    assert told(partner) == [("PUT", "NL/TNM/a"), *ladder]


@pytest.mark.pitfall("IP-40")
async def test_a_partner_that_understands_no_patch_gets_whole_objects(world: World) -> None:
    partner = await world.add_partner("msp", put_only=True)
    world.add_worker()
    await world.put_location("a", "1")
    await world.until_told()
    await world.change_evse("a", "1")
    await world.until_told()
    assert told(partner) == [("PUT", "NL/TNM/a"), ("PUT", "NL/TNM/a/1")]


async def test_after_a_restart_the_first_change_is_told_whole(world: World) -> None:
    partner = await world.add_partner("msp")
    await world.put_location("a", "1")
    first = world.add_worker()
    await world.until_told()
    await first.stop()
    world.add_worker()
    await world.change_evse("a", "1", "a")
    await world.until_told()
    await world.change_evse("a", "1", "b")
    await world.until_told()
    assert told(partner) == [
        ("PUT", "NL/TNM/a"),
        ("PUT", "NL/TNM/a/1"),
        ("PATCH", "NL/TNM/a/1"),
    ]


async def test_what_was_deleted_is_deleted_there_and_what_came_back_is_not(
    world: World,
) -> None:
    partner = await world.add_partner("msp")
    world.add_worker()
    await world.put_location("a")
    await world.until_told()
    await world.delete_location("a")
    await world.until_told()
    await world.put_location("b")
    await world.until_told()
    async with asyncio.timeout(5):
        await world.workers[0][0].stop()
    await world.delete_location("b")
    await world.put_location("b", "1")
    await world.put_location("c")
    await world.delete_location("c")
    world.add_worker()
    await until(lambda: len(partner.of("DELETE")) == 2)
    await world.until_told()
    assert sorted(told(partner)[3:]) == [("DELETE", "NL/TNM/c"), ("PUT", "NL/TNM/b")]


@pytest.mark.pitfall("IP-35")
async def test_a_cdr_goes_to_its_audience_once_and_leaves_a_receipt(world: World) -> None:
    first, second = await world.add_partner("one"), await world.add_partner("two")
    world.add_worker()
    await world.post_cdr("c1", audience="two")
    await until(lambda: len(second.cdrs) == 1)
    await world.put_location("a")
    await until(lambda: "a" in first.locations and "a" in second.locations)
    assert (first.of("POST"), len(second.of("POST"))) == ([], 1)
    await world.workers[0][0].stop()
    async with world.database.read() as db:
        receipt = await db.get(Receipt, ("cdrs/nl*tnm*c1", "two"))
    assert receipt is not None
    assert (receipt.http_status, receipt.url) == (201, "https://two.example/2.2.1/cdrs/c1")
    assert receipt.request_id == second.of("POST")[0].headers["x-request-id"]


async def test_a_partner_that_is_removed_and_added_again_is_sent_no_cdr_twice(world: World) -> None:
    before = await world.add_partner("msp")
    world.add_worker()
    await world.post_cdr("c1", audience="msp")
    await until(lambda: len(before.cdrs) == 1)
    await world.remove("msp")
    again = await world.add_partner("msp")
    await world.post_cdr("c2", audience="msp")
    await until(lambda: bool(again.cdrs))
    await asyncio.sleep(0.2)
    assert [cdr["id"] for cdr in again.cdrs] == ["c2"]


async def test_what_a_partner_does_not_take_is_passed_over(world: World) -> None:
    partner = await world.add_partner("msp", modules=["locations"])
    world.add_worker()
    for number in range(5):
        await world.post_cdr(f"c{number}")
    await world.put_location("a")
    await until(lambda: "a" in partner.locations)
    assert told(partner) == [("PUT", "NL/TNM/a")]


@pytest.mark.pitfall("IP-31")
async def test_messages_name_their_sender_and_receiver(world: World) -> None:
    partner = await world.add_partner("msp")
    world.add_worker()
    await world.put_location("a")
    await world.until_told()
    request: Request = partner.pushes[0]
    names = ("ocpi-from-country-code", "ocpi-from-party-id", "ocpi-to-country-code")
    assert [request.headers[name] for name in names] == ["NL", "TNM", "DE"]
    assert request.headers["ocpi-to-party-id"] == f"{world.ids['msp']:03}"
    assert request.headers["content-type"] == "application/json"


async def test_large_catalogues_are_told_page_by_page(world: World) -> None:
    partner = await world.add_partner("msp")
    await world.put_locations(100)
    # On a busy machine a request may take longer than a quick worker waits, and is sent again.
    world.add_worker(pace=replace(QUICK, exchange=5, lease=20))
    await world.until_told()
    assert len(partner.pushes) == 100


async def test_an_object_that_cannot_be_told_does_not_stop_the_others(world: World) -> None:
    partner = await world.add_partner("msp")
    await world.put_location("a", "1")
    await world.change_evse("a", "1")
    async with world.database.write() as db:
        await db.exec(update(THINGS).values(body="no JSON"))
    world.add_worker()
    await world.put_location("b")
    await until(lambda: "b" in partner.locations)
    await world.put_location("a", "1")
    await world.until_told()


async def test_an_object_that_there_was_no_memory_for_is_told_soon_and_not_blamed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    partner = await world.add_partner("msp")
    told, failing = Locations.sends, True

    async def fail_once(*given: Any, **named: Any) -> Sequence[Send]:
        nonlocal failing
        if failing:
            failing = False
            raise MemoryError
        return await told(*given, **named)

    monkeypatch.setattr(Locations, "sends", fail_once)
    world.add_worker()
    await world.put_location("a")
    await until(lambda: "a" in partner.locations)
    assert not failing
    assert await parked(world) == {}
