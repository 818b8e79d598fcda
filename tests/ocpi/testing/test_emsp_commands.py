"""The mock sends commands, and judges what is answered and reported."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ocpi.spec.commands import StartSession
from ocpi.spec.reading import defects
from ocpi.testing import samples
from ocpi.testing.emsp import Match, MockEMSP, PeerFailed, Rule
from ocpi.testing.mock.state import State
from ocpi.testing.mock.wire import Answer, Incoming, envelope, ok
from tests.ocpi.testing.charging import charging, objections

START = {"token": samples.token(), "location_id": "LOC-1", "evse_uid": "EVSE-1"}
RESERVE = {**START, "reservation_id": "R-1", "expiry_date": "2026-01-15T10:00:00Z"}
ACCEPTED = {"result": "ACCEPTED"}
CANCELED = {"result": "CANCELED_RESERVATION"}


async def test_a_command_is_answered_and_gets_its_result() -> None:
    emsp, cpo = await charging()
    command = await emsp.command("START_SESSION", START)
    [body] = cpo.bodies()
    url = f"http://emsp.test/ocpi/2.2.1/sender/commands/START_SESSION/{command.uid}"
    assert body == command.body == {**START, "response_url": url}
    assert defects(body, StartSession) == []
    assert cpo.asked[0].rest == ("START_SESSION",)
    assert (command.status_code, command.response) == (1000, {"result": "ACCEPTED", "timeout": 30})
    waiting = asyncio.create_task(emsp.result_of(command))
    await asyncio.sleep(0)
    said = {"result": "EVSE_OCCUPIED", "message": [{"language": "en", "text": "A car is there."}]}
    reply = await cpo.tell(url, said)
    assert (reply.http_status, reply.status_code, reply.data) == (200, 1000, None)
    assert await waiting == await emsp.result_of(command) == said
    assert command.results == [said]
    assert [emsp.violations, cpo.platform.violations] == [[], []]


async def test_each_command_has_its_own_response_url() -> None:
    emsp, cpo = await charging()
    first = await emsp.command("START_SESSION", START)
    second = await emsp.command("START_SESSION", START)
    await cpo.tell(second.response_url, ACCEPTED)
    assert [first.results, second.results] == [[], [ACCEPTED]]
    assert emsp.commands == [first, second]


async def test_who_waits_for_a_result_in_vain_is_told() -> None:
    emsp, _ = await charging()
    command = await emsp.command("START_SESSION", START)
    with pytest.raises(TimeoutError):
        await emsp.result_of(command, timeout=0.01)


@pytest.mark.parametrize("status_code", [1000, 2003])
async def test_a_refusal_ends_the_exchange(status_code: int) -> None:
    emsp, cpo = await charging()
    cpo.refuse("REJECTED", status_code)
    command = await emsp.command("UNLOCK_CONNECTOR", {"location_id": "NOWHERE"})
    assert (command.status_code, command.response) == (
        status_code,
        {"result": "REJECTED", "timeout": 0},
    )
    assert emsp.violations == []
    await cpo.tell(command.response_url, ACCEPTED)
    assert objections(emsp) == ["a result although the answer was REJECTED (CM-03)"]


async def test_an_error_need_not_have_a_response() -> None:
    emsp, cpo = await charging()
    cpo.says = Answer(200, envelope(2001, message="No."))
    command = await emsp.command("START_SESSION", {})
    assert (command.status_code, command.response) == (2001, None)
    assert emsp.violations == []


@pytest.mark.parametrize(
    ("data", "objection"),
    [
        (None, "the document: is no object"),
        ({"result": "ACCEPTED"}, "timeout: is required"),
        ({"result": "MAYBE", "timeout": 30}, "result: is a value that OCPI 2.2.1 doesn't know"),
        ({"result": "ACCEPTED", "timeout": "30"}, "timeout: is a number written as text"),
    ],
)
async def test_an_answer_that_is_no_command_response_is_a_violation(
    data: Any, objection: str
) -> None:
    emsp, cpo = await charging()
    cpo.says = ok(data)
    command = await emsp.command("START_SESSION", START)
    assert command.response is None
    [violation] = objections(emsp)
    assert violation.startswith("the CommandResponse is not as OCPI has it: ")
    assert objection in violation


async def test_a_second_result_is_a_violation() -> None:
    emsp, cpo = await charging()
    command = await emsp.command("START_SESSION", START)
    for _ in range(2):
        assert (await cpo.tell(command.response_url, ACCEPTED)).status_code == 1000
    assert command.results == [ACCEPTED, ACCEPTED]
    assert objections(emsp) == [f"it is a further result of {command.uid} (CM-07)"]


async def test_a_result_after_the_timeout_is_a_violation() -> None:
    emsp, cpo = await charging()
    for timeout in (0, 10**400):
        cpo.says = ok({"result": "ACCEPTED", "timeout": timeout})
        command = await emsp.command("START_SESSION", START)
        await cpo.tell(command.response_url, {"result": "TIMEOUT"})
    assert objections(emsp) == ["the result came after the timeout (CM-11)"]


async def test_a_reservation_may_be_called_off_once_later() -> None:
    emsp, cpo = await charging()
    command = await emsp.command("RESERVE_NOW", RESERVE)
    await cpo.tell(command.response_url, ACCEPTED)
    command.accepted_at = 0.0
    await cpo.tell(command.response_url, CANCELED)
    assert emsp.violations == []
    await cpo.tell(command.response_url, CANCELED)
    assert command.results == [ACCEPTED, CANCELED, CANCELED]
    assert objections(emsp) == [f"it is a further result of {command.uid} (CM-07)"]


@pytest.mark.parametrize(
    ("command", "first"),
    [("RESERVE_NOW", {"result": "EVSE_OCCUPIED"}), ("START_SESSION", ACCEPTED)],
)
async def test_only_what_was_reserved_can_be_called_off(
    command: str, first: dict[str, str]
) -> None:
    emsp, cpo = await charging()
    sent = await emsp.command(command, RESERVE)
    await cpo.tell(sent.response_url, first)
    await cpo.tell(sent.response_url, CANCELED)
    assert objections(emsp) == [f"it is a further result of {sent.uid} (CM-07)"]


@pytest.mark.parametrize(
    ("document", "objection"),
    [
        (envelope(1000, ACCEPTED), "in an envelope (AT-67)"),
        ({}, "result: is required"),
        ({"result": "DONE"}, "result: is a value that OCPI 2.2.1 doesn't know"),
        ({"result": "FAILED", "message": [{"text": "Oops"}]}, "message: is no text"),
        ({"result": "FAILED", "message": {"language": "en", "text": "Oops"}}, "message: is "),
    ],
)
async def test_a_result_that_is_not_as_ocpi_has_it_is_refused(
    document: Any, objection: str
) -> None:
    emsp, cpo = await charging()
    command = await emsp.command("STOP_SESSION", {"session_id": "S"})
    reply = await cpo.tell(command.response_url, document)
    assert (reply.http_status, reply.status_code) == (200, 2001)
    assert command.results == []
    [violation] = emsp.violations
    assert objection in violation


@pytest.mark.parametrize("end", ["START_SESSION/unknown", "START_SESSION", ""])
async def test_a_result_at_a_url_that_was_never_given_is_404(end: str) -> None:
    emsp, cpo = await charging()
    reply = await cpo.tell(emsp.url("sender", "commands", end), ACCEPTED)
    assert reply.http_status == 404
    assert len(emsp.violations) == 1


async def test_the_url_of_a_result_is_the_one_given_to_the_letter() -> None:
    emsp, cpo = await charging()
    command = await emsp.command("START_SESSION", START)
    await cpo.tell(f"{command.response_url}/", ACCEPTED)
    assert objections(emsp) == [f"the response_url was {command.response_url} (CM-07)"]


async def test_a_result_is_addressed_to_who_asked() -> None:
    emsp, cpo = await charging()
    command = await emsp.command("START_SESSION", START)
    await cpo.tell(command.response_url, ACCEPTED, to=None)
    assert objections(emsp) == [
        "the result's to-address is '*', not 'DE*MSP' (CM-07, RT-02)",
        "the result's from-address is '*', not 'DE*CPO' (CM-07, RT-02)",
    ]


async def test_other_methods_do_not_exist_at_a_response_url() -> None:
    emsp, cpo = await charging()
    command = await emsp.command("START_SESSION", START)
    replies = [
        await cpo.tell(command.response_url, None, method)
        for method in ("GET", "PUT", "PATCH", "DELETE")
    ]
    assert [reply.http_status for reply in replies] == [405] * 4


@pytest.mark.parametrize(
    ("answer", "found"),
    [("ACCEPTED", []), ("REJECTED", ["there was a result before the answer REJECTED (CM-03)"])],
)
async def test_a_result_may_overtake_the_answer(answer: str, found: list[str]) -> None:
    emsp, cpo = await charging()

    async def hurry(_state: State, incoming: Incoming) -> Answer:
        cpo.asked.append(incoming)
        await cpo.tell(cpo.bodies()[0]["response_url"], ACCEPTED)
        return ok({"result": answer, "timeout": 30})

    routes = {("receiver", "commands"): {("POST", 1): hurry}}
    cpo.platform.interfaces = {**cpo.platform.interfaces, **routes}
    command = await emsp.command("START_SESSION", START)
    assert await emsp.result_of(command) == ACCEPTED
    assert objections(emsp) == found


async def test_a_command_that_is_not_answered_is_known_all_the_same() -> None:
    emsp, cpo = await charging()
    cpo.platform.rules = [Rule("drop_after_accept", match=Match(module="commands"))]
    with pytest.raises(PeerFailed, match="START_SESSION"):
        await emsp.command("START_SESSION", START)
    [command] = emsp.commands
    assert (command.status_code, command.response) == (None, None)
    await cpo.tell(command.response_url, ACCEPTED)
    assert command.results == [ACCEPTED]
    assert emsp.violations == []


async def test_there_is_nobody_to_command_before_the_registration() -> None:
    with pytest.raises(PeerFailed, match="not registered"):
        await MockEMSP().command("START_SESSION", START)
