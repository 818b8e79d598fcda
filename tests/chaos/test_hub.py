"""Sharing that changes while partners are told, and partners that send back what they are told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from modules.hubclientinfo.standing import bring_up_to_date
from ocpi.catalogue import SOURCES
from ocpi.crew import on_duty
from ocpi.push.pace import Pace
from ocpi.push.worker import Worker
from ocpi.testing import samples
from ocpi.testing.emsp import running
from tests.flows.hubs import cpo, emsp, introduced, owned_by, received, two_hubs
from tests.flows.process import until as until_so
from tests.house import HUB, head
from tests.modules.hubclientinfo.test_announcing import OTHER_HUB
from tests.ocpi.hub.test_agreements import agree
from tests.ocpi.hub.town import (
    CPO1,
    EMSP1,
    EVERYBODY,
    Peer,
    Town,
    open_town,
    pushing,
    success,
    until,
)

LOCATIONS = 60
BEC, MSP = CPO1.party, EMSP1.party


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[Town]:
    """Give a hub; one of its partners is a hub itself."""
    async with open_town(database_url, (*EVERYBODY, OTHER_HUB)) as opened:
        await bring_up_to_date(opened.context)
        yield opened


async def put(town: Town, number: int, name: str = "Somewhere") -> None:
    location = samples.location(country_code="BE", party_id="BEC", id=f"L{number}", name=name)
    answer = await town.cpo1.send("PUT", f"receiver/locations/BE/BEC/L{number}", location, to=HUB)
    assert answer.status_code in (200, 201), answer.text


def told(peer: Peer) -> set[str]:
    """Which Locations a partner was told."""
    return {seen.path.rpartition("/")[2] for seen in peer.of("receiver/locations")}


async def test_what_is_withdrawn_while_it_is_told_is_told_no_further(town: Town) -> None:
    for number in range(LOCATIONS):
        await put(town, number)
    # 20 at once, then 20 a second: it is still behind when the rule is made.
    await town.set_partner("emsp1", options={"pushes_per_minute": 1200})
    # As for real, a lane knows its partner for two seconds.
    pace = Pace(poll=0.05, gather=0.005, commit=0.02)
    async with on_duty((Worker(town.context, SOURCES, pace=pace),)):
        await until(lambda: len(told(town.emsp1)) > 5)
        await agree(town, BEC, MSP, allowed=False, module="locations")
        before = len(told(town.emsp1))
        await until(lambda: len(told(town.emsp2)) == LOCATIONS)
        await asyncio.sleep(0.3)
        # What was in flight when the rule was committed could not be called back.
        assert len(told(town.emsp1)) - before <= 8
        assert before < LOCATIONS
        # The lane goes on all the same: what comes later from another party arrives.
        location = samples.location(country_code="FR", party_id="FRC", id="OTHER")
        at = "receiver/locations/FR/FRC/OTHER"
        await town.cpo2.send("PUT", at, location, to=HUB)
        await until(lambda: "OTHER" in told(town.emsp1))
        await agree(town, BEC, MSP, allowed=True, module="locations")
        await until(lambda: len(told(town.emsp1)) == LOCATIONS + 1)


async def test_a_partner_that_echoes_what_it_is_told_starts_no_loop(town: Town) -> None:
    echoes = list[asyncio.Task[httpx.Response]]()

    def echo(peer: Peer) -> None:
        def answer(request: httpx.Request) -> httpx.Response:
            path = request.url.path.partition("/receiver/locations/")[2]
            if path:
                again = peer.send(
                    request.method, f"receiver/locations/{path}", request.content, to=HUB
                )
                echoes.append(asyncio.create_task(again))
            return success()

        peer.answer = answer

    for peer in town.peers.values():
        echo(peer)
    before = await newest(town)
    async with pushing(town):
        for change in range(3):
            for number in range(10):
                await put(town, number, name=f"Name {change}")
        hearers = (town.emsp1, town.emsp2, town.hub2)
        await until(lambda: all(len(told(peer)) == 10 for peer in hearers))
        await settled(town)
        assert told(town.cpo1) == told(town.cpo2) == set()
        # What comes back is refused, or nothing new: each change was told once at most.
        assert all(len(peer.of("receiver/locations")) <= 30 for peer in hearers)
        assert await newest(town) == before + 30
    assert len(echoes) >= 30
    assert not {(await each).status_code for each in echoes} & set(range(500, 600))


async def newest(town: Town) -> int:
    """Give the number of the newest change that partners must hear of."""
    async with town.context.database.read() as db:
        return await head(db, "state")


async def settled(town: Town) -> None:
    """Wait until nothing is sent any more."""
    before = -1
    while (seen := sum(len(peer.seen) for peer in town.peers.values())) != before:
        before = seen
        await asyncio.sleep(0.3)


async def test_two_hubs_in_a_row_tell_each_other_no_change_twice(
    database_url: str, tmp_path: Path
) -> None:
    seller, driver, neighbour = cpo("BE", "BEC"), emsp("DE", "MSP"), emsp("GB", "EMS")
    mocks = (seller, driver, neighbour)
    second = f"sqlite+aiosqlite:///{tmp_path}/second.sqlite"
    async with (
        two_hubs(database_url, second) as (one, two),
        running(seller),
        running(driver),
        running(neighbour),
    ):
        await one.admit(seller, neighbour)
        await two.admit(driver)
        await introduced(*mocks)
        changes = 0
        for change in range(4):
            for number in range(5):
                names = {"id": f"L{number}", "name": f"Name {change}"}
                location = samples.location(**owned_by(seller), **names)
                assert (await seller.put_location(location)).status_code == 1000
                changes += 1
        for each in (driver, neighbour):
            await until_so(
                lambda each=each: [x["name"] for x in each.documents("locations")] == ["Name 3"] * 5  # type: ignore[misc]
            )
        counts = [len(received(mock, "locations")) for mock in mocks]
        await asyncio.sleep(1)
        assert [len(received(mock, "locations")) for mock in mocks] == counts
        assert counts[0] == 0
        assert max(counts) <= changes
        for hub in (one, two):
            lanes = (await hub.admin.get("/push")).json()
            assert {lane["behind"] for lane in lanes} == {0}
