"""Who is connected to the hub: what partners read of it, and hear of every change."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest

from credentials.registration import bind_roles, find_partner, keep_credentials
from modules.hubclientinfo.standing import (
    Facts,
    Standing,
    bring_up_to_date,
    read_told,
    standings,
    status_of,
)
from ocpi.crew import on_duty
from ocpi.database import clock, stamp
from ocpi.headers import Party
from ocpi.pulse import store_pulse
from ocpi.push.feed import Stream
from ocpi.spec.credentials import Credentials
from ocpi.spec.moments import moment_of, parse_moment
from ocpi.testing import samples
from tests.house import HUB, codes_of, envelope_of
from tests.ocpi.hub.town import CPO1, EMSP1, EMSP2, Town, open_town, pushing, success, until

LIST = "sender/hubclientinfo"
SPLIT = Party("IT", "XYZ")
SESSION = samples.session(country_code="BE", party_id="BEC")
SESSION_AT = f"receiver/sessions/BE/BEC/{SESSION['id']}"


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[Town]:
    async with open_town(database_url) as opened:
        yield opened


@asynccontextmanager
async def living(town: Town, **pace: Any) -> AsyncIterator[None]:
    """Have the hub do all that it does beside requests."""
    standing = Standing(town.context, pause=0.02)
    async with pushing(town, **pace), on_duty((standing,)):
        yield


async def statuses(town: Town, asker: str = "emsp1") -> dict[str, str]:
    answer = await town.peers[asker].send("GET", LIST)
    assert codes_of(answer) == (200, 1000)
    return {
        f"{each['role']} {each['country_code']}*{each['party_id']}": each["status"]
        for each in envelope_of(answer)["data"]
    }


def told(town: Town, peer: str, party_id: str) -> list[str]:
    """Give what a peer heard of a party, in order."""
    heard = town.peers[peer].of("hubclientinfo")
    return [each.document()["status"] for each in heard if each.path.endswith(f"/{party_id}")]


@pytest.mark.req("HC-11", "HC-12", "HC-10", "HC-05")
@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ({"partner_id": None}, "CONNECTED"),
        ({"state": "confirmed"}, "CONNECTED"),
        ({"state": "issued"}, "CONNECTED"),
        ({"state": "offered"}, "PLANNED"),
        ({"state": "unregistered"}, "SUSPENDED"),
        ({"state": "confirmed", "presented": False}, "PLANNED"),
        ({"state": "confirmed", "checked": False}, "PLANNED"),
        ({"state": "confirmed", "checked": False, "announced": "CONNECTED"}, "PLANNED"),
        ({"state": "confirmed", "checked": False, "suspended": True}, "SUSPENDED"),
        ({"state": "confirmed", "presented": False, "breaker": '{"reason": "down"}'}, "PLANNED"),
        ({"state": "confirmed", "suspended": True}, "SUSPENDED"),
        ({"state": "confirmed", "breaker": '{"reason": "down"}'}, "OFFLINE"),
        ({"state": "confirmed", "breaker": '{"reason": "auth"}'}, "OFFLINE"),
        ({"state": "confirmed", "breaker": '{"reason": "rejecting"}'}, "CONNECTED"),
        ({"state": "confirmed", "breaker": '{"reason": "barred"}'}, "CONNECTED"),
        ({"state": "confirmed", "announced": "OFFLINE"}, "OFFLINE"),
        ({"state": "confirmed", "announced": "WHATEVER"}, "OFFLINE"),
        (
            {"state": "confirmed", "announced": "CONNECTED", "breaker": '{"reason": "gone"}'},
            "OFFLINE",
        ),
        # That a hub is away says nothing better of whom it has told to be gone.
        *(
            ({"state": "confirmed", "announced": told, "breaker": '{"reason": "down"}'}, told)
            for told in ("OFFLINE", "PLANNED", "SUSPENDED")
        ),
        ({"state": "confirmed", "checked": False, "announced": "SUSPENDED"}, "SUSPENDED"),
        ({"state": "unregistered", "announced": "PLANNED"}, "SUSPENDED"),
    ],
)
def test_a_party_stands_as_its_connection_does(facts: dict[str, Any], status: str) -> None:
    assert status_of(Facts("EMSP", "DE", "MSP", **{"partner_id": 1, **facts})) == status


@pytest.mark.req("HC-05")
def test_who_is_gone_is_suspended_and_never_left_out() -> None:
    info = {"country_code": "DE", "party_id": "MSP", "role": "EMSP", "status": "CONNECTED"}
    news = standings([], {"de*msp*emsp": info})
    assert news == {"de*msp*emsp": {**info, "status": "SUSPENDED"}}
    assert standings([], news) == {}


def test_a_partys_own_connection_counts_more_than_what_a_hub_says() -> None:
    behind = Facts("EMSP", "DE", "MSP", 2, "OFFLINE", "confirmed")
    direct = Facts("EMSP", "DE", "MSP", 1, None, "confirmed")
    for facts in ([behind, direct], [direct, behind]):
        assert standings(facts, {})["de*msp*emsp"]["status"] == "CONNECTED"


@pytest.mark.req("HC-01", "HC-02", "HC-08", "HC-13")
async def test_the_list_names_the_others_with_all_that_a_client_info_has(town: Town) -> None:
    await bring_up_to_date(town.context)
    assert await statuses(town) == {
        "CPO NL*TNM": "CONNECTED",
        "CPO BE*BEC": "CONNECTED",
        "CPO FR*FRC": "CONNECTED",
        "EMSP GB*EMS": "CONNECTED",
    }
    answer = await town.emsp1.send("GET", f"{LIST}?limit=1&offset=1")
    assert answer.headers["x-total-count"] == "4"
    assert "ocpi-from-party-id" not in answer.headers
    (info,) = envelope_of(answer)["data"]
    assert set(info) == {"country_code", "party_id", "role", "status", "last_updated"}
    late = await town.emsp1.send("GET", f"{LIST}?date_from=2100-01-01T00:00:00Z")
    assert envelope_of(late)["data"] == []


@pytest.mark.req("HC-02", "HC-08")
async def test_who_is_cpo_at_one_vendor_and_emsp_at_another_hears_of_its_other_role(
    database_url: str,
) -> None:
    split = [
        replace(member, roles=((role, SPLIT),)) for member, role in ((CPO1, "CPO"), (EMSP1, "EMSP"))
    ]
    async with open_town(database_url, (*split, EMSP2)) as town, living(town):
        await until(lambda: len(town.emsp2.of("hubclientinfo")) == 3)
        await until(lambda: told(town, "emsp1", "XYZ") == ["CONNECTED"])
        await until(lambda: told(town, "cpo1", "XYZ") == ["CONNECTED"])
        await town.set_partner("cpo1", suspended=True)
        await until(lambda: told(town, "emsp1", "XYZ") == ["CONNECTED", "SUSPENDED"])
        heard = [each.document()["role"] for each in town.emsp1.of("IT/XYZ")]
        assert heard == ["CPO", "CPO"]
        assert await statuses(town) == {
            "CPO NL*TNM": "CONNECTED",
            "CPO IT*XYZ": "SUSPENDED",
            "EMSP GB*EMS": "CONNECTED",
        }
        since = "date_from=2020-01-01T00:00:00Z"
        for query in (
            "limit=1",
            "limit=1&offset=2",
            since,
            f"{since}&date_to=2100-01-01T00:00:00Z",
        ):
            answer = await town.emsp1.send("GET", f"{LIST}?{query}")
            assert answer.headers["x-total-count"] == "3"


@pytest.mark.req("HC-13")
async def test_who_may_not_talk_to_a_party_does_not_see_it(town: Town) -> None:
    rule = {"from_party": "DE*MSP", "to_party": "BE*BEC", "allowed": False}
    for pair in (rule, {**rule, "from_party": "BE*BEC", "to_party": "DE*MSP"}):
        assert (await town.admin.put("/admin/agreements", json=pair)).status_code == 200
    async with living(town):
        await until(lambda: len(town.emsp2.of("hubclientinfo")) == 4)
        await until(lambda: len(town.emsp1.of("hubclientinfo")) == 3)
    assert "CPO BE*BEC" not in await statuses(town)
    assert not told(town, "emsp1", "BEC")
    assert "EMSP DE*MSP" not in await statuses(town, "cpo1")


@pytest.mark.req("HC-04", "HC-06", "HC-08", "RT-03")
async def test_every_change_is_put_to_every_party_that_may_see_it(town: Town) -> None:
    async with living(town):
        await until(lambda: bool(told(town, "emsp1", "BEC") and told(town, "emsp2", "BEC")))
        await town.set_partner("cpo1", suspended=True)
        await until(lambda: told(town, "emsp1", "BEC")[-1] == "SUSPENDED")
        await town.set_partner("cpo1", suspended=False)
        await until(lambda: told(town, "emsp1", "BEC") == ["CONNECTED", "SUSPENDED", "CONNECTED"])
    seen = [each for each in town.emsp1.of("hubclientinfo") if each.path.endswith("/BEC")]
    assert {(each.method, each.path) for each in seen} == {
        ("PUT", "/receiver/hubclientinfo/BE/BEC")
    }
    assert all(each.routing == (None, None) for each in seen)
    dates = [each.document()["last_updated"] for each in seen]
    assert dates == sorted(set(dates))


@pytest.mark.req("HC-15", "HC-10", "HC-09", "RT-41")
async def test_a_party_that_messages_do_not_reach_goes_offline_and_returns(town: Town) -> None:
    async with living(town, probe=0.01, probe_cap=0.05):
        await until(lambda: bool(told(town, "emsp2", "MSP")))
        host = town.network.hosts.pop("emsp1.example")
        for _ in range(3):
            answer = await town.cpo1.send("PUT", SESSION_AT, SESSION, to=EMSP1.party)
            assert codes_of(answer) == (200, 4003)
            await store_pulse(town.context.database, town.context.pulse)
        await until(lambda: told(town, "emsp2", "MSP")[-1] == "OFFLINE")
        town.network.hosts["emsp1.example"] = host
        await until(lambda: told(town, "emsp2", "MSP")[-1] == "CONNECTED")
        answer = await town.cpo1.send("PUT", SESSION_AT, SESSION, to=EMSP1.party)
        assert codes_of(answer) == (200, 1000)
    assert told(town, "emsp2", "MSP") == ["CONNECTED", "OFFLINE", "CONNECTED"]


@pytest.mark.req("HC-11", "HC-09", "HC-04")
async def test_where_a_check_is_required_a_party_is_planned_until_it_has_passed(
    database_url: str,
) -> None:
    async with open_town(database_url, require_check=True) as town:
        await town.set_partner("emsp2", passed_at=1)
        async with living(town):
            await until(lambda: told(town, "emsp2", "MSP") == ["PLANNED"])
            await town.set_partner("emsp1", passed_at=1)
            await until(lambda: told(town, "emsp2", "MSP") == ["PLANNED", "CONNECTED"])
        assert await statuses(town, "emsp2") == {
            "CPO NL*TNM": "CONNECTED",
            "CPO BE*BEC": "PLANNED",
            "CPO FR*FRC": "PLANNED",
            "EMSP DE*MSP": "CONNECTED",
        }


NEVER = Party("DE", "NEV")
LOCATION = samples.location(country_code="BE", party_id="BEC")


async def presents(town: Town, *parties: tuple[str, Party]) -> bool:
    """Have emsp1 present these roles; gives whether one of them is new."""
    roles = [
        samples.credentials_role(role, country_code=party.country_code, party_id=party.party_id)
        for role, party in parties
    ]
    given = samples.credentials(token=town.emsp1.token_out, roles=roles)
    async with town.context.database.write() as db:
        partner = await find_partner(db, "emsp1", lock=True)
        return await keep_credentials(town.context, db, partner, Credentials.model_validate(given))


@pytest.mark.req("HC-11", "HC-09", "RT-41")
async def test_a_role_is_planned_for_as_long_as_its_partner_does_not_present_it(
    town: Town,
) -> None:
    async with town.context.database.write() as db:
        partner = await find_partner(db, "emsp1", lock=True)
        await bind_roles(db, partner, [("NSP", NEVER)])
    both, heard = (("EMSP", EMSP1.party), ("NSP", NEVER)), list[str]()
    async with living(town):
        for named, status, code in (
            (both[:1], "PLANNED", 4003),
            (both, "CONNECTED", 1000),
            (both[:1], "PLANNED", 4003),
        ):
            assert await presents(town, *named) is (named is both)
            heard.append(status)
            await until(lambda: told(town, "emsp2", "NEV") == heard)
            answer = await town.cpo1.send("PUT", SESSION_AT, SESSION, to=NEVER)
            assert codes_of(answer) == (200, code)
            answer = await town.cpo1.send("PUT", SESSION_AT, SESSION, to=EMSP1.party)
            assert codes_of(answer) == (200, 1000)


@pytest.mark.req("HC-11")
async def test_what_is_for_all_is_not_told_to_a_role_that_is_not_presented(town: Town) -> None:
    async with town.context.database.write() as db:
        partner = await find_partner(db, "emsp1", lock=True)
        await bind_roles(db, partner, [("NSP", NEVER)])
    at = f"receiver/locations/BE/BEC/{LOCATION['id']}"
    await town.cpo1.send("PUT", at, LOCATION, to=HUB)
    async with pushing(town):
        await until(lambda: bool(town.emsp1.of("locations")))
        await until(lambda: bool(town.emsp2.of("locations")))
    assert [each.routing[0] for each in town.emsp1.of("locations")] == [EMSP1.party]


async def test_one_accident_makes_nobody_offline(town: Town) -> None:
    async with living(town):
        await until(lambda: bool(told(town, "emsp2", "MSP")))
        host = town.network.hosts.pop("emsp1.example")
        for _ in range(2):
            await town.cpo1.send("PUT", SESSION_AT, SESSION, to=EMSP1.party)
        town.network.hosts["emsp1.example"] = host
        await town.cpo1.send("PUT", SESSION_AT, SESSION, to=EMSP1.party)
        await store_pulse(town.context.database, town.context.pulse)
        await bring_up_to_date(town.context)
    assert told(town, "emsp2", "MSP") == ["CONNECTED"]


@pytest.mark.req("HC-14", "HC-15")
async def test_who_is_silent_is_asked_whether_it_lives(town: Town) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/versions":
            asked.append(request.method)
        return success([{"version": "2.2.1", "url": "https://emsp1.example/2.2.1"}])

    town.emsp1.answer = answer
    async with living(town, silence=0.2, again=0.05, probe=0.01, probe_cap=0.05):
        await until(lambda: len(asked) >= 2)
        assert asked == ["GET"] * len(asked)
        await until(lambda: told(town, "emsp2", "MSP") == ["CONNECTED"])
        del town.network.hosts["emsp1.example"]
        await until(lambda: told(town, "emsp2", "MSP")[-1] == "OFFLINE")


async def test_who_talks_is_not_asked(town: Town) -> None:
    async with living(town, silence=60):
        await until(lambda: bool(told(town, "emsp1", "BEC")))
        await town.cpo1.send("GET", LIST)
    assert not [line for line in town.network.requests if line.endswith("/versions")]


async def test_it_is_carried_on_after_a_restart_without_telling_anything_twice(town: Town) -> None:
    assert await bring_up_to_date(town.context) == 5
    assert await bring_up_to_date(town.context) == 0


@pytest.mark.req("HC-08")
async def test_it_is_dated_when_nobody_can_be_told_before_it(town: Town) -> None:
    """Else a partner that lists by date misses what waits for another one's commit (IP-24)."""
    async with town.context.database.write() as db:
        await stamp(db, Stream.STATE, 0)
        telling = asyncio.create_task(bring_up_to_date(town.context))
        await asyncio.sleep(0.3)
        freed = await clock(db)
    assert await telling == 5
    told = (await read_told(town.context)).values()
    assert all(
        parse_moment(each["last_updated"]) >= moment_of(freed // 1000 * 1000) for each in told
    )
