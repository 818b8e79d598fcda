"""The mock sets, reads and clears charging profiles, and says what a driver prefers."""

from __future__ import annotations

from typing import Any

import pytest

from ocpi.testing.emsp import MockEMSP
from ocpi.testing.mock.errands import ProfileRequest
from ocpi.testing.mock.wire import Answer, Document, envelope, ok
from tests.ocpi.testing.charging import ChargingCPO, charging, objections

PROFILE = {
    "charging_rate_unit": "W",
    "charging_profile_period": [{"start_period": 0, "limit": 11000}],
}
ACTIVE = {"start_date_time": "2026-01-15T09:00:00Z", "charging_profile": PROFILE}
ACCEPTED = {"result": "ACCEPTED"}


async def ask(emsp: MockEMSP, method: str) -> ProfileRequest:
    match method:
        case "PUT":
            return await emsp.set_profile("Session/1", PROFILE)
        case "GET":
            return await emsp.get_profile("Session/1", 900)
        case _:
            return await emsp.clear_profile("Session/1")


@pytest.mark.parametrize(
    ("method", "query", "result"),
    [
        ("PUT", {}, ACCEPTED),
        ("GET", {"duration": "900"}, {"result": "ACCEPTED", "profile": ACTIVE}),
        ("GET", {"duration": "900"}, {"result": "REJECTED"}),
        ("DELETE", {}, {"result": "UNKNOWN"}),
    ],
)
async def test_each_request_is_answered_and_gets_its_result(
    method: str, query: dict[str, str], result: Document
) -> None:
    emsp, cpo = await charging()
    request = await ask(emsp, method)
    [asked] = cpo.asked
    assert (asked.method, asked.rest) == (method, ("Session/1",))
    if method == "PUT":
        assert cpo.bodies() == [{"charging_profile": PROFILE, "response_url": request.response_url}]
        assert asked.query == query
    else:
        assert asked.query == {**query, "response_url": request.response_url}
        assert "response_url=http%3A%2F%2Femsp.test%2F" in asked.path
        assert "%3Frequest_id%3D" in asked.path
    assert (request.status_code, request.response) == (1000, {"result": "ACCEPTED", "timeout": 30})
    reply = await cpo.tell(request.response_url, result)
    assert (reply.http_status, reply.status_code, reply.data) == (200, 1000, None)
    assert await emsp.result_of(request) == result
    assert [emsp.violations, cpo.platform.violations] == [[], []]


@pytest.mark.parametrize(
    ("method", "result", "objection"),
    [
        (
            "PUT",
            {"result": "ACCEPTED", "profile": ACTIVE},
            "the ChargingProfileResult ACCEPTED has a profile (CP-07, CP-08)",
        ),
        (
            "DELETE",
            {"result": "ACCEPTED", "profile": ACTIVE},
            "the ClearProfileResult ACCEPTED has a profile (CP-07, CP-08)",
        ),
        (
            "GET",
            ACCEPTED,
            "the ActiveChargingProfileResult ACCEPTED has no profile (CP-07, CP-08)",
        ),
        (
            "GET",
            {"result": "UNKNOWN", "profile": ACTIVE},
            "the ActiveChargingProfileResult UNKNOWN has a profile (CP-07, CP-08)",
        ),
        (
            "PUT",
            {"result": "FAILED"},
            (
                "the ChargingProfileResult is not as OCPI has it: "
                "result: is a value that OCPI 2.2.1 doesn't know"
            ),
        ),
        (
            "GET",
            {"result": "ACCEPTED", "profile": {"charging_profile": PROFILE}},
            "profile.start_date_time: is required",
        ),
    ],
)
async def test_a_result_of_another_kind_is_a_violation(
    method: str, result: Document, objection: str
) -> None:
    emsp, cpo = await charging()
    request = await ask(emsp, method)
    await cpo.tell(request.response_url, result)
    [found] = objections(emsp)
    assert found.endswith(objection)


async def test_results_come_once_in_time_and_after_acceptance() -> None:
    emsp, cpo = await charging()
    twice = await ask(emsp, "PUT")
    for _ in range(2):
        await cpo.tell(twice.response_url, ACCEPTED)
    cpo.says = ok({"result": "ACCEPTED", "timeout": 0})
    await cpo.tell((await ask(emsp, "PUT")).response_url, ACCEPTED)
    cpo.refuse("TOO_OFTEN")
    await cpo.tell((await ask(emsp, "PUT")).response_url, ACCEPTED)
    assert objections(emsp) == [
        f"it is a further result of {twice.uid} (CP-07)",
        "the result came after the timeout (CP-05)",
        "a result although the answer was TOO_OFTEN (CP-06)",
    ]


async def test_a_result_needs_the_whole_url_that_was_given() -> None:
    emsp, cpo = await charging()
    request = await ask(emsp, "PUT")
    reply = await cpo.tell(request.response_url.partition("?")[0], ACCEPTED)
    assert reply.http_status == 404
    command = await emsp.command("STOP_SESSION", {"session_id": "S"})
    await cpo.tell(request.response_url.replace(request.uid, command.uid), ACCEPTED)
    assert [request.results, command.results] == [[], []]
    assert len(emsp.violations) == 2


async def tell_active(emsp: MockEMSP, cpo: ChargingCPO, session_id: str, profile: Any) -> None:
    url = emsp.url("sender", "chargingprofiles", session_id)
    reply = await cpo.tell(url, profile, "PUT")
    assert (reply.http_status, reply.status_code, reply.data) == (200, 1000, None)


async def test_the_active_profile_is_told_where_one_was_set() -> None:
    emsp, cpo = await charging()
    request = await emsp.set_profile("S-1", PROFILE)
    await tell_active(emsp, cpo, "S-1", ACTIVE)
    await cpo.tell(request.response_url, ACCEPTED)
    later = {**ACTIVE, "start_date_time": "2026-01-15T10:00:00Z"}
    await tell_active(emsp, cpo, "s-1", later)
    assert emsp.active_profiles("S-1") == [ACTIVE, later]
    assert emsp.active_profiles("S-2") == []
    assert emsp.violations == []


@pytest.mark.parametrize(
    ("answer", "result"), [("NOT_SUPPORTED", None), ("ACCEPTED", {"result": "REJECTED"})]
)
async def test_the_active_profile_is_not_told_where_none_was_set(answer: str, result: Any) -> None:
    emsp, cpo = await charging()
    cpo.says = ok({"result": answer, "timeout": 30})
    request = await emsp.set_profile("S-1", PROFILE)
    if result is not None:
        await cpo.tell(request.response_url, result)
    await emsp.set_profile("S-OTHER", PROFILE)
    await emsp.get_profile("S-1", 60)
    await tell_active(emsp, cpo, "S-1", ACTIVE)
    assert objections(emsp) == ["no profile was ever set for session S-1 (CP-12)"]
    assert emsp.active_profiles("S-1") == [ACTIVE]


async def test_an_active_profile_that_is_not_as_ocpi_has_it_is_refused() -> None:
    emsp, cpo = await charging()
    await emsp.set_profile("S-1", PROFILE)
    url = emsp.url("sender", "chargingprofiles", "S-1")
    reply = await cpo.tell(url, PROFILE, "PUT")
    assert reply.status_code == 2001
    assert emsp.active_profiles("S-1") == []
    replies = [await cpo.tell(url, None, method) for method in ("GET", "PATCH", "DELETE")]
    assert [reply.http_status for reply in replies] == [405] * 3


async def test_preferences_are_put_below_the_session() -> None:
    emsp, cpo = await charging()
    cpo.says = ok("ACCEPTED")
    preferences = {"profile_type": "GREEN", "departure_time": "2026-01-15T17:00:00Z"}
    reply = await emsp.set_preferences("Session/1", preferences)
    assert (reply.status_code, reply.data) == (1000, "ACCEPTED")
    [asked] = cpo.asked
    assert (asked.method, asked.rest) == ("PUT", ("Session/1", "charging_preferences"))
    assert cpo.bodies() == [preferences]
    assert [emsp.violations, cpo.platform.violations] == [[], []]


async def test_an_answer_to_preferences_is_one_of_ocpis_words_or_an_error() -> None:
    emsp, cpo = await charging()
    cpo.says = Answer(404, envelope(2001))
    assert (await emsp.set_preferences("S", {"profile_type": "FAST"})).http_status == 404
    assert emsp.violations == []
    for data in ({"result": "ACCEPTED"}, "FINE", None):
        cpo.says = ok(data)
        await emsp.set_preferences("S", {"profile_type": "FAST"})
    assert objections(emsp) == [
        "{'result': 'ACCEPTED'} is no ChargingPreferencesResponse (SE-05)",
        "'FINE' is no ChargingPreferencesResponse (SE-05)",
        "None is no ChargingPreferencesResponse (SE-05)",
    ]
