"""Each misbehaviour, over a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from ocpi.testing import samples
from ocpi.testing.emsp import Match, MockEMSP, Rule, running
from ocpi.testing.mock.misbehaviour import Act
from tests.ocpi.testing.caller import Caller

LOCATION = "locations/DE/CPO/LOC-1"


@pytest.fixture
async def caller(mock: MockEMSP) -> AsyncIterator[Caller]:
    async with running(mock) as base_url, httpx.AsyncClient(base_url=base_url) as http:
        yield Caller(mock, http)


@pytest.mark.parametrize(
    ("rule", "http_status", "text", "stored"),
    [
        (Rule("status", http_status=500), 500, '"status_code":3000', False),
        (Rule("status", http_status=404), 404, '"status_code":2000', False),
        (Rule("envelope", status_code=2001), 200, '"status_code":2001', False),
        (Rule("slow", seconds=0.01), 201, '"status_code":1000', True),
        (Rule("garbage"), 200, "<!doctype html>", False),
        (Rule("garbage", garbage="truncated"), 200, '"status_code": 1000, "timest', False),
    ],
)
async def test_an_answer_is_replaced(
    caller: Caller, rule: Rule, http_status: int, text: str, *, stored: bool
) -> None:
    caller.mock.rules = [rule]
    response = await caller.put(LOCATION, samples.location())
    assert response.status_code == http_status
    assert text in response.text
    assert bool(caller.mock.objects["locations"]) is stored


async def test_an_empty_answer_has_no_body_but_the_object_is_stored(caller: Caller) -> None:
    caller.mock.rules = [Rule("empty")]
    response = await caller.put(LOCATION, samples.location())
    assert (response.status_code, response.content) == (200, b"")
    assert len(caller.mock.objects["locations"]) == 1


async def test_too_many_requests_come_with_the_time_to_wait(caller: Caller) -> None:
    caller.mock.rules = [Rule("status", http_status=429, retry_after=7)]
    response = await caller.put(LOCATION, samples.location())
    assert (response.status_code, response.headers["retry-after"]) == (429, "7")


@pytest.mark.parametrize(("act", "stored"), [("drop", 0), ("drop_after_accept", 1)])
async def test_a_dropped_connection_is_closed_without_an_answer(
    caller: Caller, act: Act, stored: int, caplog: pytest.LogCaptureFixture
) -> None:
    caller.mock.rules = [Rule(act, times=1)]
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        await caller.put(LOCATION, samples.location())
    assert len(caller.mock.objects["locations"]) == stored
    [message] = caller.mock.messages
    assert (message.http_status, message.status_code) == (None, None)
    assert (await caller.put(LOCATION, samples.location())).is_success
    assert caplog.records == []


async def test_a_drop_in_process_looks_the_same_to_the_caller(cpo: Caller) -> None:
    cpo.mock.rules = [Rule("drop_after_accept")]
    with pytest.raises(httpx.RemoteProtocolError):
        await cpo.put(LOCATION, samples.location())
    assert len(cpo.mock.objects["locations"]) == 1


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        (Match(), True),
        (Match(module="locations"), True),
        (Match(module="tariffs"), False),
        (Match(method="put"), True),
        (Match(method="GET"), False),
        (Match(path="LOC-[0-9]$"), True),
        (Match(path="^LOC"), False),
        (Match(module="locations", method="PUT", path="receiver"), True),
    ],
)
async def test_a_rule_is_for_the_requests_it_matches(
    cpo: Caller, match: Match, *, fits: bool
) -> None:
    cpo.mock.rules = [Rule("status", match=match)]
    response = await cpo.put(LOCATION, samples.location())
    assert (response.status_code == 500) is fits


async def test_rules_are_used_up_one_after_the_other(cpo: Caller) -> None:
    cpo.mock.rules = [
        Rule("status", http_status=503, times=2),
        Rule("status", http_status=404, times=1),
    ]
    statuses = [(await cpo.put(LOCATION, samples.location())).status_code for _ in range(5)]
    assert statuses == [503, 503, 404, 201, 200]


async def test_headers_are_judged_even_when_the_answer_is_a_misbehaviour(cpo: Caller) -> None:
    cpo.mock.rules = [Rule("drop")]
    with pytest.raises(httpx.RemoteProtocolError):
        await cpo.ask("GET", f"receiver/{LOCATION}", headers={"x-request-id": None})
    assert len(cpo.mock.violations) == 1


async def test_a_slow_answer_does_not_hold_up_the_end(mock: MockEMSP) -> None:
    """Else it would meet the time limit of every test."""
    mock.rules = [Rule("slow", seconds=600)]
    async with running(mock) as base_url, httpx.AsyncClient(base_url=base_url) as http:
        with pytest.raises(httpx.ReadTimeout):
            await http.get("/ocpi/versions", timeout=0.05)


@pytest.mark.parametrize("name", ["status_code", "timestamp", "data"])
async def test_any_member_of_the_envelope_can_be_taken_away(caller: Caller, name: str) -> None:
    caller.mock.rules = [Rule("alter", members={name: None}, headers={"x-price": "5\xa0"})]
    response = await caller.put(LOCATION, samples.location())
    assert response.status_code == 201
    assert name not in response.json()
    assert response.headers["x-price"] == "5\xa0"
    assert caller.mock.messages[-1].http_status == 201
