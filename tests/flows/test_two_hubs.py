"""Two hubs in a row: to the parties at both ends they are one."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from ocpi.testing import samples
from ocpi.testing.emsp import running
from tests.flows.hubs import (
    Town,
    assert_proper,
    cpo,
    crawl,
    emsp,
    introduced,
    owned_by,
    pairs,
    received,
    told_of,
    two_hubs,
)
from tests.flows.process import until

BEC, MSP = ("BE", "BEC"), ("DE", "MSP")


@pytest.fixture
async def town(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Town]:
    """The CPOs are at one hub, the eMSPs at the other one, and have heard of each other."""
    sellers = (cpo(*BEC), cpo("FR", "FRC"))
    drivers = (emsp(*MSP), emsp("GB", "EMS"))
    second = f"sqlite+aiosqlite:///{tmp_path}/second.sqlite"
    async with AsyncExitStack() as stack:
        one, two = await stack.enter_async_context(two_hubs(sqlite_url, second))
        for mock in (*sellers, *drivers):
            await stack.enter_async_context(running(mock))
        await one.admit(*sellers)
        await two.admit(*drivers)
        await introduced(*sellers, *drivers)
        yield Town(one, *sellers, *drivers)
        assert_proper(*sellers, *drivers)


@pytest.mark.req("RT-10", "RT-09", "HC-04", "HC-06", "RT-14")
async def test_a_put_passes_two_hubs_with_its_pairs_unchanged(town: Town) -> None:
    token = samples.cdr_token(**owned_by(town.emsp1))
    session = samples.session(**owned_by(town.cpo1), cdr_token=token, id="SECRET-SESSION")
    reply = await town.cpo1.put_session(session)
    assert (reply.http_status, reply.status_code) == (201, 1000)
    assert pairs(reply.headers) == (BEC, MSP)
    (came,) = received(town.emsp1, "sessions")
    assert pairs(came.headers) == (MSP, BEC)
    sent = reply.message.headers
    assert came.headers["x-correlation-id"] == sent["x-correlation-id"]
    assert came.headers["x-request-id"] != sent["x-request-id"]
    assert town.emsp1.documents("sessions") == [session]
    for stranger in (town.cpo2, town.emsp2):
        assert told_of(stranger, ["SECRET-SESSION"]) == []


@pytest.mark.req("RT-10", "RT-20", "RT-21", "RT-22")
async def test_lists_bills_and_results_find_their_way_over_two_hubs(town: Town) -> None:
    location, token = samples.location(**owned_by(town.cpo1)), samples.token(**owned_by(town.emsp1))
    for each in (location, {**location, "id": "LOC-2"}, {**location, "id": "LOC-3"}):
        await town.cpo1.put_location(each, to=MSP)
    replies = await crawl(town.emsp1, "locations", "?limit=1", BEC)
    assert [reply.data[0]["id"] for reply in replies] == ["LOC-1", "LOC-2", "LOC-3"]
    place = {"token": token, "location_id": "LOC-1", "evse_uid": "EVSE-1"}
    command = await town.emsp1.command("START_SESSION", place, to=BEC)
    assert await town.emsp1.result_of(command) == {"result": "ACCEPTED"}
    await until(lambda: bool(town.emsp1.documents("sessions")))
    decision = await town.cpo1.authorize(token["uid"], to=MSP)
    assert decision.http_status == 404
    driver = samples.cdr_token(**owned_by(town.emsp1))
    cdr = samples.cdr(**owned_by(town.cpo1), cdr_token=driver)
    assert (await town.cpo1.post_cdr(cdr)).status_code == 1000
    assert (await town.cpo1.fetch_cdr(cdr)).data == cdr


@pytest.mark.req("RT-24", "RT-31")
async def test_a_broadcast_is_spread_by_the_next_hub_too(town: Town) -> None:
    location, token = await town.broadcast()
    assert town.emsp2.documents("locations") == [location]
    assert town.cpo2.documents("tokens") == [token]
    decision = await town.cpo2.authorize(token["uid"], to=MSP)
    assert decision.data["allowed"] == "ALLOWED"
