"""The mock CPO carries out commands and charging profiles, and reports what came of them."""

from __future__ import annotations

from typing import Any

import pytest

from ocpi.spec.reading import defects
from ocpi.spec.sessions import Session
from ocpi.testing import samples
from ocpi.testing.cpo import MockCPO, Rule, running
from ocpi.testing.emsp import MockEMSP
from ocpi.testing.mock.errands import Command
from ocpi.testing.mock.misbehaviour import Match
from tests.ocpi.testing.pair import registered, violations

START = {"token": samples.token(), "location_id": "LOC-1"}
RESERVE = {**START, "reservation_id": "R-1", "expiry_date": "2026-01-15T10:00:00Z"}
UNLOCK = {"location_id": "LOC-1", "evse_uid": "EVSE-1", "connector_id": "2"}
PROFILE = {
    "charging_rate_unit": "W",
    "charging_profile_period": [{"start_period": 0, "limit": 11000}],
}


@pytest.fixture
async def mocks() -> tuple[MockCPO, MockEMSP]:
    cpo, emsp = await registered()
    capable = [*samples.evse(3)["capabilities"], "CHARGING_PREFERENCES_CAPABLE"]
    evses = [
        samples.evse(1, status="REMOVED"),
        samples.evse(2),
        samples.evse(3, capabilities=capable),
    ]
    await cpo.put_location(samples.location(evses=evses))
    return cpo, emsp


async def carried_out(mocks: tuple[MockCPO, MockEMSP], name: str, body: Any) -> Command:
    cpo, emsp = mocks
    command = await emsp.command(name, body)
    await cpo.settled()
    return command


def said(command: Command) -> tuple[str, list[str]]:
    """What was answered, and the results that followed."""
    assert command.response is not None
    return command.response["result"], [result["result"] for result in command.results]


async def test_a_session_is_started_told_and_stopped(mocks: tuple[MockCPO, MockEMSP]) -> None:
    cpo, emsp = mocks
    started = await carried_out(mocks, "START_SESSION", {**START, "authorization_reference": "A-1"})
    assert said(started) == ("ACCEPTED", ["ACCEPTED"])
    [session] = cpo.documents("sessions")
    assert emsp.documents("sessions") == [session]
    assert defects(session, Session) == []
    shown = ("status", "evse_uid", "connector_id", "cdr_token", "authorization_reference")
    assert [session[name] for name in shown] == [
        "ACTIVE",
        "EVSE-2",
        "1",
        samples.cdr_token(),
        "A-1",
    ]
    stopped = await carried_out(mocks, "STOP_SESSION", {"session_id": session["id"]})
    assert said(stopped) == ("ACCEPTED", ["ACCEPTED"])
    [told] = emsp.documents("sessions")
    assert (told["status"], told) == ("COMPLETED", cpo.documents("sessions")[0])
    again = await carried_out(mocks, "STOP_SESSION", {"session_id": session["id"]})
    assert said(again) == ("REJECTED", [])
    assert violations(cpo, emsp) == []


async def test_a_result_keeps_the_correlation_and_turns_the_addresses_round(
    mocks: tuple[MockCPO, MockEMSP],
) -> None:
    cpo, emsp = mocks
    await carried_out(mocks, "UNLOCK_CONNECTOR", UNLOCK)
    command, result = [message for message in emsp.messages if "UNLOCK_CONNECTOR" in message.path]
    assert [command.direction, result.direction] == ["out", "in"]
    assert result.headers["x-correlation-id"] == command.headers["x-correlation-id"]
    assert result.headers["x-request-id"] != command.headers["x-request-id"]
    for asked, turned in (("to", "from"), ("from", "to")):
        for end in ("country-code", "party-id"):
            assert result.headers[f"ocpi-{turned}-{end}"] == command.headers[f"ocpi-{asked}-{end}"]
    assert violations(cpo, emsp) == []


async def test_over_sockets_a_session_is_started_as_well() -> None:
    cpo, emsp = MockCPO(), MockEMSP()
    async with running(cpo), running(emsp):
        await emsp.register(cpo.versions_url, cpo.token_a)
        await cpo.put_location(samples.location())
        command = await emsp.command("START_SESSION", START)
        assert await emsp.result_of(command) == {"result": "ACCEPTED"}
        await cpo.settled()
    assert emsp.documents("sessions") == cpo.documents("sessions")
    assert violations(cpo, emsp) == []


async def test_the_evse_and_connector_that_are_named_are_used(
    mocks: tuple[MockCPO, MockEMSP],
) -> None:
    cpo, _ = mocks
    await carried_out(mocks, "START_SESSION", {**START, "evse_uid": "EVSE-3", "connector_id": "2"})
    [session] = cpo.documents("sessions")
    assert (session["evse_uid"], session["connector_id"]) == ("EVSE-3", "2")


@pytest.mark.parametrize("place", [{"location_id": "NOWHERE"}, {"evse_uid": "EVSE-9"}])
async def test_a_command_for_an_unknown_place_is_rejected_with_2003(
    mocks: tuple[MockCPO, MockEMSP], place: dict[str, str]
) -> None:
    command = await carried_out(mocks, "START_SESSION", {**START, **place})
    assert (command.status_code, said(command)) == (2003, ("REJECTED", []))


async def test_another_ones_token_is_a_violation(mocks: tuple[MockCPO, MockEMSP]) -> None:
    cpo, _ = mocks
    await carried_out(mocks, "RESERVE_NOW", {**RESERVE, "token": samples.token(party_id="XYZ")})
    assert violations(cpo) == ["the token is of DE*XYZ, not of who asks (CM-13)"]


async def test_what_no_session_of_the_asker_is_cannot_be_stopped(
    mocks: tuple[MockCPO, MockEMSP],
) -> None:
    cpo, _ = mocks
    unknown = await carried_out(mocks, "STOP_SESSION", {"session_id": "NONE"})
    assert said(unknown) == ("UNKNOWN_SESSION", [])
    await cpo.put_session(samples.session(cdr_token=samples.cdr_token(party_id="XYZ")))
    others = await carried_out(mocks, "STOP_SESSION", {"session_id": "SESSION-1"})
    assert said(others) == ("REJECTED", [])


async def test_only_what_was_reserved_can_be_cancelled(mocks: tuple[MockCPO, MockEMSP]) -> None:
    cancel = {"reservation_id": "R-1"}
    unknown = await carried_out(mocks, "CANCEL_RESERVATION", cancel)
    assert said(unknown) == ("ACCEPTED", ["UNKNOWN_RESERVATION"])
    await carried_out(mocks, "RESERVE_NOW", RESERVE)
    known = await carried_out(mocks, "CANCEL_RESERVATION", cancel)
    assert said(known) == ("ACCEPTED", ["ACCEPTED"])
    again = await carried_out(mocks, "CANCEL_RESERVATION", cancel)
    assert said(again) == ("ACCEPTED", ["UNKNOWN_RESERVATION"])


async def test_a_location_without_evses_cannot_charge(mocks: tuple[MockCPO, MockEMSP]) -> None:
    cpo, _ = mocks
    await cpo.put_location(samples.location(id="EMPTY", evses=[]))
    command = await carried_out(mocks, "START_SESSION", {**START, "location_id": "EMPTY"})
    assert said(command) == ("ACCEPTED", ["EVSE_INOPERATIVE"])


async def test_stations_say_what_they_are_set_to_say(mocks: tuple[MockCPO, MockEMSP]) -> None:
    cpo, _ = mocks
    cpo.outcomes = {"START_SESSION": "TIMEOUT"}
    command = await carried_out(mocks, "START_SESSION", START)
    assert said(command) == ("ACCEPTED", ["TIMEOUT"])
    assert cpo.documents("sessions") == []


async def test_a_command_that_does_not_exist_is_not_supported(
    mocks: tuple[MockCPO, MockEMSP],
) -> None:
    cpo, _ = mocks
    command = await carried_out(mocks, "MAKE_COFFEE", {})
    assert said(command) == ("NOT_SUPPORTED", [])
    assert violations(cpo) == ["there is no command MAKE_COFFEE (CM-01)"]


async def test_a_foreign_response_url_is_a_violation_and_does_not_get_our_token(
    mocks: tuple[MockCPO, MockEMSP],
) -> None:
    cpo, emsp = mocks
    emsp.base_url = "http://elsewhere.test"
    command = await carried_out(mocks, "UNLOCK_CONNECTOR", UNLOCK)
    assert said(command) == ("ACCEPTED", [])
    [violation] = violations(cpo)
    assert violation.startswith("the foreign URL http://elsewhere.test/ocpi/2.2.1/sender/commands")
    assert violations(emsp) == ["the Authorization header is missing (TR-02)"]


async def test_a_result_that_is_not_taken_is_not_repeated_and_the_session_is_told(
    mocks: tuple[MockCPO, MockEMSP],
) -> None:
    _, emsp = mocks
    emsp.rules = [Rule("drop", match=Match(module="commands"))]
    command = await carried_out(mocks, "START_SESSION", START)
    assert said(command) == ("ACCEPTED", [])
    assert len(emsp.documents("sessions")) == 1


async def test_a_profile_is_set_shown_and_cleared(mocks: tuple[MockCPO, MockEMSP]) -> None:
    cpo, emsp = mocks
    await cpo.put_session(samples.session())
    requests = [
        await emsp.get_profile("SESSION-1", 900),
        await emsp.set_profile("SESSION-1", PROFILE),
        await emsp.get_profile("SESSION-1", 900),
        await emsp.clear_profile("SESSION-1"),
        await emsp.clear_profile("SESSION-1"),
    ]
    results = [await emsp.result_of(request) for request in requests]
    words = ["UNKNOWN", "ACCEPTED", "ACCEPTED", "ACCEPTED", "UNKNOWN"]
    assert [result["result"] for result in results] == words
    assert results[2]["profile"]["charging_profile"] == PROFILE
    unknown = await emsp.set_profile("NONE", PROFILE)
    assert unknown.response == {"result": "UNKNOWN_SESSION", "timeout": 0}
    assert violations(cpo, emsp) == []


@pytest.mark.parametrize(
    ("method", "query"),
    [
        ("GET", "?duration=9"),
        ("GET", "?response_url=http%3A%2F%2Femsp.test%2F"),
        ("GET", "?duration=long&response_url=http%3A%2F%2Femsp.test%2F"),
        ("DELETE", ""),
    ],
)
async def test_what_a_profile_request_needs_is_asked_for(
    mocks: tuple[MockCPO, MockEMSP], method: str, query: str
) -> None:
    cpo, emsp = mocks
    await cpo.put_session(samples.session())
    reply = await emsp.ask(method, "RECEIVER", "chargingprofiles", f"/SESSION-1{query}")
    assert reply.status_code == 2001
    assert len(violations(cpo)) == 1


async def test_preferences_are_kept_where_the_evse_can_do_with_them(
    mocks: tuple[MockCPO, MockEMSP],
) -> None:
    cpo, emsp = mocks
    await cpo.put_session(samples.session(evse_uid="EVSE-3"))
    await cpo.put_session(samples.session(id="PLAIN", evse_uid="EVSE-2"))
    wish = {"profile_type": "GREEN"}
    assert (await emsp.set_preferences("SESSION-1", wish)).data == "ACCEPTED"
    assert list(cpo.preferences.values()) == [wish]
    for session_id, status_code in (("PLAIN", 2001), ("NONE", 2000)):
        reply = await emsp.set_preferences(session_id, wish)
        assert (reply.http_status, reply.status_code) == (404, status_code)
    assert violations(cpo, emsp) == []
