"""Charging preferences: what the partner is answered, and what the driver pays from then on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

import modules.sessions.own
import modules.tariffs.own
from modules.locations.own import patch_own
from modules.locations.parts import Place
from modules.stations.charges import Charge
from modules.stations.gateways.curve import Vehicle
from modules.stations.gateways.simulator import Simulator
from modules.stations.reports.charging import prefer_tariff
from ocpi.gateway import Demand, GatewayFailed, Wish
from ocpi.testing import samples
from ocpi.testing.mock.outgoing import Reply
from tests.house import OURS, OWNER
from tests.modules.stations.yard import ACCEPTED, Answer, Puppet, Yard, hang, open_yard, until

CHEAP = {
    "profile_type": "CHEAP",
    "departure_time": "2099-01-01T00:00:00Z",
    "energy_need": 20,
}
FOREIGN = samples.cdr_token(country_code="DE", party_id="MSP")


@asynccontextmanager
async def charging(
    database_url: str, gateway: Puppet, *offers: dict[str, Any]
) -> AsyncIterator[tuple[Yard, str]]:
    """Give a running session of the eMSP's; `offers` are Tariffs put before it starts."""
    async with open_yard(database_url, gateway, running=False) as yard:
        async with yard.database.write() as db:
            for each in offers:
                dated = {**each, "last_updated": "2026-02-01T00:00:00Z"}
                await modules.tariffs.own.put_own(db, OURS, each["id"], dated)
        await yard.start()
        [errand] = await yard.errands()
        start = {"type": "start", "transaction_id": "T", "evse_uid": "EVSE-1", "kwh": 0}
        await yard.report({**start, "command_id": errand.id, "connector_id": "1"})
        yield yard, (await yard.session())["id"]


def codes(reply: Reply) -> tuple[int, int | None]:
    return reply.http_status, reply.status_code


@pytest.mark.req("SE-04", "SE-05", "SE-07")
async def test_the_station_is_asked_and_its_word_is_the_answer(database_url: str) -> None:
    gateway = Puppet()
    async with charging(database_url, gateway) as (yard, session_id):
        reply = await yard.emsp.set_preferences(session_id.upper(), CHEAP)
        assert (codes(reply), reply.data) == ((200, 1000), "ACCEPTED")
        [demand] = gateway.asked(Wish.SET_CHARGING_PREFERENCES)
        assert demand.details == {"preferences": {"discharge_allowed": False, **CHEAP}}
        assert (demand.location_id, demand.evse_uid, demand.connector_id) == (
            "LOC-1",
            "EVSE-1",
            "1",
        )
        assert demand.transaction_id == "T"
        await yard.emsp.set_preferences(session_id, {**CHEAP, "discharge_allowed": True})
        again = gateway.demands[-1]
        assert again.details["preferences"]["discharge_allowed"] is True
        assert again.id != demand.id


@pytest.mark.req("SE-05")
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"result": "DEPARTURE_REQUIRED"}, "DEPARTURE_REQUIRED"),
        ({"result": "ENERGY_NEED_REQUIRED"}, "ENERGY_NEED_REQUIRED"),
        ({"result": "NOT_POSSIBLE"}, "NOT_POSSIBLE"),
        ({"result": "MAYBE"}, "NOT_POSSIBLE"),
        ({}, "NOT_POSSIBLE"),
        (None, "NOT_POSSIBLE"),
        (GatewayFailed("away"), "NOT_POSSIBLE"),
    ],
)
async def test_whatever_the_station_says_becomes_a_proper_answer(
    sqlite_url: str, answer: Answer, expected: str
) -> None:
    async with charging(sqlite_url, Puppet(answer)) as (yard, session_id):
        reply = await yard.emsp.set_preferences(session_id, CHEAP)
        assert (codes(reply), reply.data) == ((200, 1000), expected)
        assert yard.emsp.violations == []


async def test_a_station_that_hangs_is_not_waited_for(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modules.stations.preferences._TIMEOUT", 0.2)
    async with charging(sqlite_url, Puppet(hang)) as (yard, session_id):
        assert (await yard.emsp.set_preferences(session_id, CHEAP)).data == "NOT_POSSIBLE"


async def test_a_sixth_request_is_refused_while_five_wait_for_stations(sqlite_url: str) -> None:
    gateway = Puppet()
    release = asyncio.Event()

    async def answer_late(_demand: Demand) -> dict[str, str]:
        await release.wait()
        return ACCEPTED

    gateway.by_wish[Wish.SET_CHARGING_PREFERENCES] = answer_late
    async with charging(sqlite_url, gateway) as (yard, session_id):
        five = [asyncio.create_task(yard.emsp.set_preferences(session_id, CHEAP)) for _ in range(5)]

        async def all_wait() -> bool:
            return len(gateway.demands) == 5

        await until(all_wait)
        assert codes(await yard.emsp.set_preferences(session_id, CHEAP)) == (429, 2000)
        release.set()
        assert [reply.data for reply in await asyncio.gather(*five)] == ["ACCEPTED"] * 5
        assert (await yard.emsp.set_preferences(session_id, CHEAP)).data == "ACCEPTED"


@pytest.mark.req("SE-05")
async def test_a_profile_type_that_no_tariff_has_is_not_supported(sqlite_url: str) -> None:
    gateway = Puppet()
    async with charging(sqlite_url, gateway) as (yard, session_id):
        for kind, expected in (
            ("GREEN", "PROFILE_TYPE_NOT_SUPPORTED"),
            ("NEWEST", "PROFILE_TYPE_NOT_SUPPORTED"),
            ("REGULAR", "ACCEPTED"),
            ("CHEAP", "ACCEPTED"),
        ):
            reply = await yard.emsp.set_preferences(session_id, {"profile_type": kind})
            assert (codes(reply), reply.data) == ((200, 1000), expected)
        assert len(gateway.demands) == 2


@pytest.mark.req("SE-05", "CD-13", "TA-09")
async def test_who_is_answered_accepted_pays_by_the_profiles_tariff(sqlite_url: str) -> None:
    """A Tariff without type comes first; one that changes after the start changes nothing."""
    anyone = samples.tariff(**OWNER)
    del anyone["type"]
    async with charging(sqlite_url, Puppet(), anyone) as (yard, session_id):
        async with yard.database.write() as db:
            green = samples.tariff(**OWNER, id="CHEAP", type="PROFILE_GREEN")
            green["last_updated"] = "2026-02-01T00:00:00Z"
            await modules.tariffs.own.put_own(db, OURS, "CHEAP", green)
        for kind, expected in (("GREEN", "PROFILE_TYPE_NOT_SUPPORTED"), ("CHEAP", "ACCEPTED")):
            reply = await yard.emsp.set_preferences(session_id, {"profile_type": kind})
            assert reply.data == expected
        assert (await tariffs_after(yard))[-1] == "CHEAP"


async def test_a_profile_whose_tariff_is_in_another_currency_is_not_supported(
    sqlite_url: str,
) -> None:
    yen = samples.tariff(**OWNER, id="CHEAP", type="PROFILE_CHEAP", currency="JPY")
    async with charging(sqlite_url, Puppet(), yen) as (yard, session_id):
        reply = await yard.emsp.set_preferences(session_id, {"profile_type": "CHEAP"})
        assert reply.data == "PROFILE_TYPE_NOT_SUPPORTED"
        [charge] = await yard.rows(Charge)
        async with yard.database.write() as db:
            held = await db.merge(charge)
            await prefer_tariff(db, yard.context.settings, held, "PROFILE_CHEAP")
        assert await tariffs_after(yard) == ["TARIFF-1"]


async def tariffs_after(yard: Yard) -> list[str]:
    """The Tariffs by which a session is priced that ends two seconds later."""
    await asyncio.sleep(2.1)
    await yard.report({"type": "stop", "transaction_id": "T", "kwh": 10})
    [cdr] = await yard.cdrs()
    return [each["tariff_id"] for each in cdr["charging_periods"]]


@pytest.mark.req("SE-06")
async def test_an_evse_without_the_capability_is_404_with_2001(sqlite_url: str) -> None:
    gateway = Puppet()
    async with charging(sqlite_url, gateway) as (yard, session_id):
        async with yard.database.write() as db:
            place = Place("LOC-1", "EVSE-1")
            await patch_own(db, OURS, place, {"capabilities": ["RESERVABLE"]})
        assert codes(await yard.emsp.set_preferences(session_id, CHEAP)) == (404, 2001)
        for session in (
            {"id": "NOWHERE", "location_id": "GONE"},
            {"id": "NO-EVSE", "evse_uid": "#NA", "connector_id": "#NA", "status": "RESERVATION"},
            {"id": "NO-CONNECTOR", "evse_uid": "EVSE-2", "connector_id": "9"},
        ):
            await put_session(yard, session)
            reply = await yard.emsp.set_preferences(session["id"], CHEAP)
            assert codes(reply) == (404, 2001)
        assert gateway.demands == []


async def put_session(yard: Yard, over: dict[str, Any]) -> None:
    theirs = samples.cdr_token(country_code="FR", party_id="NEW")
    session = samples.session(**OWNER, **{"cdr_token": theirs, **over})
    await modules.sessions.own.put_own(yard.database, OURS, session["id"], session)


@pytest.mark.req("SE-04")
async def test_sessions_of_others_are_unknown_and_wrong_bodies_refused(sqlite_url: str) -> None:
    gateway = Puppet()
    async with charging(sqlite_url, gateway) as (yard, session_id):
        await put_session(yard, {"id": "FOREIGN", "cdr_token": FOREIGN})
        for unknown in ("FOREIGN", "NONE"):
            reply = await yard.emsp.set_preferences(unknown, CHEAP)
            assert (reply.http_status, reply.status_code) == (404, 2000)
        for wrong in ({}, {"profile_type": 7}, {**CHEAP, "departure_time": "tomorrow"}):
            reply = await yard.emsp.set_preferences(session_id, wrong)
            assert reply.status_code == 2001
        assert gateway.demands == []


@pytest.mark.req("SE-05")
async def test_nothing_is_possible_once_the_session_is_over(sqlite_url: str) -> None:
    gateway = Puppet()
    async with charging(sqlite_url, gateway) as (yard, session_id):
        await yard.report({"type": "stop", "transaction_id": "T", "kwh": 1})
        assert (await yard.emsp.set_preferences(session_id, CHEAP)).data == "NOT_POSSIBLE"
        assert gateway.demands == []


@pytest.mark.req("SE-05")
async def test_the_tariff_of_the_profile_prices_the_session_from_then_on(
    database_url: str,
) -> None:
    simulator = Simulator(tick=0.2, vehicle=lambda _: Vehicle(Decimal(3600), Decimal(1000)))
    async with open_yard(database_url, simulator) as yard:
        simulator.connect(yard.context)
        await yard.result(await yard.start())
        session_id = (await yard.status("ACTIVE"))["id"]
        for wanted, expected in (
            ({"profile_type": "CHEAP"}, "DEPARTURE_REQUIRED"),
            ({**CHEAP, "energy_need": None}, "ENERGY_NEED_REQUIRED"),
        ):
            given = {name: value for name, value in wanted.items() if value is not None}
            assert (await yard.emsp.set_preferences(session_id, given)).data == expected
        await asyncio.sleep(1.2)
        assert (await yard.emsp.set_preferences(session_id, CHEAP)).data == "ACCEPTED"
        await asyncio.sleep(1.2)
        stop = await yard.emsp.command("STOP_SESSION", {"session_id": session_id})
        assert await yard.result(stop) == "ACCEPTED"
        await yard.status("COMPLETED")
        [cdr] = await yard.cdrs()
        assert sorted(each["id"] for each in cdr["tariffs"]) == ["CHEAP", "TARIFF-1"]
        named = [each["tariff_id"] for each in cdr["charging_periods"]]
        assert (named[0], named[-1]) == ("TARIFF-1", "CHEAP")
        over = {"owner": OURS, "location_id": "LOC-1"}
        gone = Demand("1", Wish.SET_CHARGING_PREFERENCES, details={"preferences": CHEAP}, **over)  # type: ignore[arg-type]
        assert await simulator.ask(gone) == {"result": "NOT_POSSIBLE"}
