"""What stations' answers to reservations come to (CM-19 to CM-23, SE-16, SE-17)."""

from __future__ import annotations

import asyncio

import pytest

from modules.commands.reservations import Fate
from ocpi.gateway import GatewayFailed, Wish
from ocpi.spec.document import decode
from tests.modules.stations.yard import PROFILE, Answer, Puppet, Yard, hang, open_yard, until


@pytest.mark.req("CM-07", "CM-19", "SE-16")
async def test_a_reservation_that_is_accepted_makes_a_session(database_url: str) -> None:
    gateway = Puppet({"result": "ACCEPTED", "evse_uid": "EVSE-3"})
    async with open_yard(database_url, gateway) as yard:
        command = await yard.reserve(evse_uid=None, authorization_reference="REF")
        assert await yard.result(command) == "ACCEPTED"
        reservation = await yard.reservation()
        session = await yard.status("RESERVATION")
        assert (reservation.fate, reservation.evse_uid) == (Fate.HELD, "EVSE-3")
        assert session["id"] == reservation.session_id
        assert (session["evse_uid"], session["kwh"]) == ("EVSE-3", 0)
        assert session["authorization_reference"] == "REF"
        assert session["cdr_token"]["uid"] == yard.token["uid"]


REFUSALS: dict[str, Answer] = {
    "EVSE_OCCUPIED": {"result": "EVSE_OCCUPIED"},
    "FAILED": GatewayFailed("away"),
    "TIMEOUT": None,
}


@pytest.mark.req("CM-09", "CM-20")
@pytest.mark.parametrize("word", REFUSALS)
async def test_a_replacement_that_fails_leaves_what_stands_as_it_is(
    database_url: str, word: str
) -> None:
    gateway = Puppet()
    async with open_yard(database_url, gateway, command_timeout=4) as yard:
        assert await yard.result(await yard.reserve()) == "ACCEPTED"
        before, session = await yard.reservation(), await yard.session()
        gateway.answer = REFUSALS[word]
        replacing = await yard.reserve(evse_uid="EVSE-2", authorization_reference="NEW")
        assert await yard.reservation() == before
        assert await yard.result(replacing) == word
        await asyncio.sleep(0.2)
        assert await yard.reservation() == before
        assert await yard.session() == session
        assert gateway.asked(Wish.CANCEL_RESERVATION) == []


@pytest.mark.req("CM-20", "CM-21")
async def test_a_replacement_that_is_accepted_keeps_number_and_session(database_url: str) -> None:
    gateway = Puppet()
    async with open_yard(database_url, gateway) as yard:
        await yard.result(await yard.reserve())
        before, session = await yard.reservation(), await yard.session()
        replacing = await yard.reserve(reservation_id="RES-1", evse_uid="EVSE-2", seconds=900)
        assert await yard.result(replacing) == "ACCEPTED"
        after = await yard.reservation()
        assert (after.key, after.session_id) == (before.key, before.session_id)
        assert (after.evse_uid, after.fate) == ("EVSE-2", Fate.HELD)
        assert after.expires_at > before.expires_at
        now = await yard.session()
        assert (now["id"], now["evse_uid"]) == (session["id"], "EVSE-2")
        numbers = [each.details["reservation_id"] for each in gateway.demands]
        assert numbers == [before.key, before.key]


@pytest.mark.req("CM-07", "CM-08")
async def test_a_station_that_says_nothing_is_asked_to_let_go(database_url: str) -> None:
    gateway = Puppet()
    gateway.by_wish[Wish.RESERVE_NOW] = None
    async with open_yard(database_url, gateway, command_timeout=1) as yard:
        command = await yard.reserve()
        assert await yard.result(command) == "TIMEOUT"
        reservation = await yard.reservation()
        assert (reservation.fate, await yard.sessions()) == (Fate.REFUSED, [])

        async def let_go() -> bool:
            return len(gateway.asked(Wish.CANCEL_RESERVATION)) == 1

        await until(let_go)
        # What is accepted even later is called off anew, and the partner hears of none of it.
        [asked, canceled] = gateway.demands
        assert canceled.details == {"reservation_id": asked.details["reservation_id"]}
        [outcome] = await yard.report({"type": "result", "id": asked.id, "result": "ACCEPTED"})
        assert outcome.result == "kept"

        async def let_go_again() -> bool:
            return len(gateway.asked(Wish.CANCEL_RESERVATION)) == 2

        await until(let_go_again)
        await asyncio.sleep(0.2)
        assert len(command.results) == 1
        assert (await yard.reservation()).fate == Fate.REFUSED
        assert yard.emsp.violations == []


@pytest.mark.req("CM-20", "CM-23")
async def test_a_replacement_that_is_accepted_too_late_ends_what_stood(database_url: str) -> None:
    gateway = Puppet()
    async with open_yard(database_url, gateway, command_timeout=4) as yard:
        standing = await yard.reserve()
        await yard.result(standing)
        gateway.by_wish[Wish.RESERVE_NOW] = None
        replacing = await yard.reserve(evse_uid="EVSE-2")
        assert await yard.result(replacing) == "TIMEOUT"
        late = {"type": "result", "id": gateway.demands[-1].id, "result": "ACCEPTED"}
        await yard.report(late)
        await yard.fate("dropped")
        await yard.status("COMPLETED")

        async def settled() -> bool:
            is_told = len(standing.results) == 2
            return is_told and len(gateway.asked(Wish.CANCEL_RESERVATION)) == 1

        await until(settled)
        assert standing.results[1]["result"] == "CANCELED_RESERVATION"
        assert [each["result"] for each in replacing.results] == ["TIMEOUT"]
        assert yard.emsp.violations == []


@pytest.mark.req("CM-22", "SE-17")
async def test_a_cancellation_ends_the_reservation_and_its_session(database_url: str) -> None:
    gateway = Puppet()
    async with open_yard(database_url, gateway) as yard:
        await yard.result(await yard.reserve())
        assert await yard.result(await yard.cancel()) == "ACCEPTED"
        assert (await yard.reservation()).fate == Fate.CANCELED
        await yard.status("COMPLETED")
        [demand] = gateway.asked(Wish.CANCEL_RESERVATION)
        assert demand.details == {"reservation_id": (await yard.reservation()).key}
        assert (demand.location_id, demand.evse_uid) == ("LOC-1", "EVSE-1")


@pytest.mark.req("CM-09", "CM-22")
async def test_a_cancellation_that_the_station_refuses_changes_nothing(sqlite_url: str) -> None:
    gateway = Puppet()
    gateway.by_wish[Wish.CANCEL_RESERVATION] = {"result": "REJECTED"}
    async with open_yard(sqlite_url, gateway) as yard:
        await yard.result(await yard.reserve())
        assert await yard.result(await yard.cancel()) == "REJECTED"
        assert (await yard.reservation()).fate == Fate.HELD
        await yard.status("RESERVATION")


@pytest.mark.req("CM-22")
async def test_an_unknown_reservation_is_a_result_and_no_station_is_asked(sqlite_url: str) -> None:
    gateway = Puppet()
    async with open_yard(sqlite_url, gateway) as yard:
        command = await yard.cancel()
        assert command.response is not None
        assert command.response["result"] == "ACCEPTED"
        assert await yard.result(command) == "UNKNOWN_RESERVATION"
        assert gateway.demands == []
        assert yard.emsp.violations == []


@pytest.mark.req("SE-17")
async def test_a_reservation_that_nobody_uses_expires(database_url: str) -> None:
    async with open_yard(database_url, Puppet()) as yard:
        await yard.result(await yard.reserve(seconds=2.5))
        await yard.fate("lapsed")
        await yard.status("RESERVATION")
        await yard.pass_grace()
        await yard.fate("expired")
        session = await yard.status("COMPLETED")
        reservation = await yard.reservation()
        assert session["end_date_time"] > session["start_date_time"]
        # The next one of the same name is a reservation of its own.
        await yard.result(await yard.reserve())
        assert len({each["id"] for each in await yard.sessions()}) == 2
        assert reservation.session_id == session["id"]


@pytest.mark.req("CM-20")
@pytest.mark.parametrize("fate", ["lapsed", "expired"])
async def test_a_replacement_of_what_expired_meanwhile_has_a_session_of_its_own(
    sqlite_url: str, fate: str
) -> None:
    gateway = Puppet()
    async with open_yard(sqlite_url, gateway) as yard:
        await yard.result(await yard.reserve(seconds=2.5))
        gateway.answer = None
        replacing = await yard.reserve()

        async def was_asked() -> bool:
            return len(gateway.demands) == 2

        await until(was_asked)
        await yard.fate("lapsed")
        if fate == "expired":
            await yard.pass_grace()
            await yard.fate("expired")
        late = {"type": "result", "id": gateway.demands[1].id, "result": "ACCEPTED"}
        await yard.report(late)
        assert await yard.result(replacing) == "ACCEPTED"
        await yard.fate("held")
        statuses = sorted(each["status"] for each in await yard.sessions())
        assert statuses == ["COMPLETED", "RESERVATION"]


@pytest.mark.req("CM-22")
async def test_an_acceptance_behind_a_cancellation_holds_nothing(sqlite_url: str) -> None:
    gateway = Puppet()
    gateway.by_wish[Wish.RESERVE_NOW] = None
    async with open_yard(sqlite_url, gateway) as yard:
        reserving = await yard.reserve()
        assert await yard.result(await yard.cancel()) == "ACCEPTED"
        [asked] = gateway.asked(Wish.RESERVE_NOW)
        await yard.report({"type": "result", "id": asked.id, "result": "ACCEPTED"})
        assert await yard.result(reserving) == "ACCEPTED"
        assert (await yard.reservation()).fate == Fate.CANCELED
        assert await yard.sessions() == []


@pytest.mark.req("CP-07", "CP-08")
@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"result": "REJECTED"}, {"result": "REJECTED"}),
        ({"result": "UNKNOWN", "profile": {}}, {"result": "UNKNOWN"}),
        ({"result": "ACCEPTED"}, {"result": "REJECTED"}),
        ({"result": "ACCEPTED", "profile": {"start_date_time": 7}}, {"result": "REJECTED"}),
        ({"result": "FAILED"}, {"result": "REJECTED"}),
        (GatewayFailed("away"), {"result": "REJECTED"}),
        (None, {"result": "REJECTED"}),
    ],
)
async def test_a_profile_that_a_station_does_not_give_is_told_as_ocpi_can(
    sqlite_url: str, answer: Answer, expected: dict[str, str]
) -> None:
    gateway = Puppet()
    async with open_yard(sqlite_url, gateway, command_timeout=4) as yard:
        token = {"uid": yard.token["uid"], "type": yard.token["type"]}
        begun = {"type": "start", "transaction_id": "T", "evse_uid": "EVSE-1", "token": token}
        command = await yard.start()
        await yard.result(command)
        [outcome] = await yard.report({**begun, "command_id": gateway.demands[0].id})
        gateway.by_wish[Wish.GET_CHARGING_PROFILE] = answer
        request = await yard.emsp.get_profile(str(outcome.session_id), 60)
        assert await yard.emsp.result_of(request) == expected
        [asked] = gateway.asked(Wish.GET_CHARGING_PROFILE)
        assert asked.transaction_id == "T"
        assert asked.details == {"duration": 60}
        assert decode((await yard.errands())[-1].result or "") == expected


@pytest.mark.req("TY-02", "CM-09")
async def test_a_message_for_the_driver_is_one_line_without_control_characters(
    sqlite_url: str,
) -> None:
    said = "Connector locked.\nCall \tus\x07\0!"
    gateway = Puppet({"result": "REJECTED", "message": said})
    async with open_yard(sqlite_url, gateway) as yard:
        told = await yard.emsp.result_of(await yard.start())
        assert told["message"] == [
            {"language": "en", "text": "Connector locked. Call us\ufffd\ufffd!"}
        ]
        assert yard.emsp.violations == []


ACTIVE = {"start_date_time": "2026-03-01T10:05:00Z", "charging_profile": PROFILE}
CHANGED = {"type": "profile", "transaction_id": "T", "profile": ACTIVE}


async def begin(yard: Yard, gateway: Puppet) -> str:
    """Have the station start a session as the eMSP commands; gives its id."""
    await yard.result(await yard.start())
    token = {"uid": yard.token["uid"], "type": yard.token["type"]}
    begun = {"type": "start", "transaction_id": "T", "evse_uid": "EVSE-1", "token": token}
    [outcome] = await yard.report({**begun, "command_id": gateway.demands[0].id})
    return str(outcome.session_id)


@pytest.mark.req("CP-11")
@pytest.mark.parametrize("result", [{"result": "REJECTED"}, None])
async def test_a_change_of_the_profile_is_told_though_the_station_took_it_late_or_refused_it(
    sqlite_url: str, result: Answer
) -> None:
    """OCPI counts the call of PUT, which was answered ACCEPTED."""
    gateway = Puppet()
    async with open_yard(sqlite_url, gateway, command_timeout=4) as yard:
        session_id = await begin(yard, gateway)
        gateway.by_wish[Wish.SET_CHARGING_PROFILE] = result
        setting = await yard.emsp.set_profile(session_id, PROFILE)
        assert await yard.result(setting) == "REJECTED"
        asked = gateway.asked(Wish.SET_CHARGING_PROFILE)[-1]
        await yard.report({"type": "result", "id": asked.id, "result": "ACCEPTED"}, CHANGED)

        async def heard() -> bool:
            return yard.emsp.active_profiles(session_id) == [ACTIVE]

        await until(heard)


@pytest.mark.req("CP-11")
async def test_a_change_of_the_profile_that_is_reported_before_its_result_is_told(
    sqlite_url: str,
) -> None:
    gateway = Puppet()
    async with open_yard(sqlite_url, gateway, command_timeout=60) as yard:
        session_id = await begin(yard, gateway)
        gateway.by_wish[Wish.SET_CHARGING_PROFILE] = hang
        await yard.emsp.set_profile(session_id, PROFILE)
        assert [each.result for each in await yard.report(CHANGED, CHANGED)] == [
            "taken",
            "repeated",
        ]

        async def heard() -> bool:
            return yard.emsp.active_profiles(session_id) == [ACTIVE]

        await until(heard)


@pytest.mark.req("CP-12")
async def test_a_change_of_the_profile_is_not_told_once_the_session_has_ended(
    sqlite_url: str,
) -> None:
    gateway = Puppet()
    async with open_yard(sqlite_url, gateway) as yard:
        session_id = await begin(yard, gateway)
        assert await yard.result(await yard.emsp.set_profile(session_id, PROFILE)) == "ACCEPTED"
        await yard.report({"type": "stop", "transaction_id": "T", "kwh": 1})
        await yard.status("COMPLETED")
        [kept] = await yard.report(CHANGED)
        assert (kept.result, kept.note) == ("kept", "Its Session has ended: no profile is active.")
        assert [each.method for each in await yard.errands()] == ["POST", "POST"]
