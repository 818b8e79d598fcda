"""Charging profiles that we set at a partner's stations, and what the partner tells of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from modules.sessions.own import put_own
from ocpi.catalogue import OFFERS
from ocpi.context import Interface
from ocpi.gateway import Wish
from ocpi.parties import PlatformID
from ocpi.spec.document import encode
from ocpi.testing import samples
from tests.house import CPO, HUB, add_partner, calling, codes_of, envelope_of, present
from tests.modules.chargingprofiles.test_receiver import PROFILE
from tests.modules.commands.floor import codes_of as party_codes
from tests.modules.commands.pair import Pair, open_pair

SENDER = "/ocpi/hub/2.2.1/sender/chargingprofiles"
ACTIVE = {"start_date_time": "2026-01-15T09:00:00Z", "charging_profile": PROFILE}


@pytest.fixture
def second_url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path}/second.sqlite"


@pytest.fixture
async def each_pair(database_url: str, second_url: str) -> AsyncIterator[Pair]:
    async with open_pair(database_url, second_url) as opened:
        await charge(opened)
        yield opened


@pytest.fixture
async def pair(sqlite_url: str, second_url: str) -> AsyncIterator[Pair]:
    async with open_pair(sqlite_url, second_url) as opened:
        await charge(opened)
        yield opened


async def charge(pair: Pair) -> None:
    """Let a driver of the hub's charge."""
    cdr_token = samples.cdr_token(**party_codes(HUB))
    session = samples.session(**party_codes(CPO), id="HUB/S1", cdr_token=cdr_token)
    await put_own(pair.floor.database, CPO, "HUB/S1", session)


async def ask(pair: Pair, method: str, body: Any = None, **query: str) -> dict[str, Any]:
    answer = await pair.send(method, "chargingprofiles/HUB%2FS1", body, **query)
    assert answer.status_code == 200, answer.text
    assert answer.json()["response"] == {"result": "ACCEPTED", "timeout": 35}
    return dict(answer.json())


CASES = [
    ("PUT", PROFILE, {}, Wish.SET_CHARGING_PROFILE, {"result": "ACCEPTED"}),
    ("GET", None, {"duration": "900"}, Wish.GET_CHARGING_PROFILE, {"result": "ACCEPTED"}),
    ("DELETE", None, {}, Wish.CLEAR_CHARGING_PROFILE, {"result": "UNKNOWN"}),
]


@pytest.mark.req("CP-03", "CP-10")
async def test_requests_go_to_the_partner_and_their_results_come_back(each_pair: Pair) -> None:
    pair = each_pair
    for method, body, query, wish, result in CASES:
        whole = {**result, "profile": ACTIVE} if method == "GET" else result
        answered = await ask(pair, method, body, **query)
        errand = (await pair.floor.errands())[-1]
        assert errand.wish == wish
        assert errand.session_id == "HUB/S1"
        assert errand.response_url == f"https://hub.example{SENDER}/{wish}/{answered['id']}"
        told = await pair.tell(errand, whole)
        assert codes_of(told) == (200, 1000)
        assert "data" not in envelope_of(told)
        shown = await pair.shown(answered["id"])
        assert (shown["module"], shown["command"]) == ("chargingprofiles", wish)
        assert shown["result"] == whole
        assert codes_of(await pair.tell(errand, whole)) == (200, 1000)


async def update(client: httpx.AsyncClient, session_id: str = "HUB%2FS1") -> httpx.Response:
    return await client.put(f"{SENDER}/{session_id}", content=encode(ACTIVE))


@pytest.mark.req("CP-10")
async def test_a_change_of_the_active_profile_is_kept_with_the_request_that_set_it(
    each_pair: Pair,
) -> None:
    pair = each_pair
    assert codes_of(await update(pair.cpo)) == (404, 2000)
    await ask(pair, "GET", duration="900")
    assert codes_of(await update(pair.cpo)) == (404, 2000)
    older, newer = await ask(pair, "PUT", PROFILE), await ask(pair, "PUT", PROFILE)
    told = await update(pair.cpo, "hub%2Fs1")
    assert codes_of(told) == (200, 1000)
    assert "data" not in envelope_of(told)
    assert (await pair.shown(older["id"]))["news"] is None
    assert (await pair.shown(newer["id"]))["news"] == ACTIVE


async def test_nobody_else_can_tell_of_the_session(pair: Pair) -> None:
    uid = (await ask(pair, "PUT", PROFILE))["id"]
    other = "other-cpo-token_0123456789"
    await add_partner(pair.hub.database, "Third", other, role="CPO", platform=PlatformID.HUB)
    path = f"{SENDER}/SET_CHARGING_PROFILE/{uid}"
    result = encode({"result": "ACCEPTED"})
    async with calling(pair.hub.app, present(other)) as third:
        assert codes_of(await update(third)) == (404, 2000)
        assert codes_of(await third.post(path, content=result)) == (404, 2000)
    for wrong in (f"CLEAR_CHARGING_PROFILE/{uid}", f"START_SESSION/{uid}"):
        told = await pair.cpo.post(f"{SENDER}/{wrong}", content=result)
        assert codes_of(told) == (404, 2000)


async def test_a_profile_that_cannot_be_understood_is_refused(pair: Pair) -> None:
    await ask(pair, "PUT", PROFILE)
    answer = await pair.cpo.put(f"{SENDER}/HUB%2FS1", content=b'{"charging_profile": {}}')
    assert codes_of(answer) == (200, 2001)


@pytest.mark.req("CP-15")
@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_the_sender_interface_takes_post_and_put_alone(pair: Pair, method: str) -> None:
    uid = (await ask(pair, "PUT", PROFILE))["id"]
    for path in ("HUB%2FS1", f"SET_CHARGING_PROFILE/{uid}"):
        assert codes_of(await pair.cpo.request(method, f"{SENDER}/{path}")) == (405, 2000)


@pytest.mark.req("CP-17")
@pytest.mark.parametrize(
    ("method", "body", "query", "named"),
    [
        ("PUT", {}, {}, "charging_rate_unit"),
        ("PUT", {**PROFILE, "min_charging_rate": 6.25}, {}, "more than one decimal"),
        ("GET", None, {}, "duration"),
        ("GET", None, {"duration": "0"}, "duration"),
    ],
)
async def test_what_ocpi_does_not_allow_is_not_sent(
    pair: Pair, method: str, body: Any, query: dict[str, str], named: str
) -> None:
    answer = await pair.send(method, "chargingprofiles/HUB%2FS1", body, **query)
    assert answer.status_code == 400
    assert named in answer.json()["error"]
    assert pair.network.requests == []


async def test_without_the_sender_interface_nothing_is_sent(
    sqlite_url: str, second_url: str
) -> None:
    offers = {**OFFERS, PlatformID.HUB: [Interface("commands", "SENDER")]}
    async with open_pair(sqlite_url, second_url, offers=offers) as pair:
        answer = await pair.send("PUT", "chargingprofiles/S1", PROFILE)
    assert answer.status_code == 409
    assert "does not offer chargingprofiles as SENDER" in answer.json()["error"]
