"""Simulated stations as a mock eMSP's drivers use them: sessions, reservations, profiles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from credentials.partners import set_options
from modules.locations.own import patch_own
from modules.locations.parts import Place, find_part
from modules.locations.store import locations
from modules.stations.charges import Charge
from modules.stations.gateways.curve import Vehicle
from modules.stations.gateways.simulator import Simulator
from ocpi.editing import object_key
from ocpi.gateway import Demand, Wish
from ocpi.spec.document import decode
from tests.house import OURS
from tests.modules.stations.yard import PROFILE, STATION, Yard, open_yard, until

BIG = Vehicle(Decimal(22), Decimal(50))
# So mighty that half a second of it can be measured.
MIGHTY = Vehicle(Decimal(3600), Decimal(1000))
SMALL = Vehicle(Decimal(22), Decimal("0.0005"))
OTHER_UID = "SOMEBODY-ELSE"


@asynccontextmanager
async def simulated(
    database_url: str, vehicle: Vehicle = BIG, *, stays: float = 0.2, **over: Any
) -> AsyncIterator[tuple[Yard, Simulator]]:
    simulator = Simulator(tick=0.1, stays=stays, vehicle=lambda _: vehicle)
    async with open_yard(database_url, simulator, **over) as yard:
        simulator.connect(yard.context)
        yield yard, simulator


async def evse_status(yard: Yard, evse_uid: str = "EVSE-1") -> str:
    text = await locations.text_of(yard.database, object_key(OURS, "LOC-1"))
    assert text is not None
    return str(find_part(decode(text), Place("LOC-1", evse_uid))["status"])


async def shows(yard: Yard, wanted: str, evse_uid: str = "EVSE-1") -> None:
    async def is_so() -> bool:
        return await evse_status(yard, evse_uid) == wanted

    await until(is_so)


@pytest.mark.req("CM-02", "CM-07", "CM-10", "CM-25", "SE-20")
async def test_a_driver_starts_and_stops_by_commands_and_is_billed(database_url: str) -> None:
    async with simulated(database_url, MIGHTY, pushing=True) as (yard, simulator):
        start = await yard.start(authorization_reference="REF-1")
        assert await yard.result(start) == "ACCEPTED"
        session = await yard.status("ACTIVE")
        assert (session["auth_method"], session["authorization_reference"]) == ("COMMAND", "REF-1")
        assert session["cdr_token"]["contract_id"] == yard.token["contract_id"]
        assert await evse_status(yard) == "CHARGING"
        assert simulator.charging() == [("loc-1", "evse-1")]
        await asyncio.sleep(0.5)
        stop = await yard.emsp.command("STOP_SESSION", {"session_id": session["id"]})
        assert await yard.result(stop) == "ACCEPTED"
        ended = await yard.status("COMPLETED")
        await shows(yard, "AVAILABLE")
        [cdr] = await yard.cdrs()
        assert cdr["session_id"] == session["id"]
        assert cdr["total_energy"] == ended["kwh"] > 0

        async def told() -> bool:
            return len(yard.emsp.documents("cdrs")) == 1

        await until(told)
        [heard] = yard.emsp.documents("sessions")
        assert (heard["id"], heard["status"]) == (session["id"], "COMPLETED")
        again = await yard.emsp.command("STOP_SESSION", {"session_id": session["id"]})
        assert again.response is not None
        assert again.response["result"] == "REJECTED"
        assert yard.emsp.violations == []


async def test_a_vehicle_that_is_full_parks_and_leaves(sqlite_url: str) -> None:
    async with simulated(sqlite_url, SMALL) as (yard, simulator):
        assert await simulator.plug_in(STATION, "evse-1", {"uid": OTHER_UID})
        assert await yard.result(await yard.start(evse_uid="EVSE-2")) == "ACCEPTED"
        session = await yard.status("COMPLETED")
        assert session["kwh"] == Decimal("0.001") or session["kwh"] == Decimal(0)
        await shows(yard, "AVAILABLE")
        assert simulator.charging() == []


@pytest.mark.req("CM-09")
async def test_an_evse_that_is_taken_or_out_of_order_is_refused(sqlite_url: str) -> None:
    async with simulated(sqlite_url) as (yard, simulator):
        assert await yard.result(await yard.start()) == "ACCEPTED"
        assert await yard.result(await yard.start()) == "EVSE_OCCUPIED"
        assert await yard.result(await yard.reserve()) == "EVSE_OCCUPIED"
        assert not await simulator.plug_in(STATION, "EVSE-1", yard.token)
        async with yard.database.write() as db:
            await patch_own(db, OURS, Place("LOC-1", "EVSE-2"), {"status": "OUTOFORDER"})
        assert await yard.result(await yard.start(evse_uid="EVSE-2")) == "EVSE_INOPERATIVE"
        assert await yard.result(await yard.reserve(evse_uid="EVSE-2")) == "EVSE_INOPERATIVE"
        assert not await simulator.plug_in(STATION, "EVSE-2", yard.token)
        assert not await simulator.plug_in(STATION, "EVSE-9", yard.token)
        # Where the station may choose, it takes one that works.
        chosen = await yard.start(evse_uid=None, connector_id=None)
        assert await yard.result(chosen) == "ACCEPTED"
        assert simulator.charging() == [("loc-1", "evse-1"), ("loc-1", "evse-3")]


@pytest.mark.req("CM-19", "CM-21", "SE-16", "SE-17")
async def test_a_reserved_evse_is_for_its_driver_alone_and_the_session_goes_on(
    database_url: str,
) -> None:
    async with simulated(database_url) as (yard, simulator):
        assert await yard.result(await yard.reserve(evse_uid="EVSE-2")) == "ACCEPTED"
        reserved = await yard.status("RESERVATION")
        assert await evse_status(yard, "EVSE-2") == "RESERVED"
        assert not await simulator.plug_in(STATION, "EVSE-2", {"uid": OTHER_UID})
        # The driver comes; without an EVSE named it is the one kept free.
        start = await yard.start(evse_uid=None, connector_id=None)
        assert await yard.result(start) == "ACCEPTED"
        active = await yard.status("ACTIVE")
        assert (active["id"], active["evse_uid"]) == (reserved["id"], "EVSE-2")
        await yard.fate("used")
        simulator.leave(STATION, "EVSE-2")
        await yard.status("COMPLETED")
        await shows(yard, "AVAILABLE", "EVSE-2")
        assert yard.emsp.violations == []


@pytest.mark.req("CM-20", "CM-22", "SE-17")
async def test_reservations_are_replaced_cancelled_and_expire_at_the_station(
    sqlite_url: str,
) -> None:
    async with simulated(sqlite_url) as (yard, _):
        assert await yard.result(await yard.reserve()) == "ACCEPTED"
        assert await yard.result(await yard.reserve(evse_uid="EVSE-2")) == "ACCEPTED"
        await shows(yard, "AVAILABLE", "EVSE-1")
        await shows(yard, "RESERVED", "EVSE-2")
        assert await yard.result(await yard.cancel()) == "ACCEPTED"
        await shows(yard, "AVAILABLE", "EVSE-2")
        assert await yard.result(await yard.cancel()) == "UNKNOWN_RESERVATION"
        expiring = await yard.reserve(seconds=2.5, reservation_id="R2", evse_uid="EVSE-3")
        assert await yard.result(expiring) == "ACCEPTED"
        await shows(yard, "RESERVED", "EVSE-3")
        await shows(yard, "AVAILABLE", "EVSE-3")


async def test_a_replaced_reservation_may_keep_its_evse(sqlite_url: str) -> None:
    async with simulated(sqlite_url) as (yard, _):
        assert await yard.result(await yard.reserve()) == "ACCEPTED"
        assert await yard.result(await yard.reserve(seconds=900)) == "ACCEPTED"
        await asyncio.sleep(0.3)
        assert await evse_status(yard) == "RESERVED"
        other = await yard.reserve(reservation_id="R2")
        assert await yard.result(other) == "EVSE_OCCUPIED"


@pytest.mark.req("CM-06", "CM-24")
async def test_a_connector_is_unlocked_for_a_help_desk_only(sqlite_url: str) -> None:
    async with simulated(sqlite_url) as (yard, simulator):
        await yard.result(await yard.start())
        place = {"location_id": "LOC-1", "evse_uid": "EVSE-1", "connector_id": "1"}
        refused = await yard.emsp.command("UNLOCK_CONNECTOR", place)
        assert refused.response is not None
        assert refused.response["result"] == "NOT_SUPPORTED"
        await set_options(yard.context, "Newcomer", {"commands": ["UNLOCK_CONNECTOR"]})
        unlock = await yard.emsp.command("UNLOCK_CONNECTOR", place)
        assert await yard.result(unlock) == "ACCEPTED"
        await yard.status("COMPLETED")
        assert simulator.charging() == []
        async with yard.database.write() as db:
            await patch_own(db, OURS, Place("LOC-1", "EVSE-1"), {"status": "INOPERATIVE"})
        unlock = await yard.emsp.command("UNLOCK_CONNECTOR", place)
        assert await yard.result(unlock) == "EVSE_INOPERATIVE"


async def set_profile(yard: Yard, session_id: str, profile: dict[str, Any]) -> str:
    return await yard.result(await yard.emsp.set_profile(session_id, profile))


@pytest.mark.req(
    "CP-01", "CP-02", "CP-05", "CP-07", "CP-08", "CP-10", "CP-11", "CP-12", "CP-13", "CP-14"
)
async def test_profiles_are_set_asked_for_and_cleared_and_their_changes_told(
    database_url: str,
) -> None:
    async with simulated(database_url) as (yard, simulator):
        await yard.result(await yard.start())
        session_id = (await yard.status("ACTIVE"))["id"]
        # Whoever has set no profile hears of none (CP-12).
        assert await simulator.limit(STATION, "EVSE-1", PROFILE)
        assert await simulator.limit(STATION, "EVSE-1", None)
        cleared = await yard.emsp.clear_profile(session_id)
        assert await yard.result(cleared) == "UNKNOWN"
        assert yard.emsp.active_profiles(session_id) == []
        assert await set_profile(yard, session_id, PROFILE) == "ACCEPTED"
        asked = await yard.emsp.get_profile(session_id, 120)
        answer = await yard.emsp.result_of(asked)
        limits = answer["profile"]["charging_profile"]
        assert (limits["duration"], limits["charging_rate_unit"]) == (120, "W")
        assert limits["charging_profile_period"] == [{"start_period": 0, "limit": 3700}]

        async def heard(count: int) -> bool:
            return len(yard.emsp.active_profiles(session_id)) == count

        await until(lambda: heard(1))
        told = yard.emsp.active_profiles(session_id)[0]["charging_profile"]
        assert 300 <= told["duration"] <= 3600
        assert told["charging_profile_period"] == [{"start_period": 0, "limit": 3700}]
        # The station itself changes it, and takes it off.
        assert await simulator.limit(STATION, "EVSE-1", None)
        await until(lambda: heard(2))
        told = yard.emsp.active_profiles(session_id)[1]["charging_profile"]
        assert told["charging_profile_period"] == [{"start_period": 0, "limit": 22000}]
        assert yard.emsp.violations == []


@pytest.mark.req("CP-06")
async def test_updates_of_a_profile_do_not_count_as_requests(sqlite_url: str) -> None:
    async with simulated(sqlite_url) as (yard, simulator):
        await yard.result(await yard.start())
        session_id = (await yard.status("ACTIVE"))["id"]
        assert await set_profile(yard, session_id, PROFILE) == "ACCEPTED"
        for limit in range(6):
            periods = [{"start_period": 0, "limit": 5000 + limit}]
            changed = {**PROFILE, "charging_profile_period": periods}
            assert await simulator.limit(STATION, "EVSE-1", changed)
        request = await yard.emsp.get_profile(session_id, 60)
        assert await yard.result(request) == "ACCEPTED"


@pytest.mark.req("CP-16", "CP-18")
async def test_a_vehicle_keeps_to_the_limit(sqlite_url: str) -> None:
    async with simulated(sqlite_url, MIGHTY) as (yard, _):
        await yard.result(await yard.start())
        session_id = (await yard.status("ACTIVE"))["id"]

        async def flows() -> bool:
            return bool(decode((await yard.rows(Charge))[0].record)["readings"][-1]["kwh"] > 0)

        await until(flows)
        nothing = {**PROFILE, "charging_profile_period": [{"start_period": 0, "limit": 0}]}
        assert await set_profile(yard, session_id, nothing) == "ACCEPTED"
        await asyncio.sleep(0.5)
        before = (await yard.rows(Charge))[0].record
        await asyncio.sleep(0.5)
        after = (await yard.rows(Charge))[0].record
        energy = [decode(each)["readings"][-1]["kwh"] for each in (before, after)]
        assert energy[0] == energy[1] > 0


async def test_a_session_that_is_over_can_be_asked_nothing(sqlite_url: str) -> None:
    async with simulated(sqlite_url) as (_, simulator):
        gone = {"owner": OURS, "location_id": "LOC-1", "transaction_id": "gone"}
        profile = {"charging_profile": PROFILE, "duration": 60}
        for wish, expected in (
            (Wish.STOP_SESSION, "REJECTED"),
            (Wish.SET_CHARGING_PROFILE, "REJECTED"),
            (Wish.GET_CHARGING_PROFILE, "REJECTED"),
            (Wish.CLEAR_CHARGING_PROFILE, "REJECTED"),
        ):
            answer = await simulator.ask(Demand("1", wish, details=profile, **gone))  # type: ignore[arg-type]
            assert answer is not None
            assert answer["result"] == expected
        assert not await simulator.limit(STATION, "EVSE-1", PROFILE)


@pytest.mark.req("CM-09")
async def test_when_it_is_closed_every_session_ends_and_every_evse_is_free(
    sqlite_url: str,
) -> None:
    async with simulated(sqlite_url) as (yard, simulator):
        for number in (1, 2):
            await yard.result(await yard.start(evse_uid=f"EVSE-{number}"))
        await yard.result(await yard.reserve(evse_uid="EVSE-3"))
        await simulator.close()
        statuses = sorted(each["status"] for each in await yard.sessions())
        assert statuses == ["COMPLETED", "COMPLETED", "RESERVATION"]
        assert len(await yard.cdrs()) == 2
        for number in (1, 2, 3):
            assert await evse_status(yard, f"EVSE-{number}") == "AVAILABLE"
        assert simulator.charging() == []
