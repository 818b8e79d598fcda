"""Charging profile requests: what they are answered, and what is stored for the station."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from sqlalchemy import update

from ocpi.database import clock
from ocpi.errands import Errand, answer, follow_up
from ocpi.gateway import Wish
from ocpi.spec.chargingprofiles import ChargingProfileResponse
from ocpi.spec.document import decode, encode
from ocpi.spec.reading import defects
from tests.house import OURS, THEIRS, codes_of, data_of, envelope_of
from tests.modules.commands.floor import ANSWERS, Floor, open_floor

PROFILES = "/ocpi/cpo/2.2.1/receiver/chargingprofiles"
PROFILE = {
    "charging_rate_unit": "A",
    "min_charging_rate": 6.5,
    "charging_profile_period": [
        {"start_period": 0, "limit": 16.1},
        {"start_period": 900, "limit": 8},
    ],
}


@pytest.fixture
async def floor(sqlite_url: str) -> AsyncIterator[Floor]:
    async with open_floor(sqlite_url) as opened:
        yield opened


@pytest.fixture
async def each_floor(database_url: str) -> AsyncIterator[Floor]:
    async with open_floor(database_url) as opened:
        yield opened


async def put(
    client: httpx.AsyncClient,
    session_id: str = "SESSION-1",
    headers: Mapping[str, str] | None = None,
    **over: Any,
) -> httpx.Response:
    body = {"charging_profile": PROFILE, "response_url": ANSWERS, **over}
    return await client.put(f"{PROFILES}/{session_id}", content=encode(body), headers=headers)


async def get(
    client: httpx.AsyncClient, session_id: str = "SESSION-1", **over: Any
) -> httpx.Response:
    query = {"duration": 900, "response_url": ANSWERS, **over}
    return await client.get(f"{PROFILES}/{session_id}?{urlencode(query)}")


async def clear(client: httpx.AsyncClient, session_id: str = "SESSION-1") -> httpx.Response:
    query = urlencode({"response_url": ANSWERS})
    return await client.delete(f"{PROFILES}/{session_id}?{query}")


ASKED = [
    (put, Wish.SET_CHARGING_PROFILE, {"charging_profile": PROFILE, "response_url": ANSWERS}),
    (get, Wish.GET_CHARGING_PROFILE, {"duration": 900, "response_url": ANSWERS}),
    (clear, Wish.CLEAR_CHARGING_PROFILE, {"response_url": ANSWERS}),
]


@pytest.mark.req("CP-01", "CP-02", "CP-03", "CP-04", "CP-05")
async def test_each_request_is_stored_for_the_station_before_it_is_answered(
    each_floor: Floor,
) -> None:
    for ask, _, _ in ASKED:
        answer = await ask(each_floor.emsp, "session-1")
        assert data_of(answer) == {"result": "ACCEPTED", "timeout": 35}
        assert answer.headers["cache-control"] == "no-store"
    errands = await each_floor.errands()
    for errand, (_, wish, request) in zip(errands, ASKED, strict=True):
        assert errand.wish == wish
        assert errand.document == decode(encode(request))
        assert (errand.owner, errand.asker) == (OURS, THEIRS)
        assert errand.session_id == "SESSION-1"
        assert (errand.location_id, errand.evse_uid) == ("LOC-1", "EVSE-1")
        assert errand.connector_id == "1"
        assert errand.response_url == ANSWERS
        assert errand.deadline - errand.created_at == 30_000_000
        assert errand.answered_at is None
    assert each_floor.service.context.errands.is_set()


@pytest.mark.req("CP-06", "CP-09")
@pytest.mark.parametrize(
    ("session_id", "result"),
    [
        ("NONE", "UNKNOWN_SESSION"),
        ("FOREIGN", "UNKNOWN_SESSION"),
        ("ENDED", "REJECTED"),
        ("UNABLE", "NOT_SUPPORTED"),
        ("GONE", "NOT_SUPPORTED"),
    ],
)
@pytest.mark.parametrize("ask", [put, get, clear])
async def test_what_is_refused_ends_the_exchange(
    floor: Floor, ask: Any, session_id: str, result: str
) -> None:
    answer = await ask(floor.emsp, session_id)
    response = data_of(answer)
    assert response == {"result": result, "timeout": 0}
    assert defects(response, ChargingProfileResponse) == []
    assert envelope_of(answer)["status_message"]
    assert await floor.errands() == []
    assert not floor.service.context.errands.is_set()


@pytest.mark.req("CP-06")
async def test_what_no_station_can_do_is_not_supported(sqlite_url: str) -> None:
    async with open_floor(sqlite_url, supported={Wish.GET_CHARGING_PROFILE}) as floor:
        assert data_of(await put(floor.emsp))["result"] == "NOT_SUPPORTED"
        assert data_of(await clear(floor.emsp))["result"] == "NOT_SUPPORTED"
        assert data_of(await get(floor.emsp))["result"] == "ACCEPTED"


@pytest.mark.threat("TA-30")
async def test_too_much_that_waits_for_stations_is_too_often(floor: Floor) -> None:
    await put(floor.emsp)
    first = await floor.errand()
    async with floor.database.write() as db:
        for _ in range(49):
            await follow_up(db, first, wish=Wish.UNLOCK_CONNECTOR)
    assert data_of(await put(floor.emsp)) == {"result": "TOO_OFTEN", "timeout": 0}
    async with floor.database.write() as db:
        await answer(db, first.id, {"result": "ACCEPTED"})
    assert data_of(await put(floor.emsp))["result"] == "ACCEPTED"


@pytest.mark.req("CP-06")
@pytest.mark.threat("TA-30")
async def test_a_seventh_request_about_a_session_within_a_minute_is_too_often(
    each_floor: Floor,
) -> None:
    floor = each_floor
    for _ in range(3):
        assert data_of(await put(floor.emsp))["result"] == "ACCEPTED"
        assert data_of(await get(floor.emsp))["result"] == "ACCEPTED"
    for ask in (put, get, clear):
        assert data_of(await ask(floor.emsp)) == {"result": "TOO_OFTEN", "timeout": 0}
    async with floor.database.write() as db:
        await db.exec(update(Errand).values(created_at=await clock(db) - 60_000_000))
    assert data_of(await put(floor.emsp))["result"] == "ACCEPTED"


@pytest.mark.req("CP-01", "CP-02")
@pytest.mark.parametrize(
    ("method", "query", "named"),
    [
        ("GET", {"response_url": ANSWERS}, "duration"),
        ("GET", {"duration": "900"}, "response_url"),
        ("GET", {"duration": "soon", "response_url": ANSWERS}, "duration"),
        ("GET", {"duration": "0", "response_url": ANSWERS}, "duration"),
        ("GET", {"duration": "-1", "response_url": ANSWERS}, "duration"),
        ("GET", {"duration": "900", "response_url": "/answer"}, "response_url"),
        ("GET", {"duration": "900", "response_url": "https://evil.example/"}, "response_url"),
        ("DELETE", {}, "response_url"),
        ("DELETE", {"response_url": "https://evil.example/"}, "response_url"),
    ],
)
async def test_a_query_that_is_not_whole_is_refused(
    floor: Floor, method: str, query: dict[str, str], named: str
) -> None:
    answer = await floor.emsp.request(method, f"{PROFILES}/SESSION-1?{urlencode(query)}")
    assert codes_of(answer) == (200, 2001)
    assert named in envelope_of(answer)["status_message"]


@pytest.mark.req("CP-17")
@pytest.mark.parametrize(
    ("over", "named"),
    [
        ({"charging_profile": None}, "charging_profile"),
        ({"charging_profile": {**PROFILE, "charging_rate_unit": "kW"}}, "charging_rate_unit"),
        ({"response_url": None}, "response_url"),
        ({"response_url": "https://evil.example/"}, "response_url"),
    ],
)
async def test_a_profile_that_cannot_be_understood_is_refused(
    floor: Floor, over: dict[str, Any], named: str
) -> None:
    answer = await put(floor.emsp, **over)
    assert codes_of(answer) == (200, 2001)
    assert named in envelope_of(answer)["status_message"]


@pytest.mark.req("CP-03")
async def test_a_response_url_that_is_not_encoded_is_taken_whole(floor: Floor) -> None:
    url = "https://msp.example/answer?request_id=5678&part=a%2Fb"
    answer = await floor.emsp.get(f"{PROFILES}/SESSION-1?duration=900&response_url={url}")
    assert data_of(answer)["result"] == "ACCEPTED"
    assert (await floor.errand()).response_url == url


@pytest.mark.req("CP-02")
@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_there_is_no_post_and_no_patch(floor: Floor, method: str) -> None:
    answer = await floor.emsp.request(method, f"{PROFILES}/SESSION-1")
    assert codes_of(answer) == (405, 2000)


@pytest.mark.threat("TA-13")
async def test_a_profile_that_comes_again_is_answered_and_not_set_again(each_floor: Floor) -> None:
    """Repeated by somebody who listened, once it was replaced."""
    less = {**PROFILE, "charging_profile_period": [{"start_period": 0, "limit": 6}]}
    first, second = {"X-Request-ID": "first"}, {"X-Request-ID": "second"}
    for headers, profile in ((first, PROFILE), (second, less), (first, PROFILE)):
        answer = await put(each_floor.emsp, headers=headers, charging_profile=profile)
        assert data_of(answer) == {"result": "ACCEPTED", "timeout": 35}
    errands = await each_floor.errands()
    assert [each.document["charging_profile"] for each in errands] == [
        decode(encode(PROFILE)),
        decode(encode(less)),
    ]
    # What differs in anything is another request, also where the partner's ids are all the same.
    assert data_of(await put(each_floor.emsp, headers=first, charging_profile=less))
    assert len(await each_floor.errands()) == 3
