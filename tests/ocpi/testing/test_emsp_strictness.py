"""What a strict receiver would object to becomes a violation, as a sentence."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from ocpi.testing import samples
from ocpi.testing.emsp import MockEMSP, Party
from ocpi.testing.mock.state import Message, Standing, State
from tests.ocpi.testing.caller import TOKEN, Caller, codes, connect, introduce

OLDER = "2025-01-01T00:00:00Z"
LATER = "2026-02-01T00:00:00Z"
LOCATION = "locations/DE/CPO/LOC-1"
SESSION = "sessions/DE/CPO/SESSION-1"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("header", "objection"),
    [
        (None, "is missing"),
        (f"Bearer {encoded(TOKEN)}", "does not begin with 'Token '"),
        (f"token {encoded(TOKEN)}", "does not begin with 'Token '"),
        (f"Token {TOKEN}", "is not Base64"),
        (f"Token  {encoded(TOKEN)}", "is not Base64"),
        (f"Token {encoded('token')[:-1]}", "is not Base64"),
        (f"Token {encoded(TOKEN + chr(10))}", "white space"),
        (f"Token {encoded('another')}", "is not known"),
        (f"Token {encoded('token-a')}", "token A is no good for locations"),
    ],
)
async def test_a_wrong_authorization_is_401_and_a_violation(
    cpo: Caller, header: str | None, objection: str
) -> None:
    cpo.mock.tokens_in["token-a"] = Standing.OFFERED
    response = await cpo.ask("GET", f"receiver/{LOCATION}", headers={"authorization": header})
    assert codes(response) == (401, 2000)
    [violation] = cpo.mock.violations
    assert objection in violation


@pytest.mark.parametrize(
    ("headers", "objection"),
    [
        ({"x-request-id": None}, "x-request-id is missing"),
        ({"x-correlation-id": None}, "x-correlation-id is missing"),
        ({"content-type": "text/plain"}, "Content-Type is 'text/plain'"),
        ({"ocpi-from-country-code": "DE"}, "only half of the from-address"),
        (
            {"ocpi-from-country-code": "DE", "ocpi-from-party-id": "XXX"},
            "the from-address DE*XXX is no party of the peer's",
        ),
        (
            {"ocpi-to-country-code": "DE", "ocpi-to-party-id": "XXX"},
            "the to-address DE*XXX is no party of ours",
        ),
    ],
)
async def test_wrong_headers_are_violations(
    cpo: Caller, headers: dict[str, str | None], objection: str
) -> None:
    await cpo.ask("PUT", f"receiver/{LOCATION}", samples.location(), headers=headers)
    [violation] = cpo.mock.violations
    assert objection in violation


async def test_a_repeated_request_id_is_a_violation_even_of_a_retry(cpo: Caller) -> None:
    for _ in range(2):
        await cpo.ask("GET", "credentials", headers={"X-Request-ID": "again"})
    [violation] = cpo.mock.violations
    assert (
        violation == "GET /ocpi/2.2.1/credentials: the X-Request-ID again was used before (TR-12)"
    )


async def test_routing_headers_on_a_configuration_module_are_a_violation(cpo: Caller) -> None:
    headers: dict[str, str | None] = {"OCPI-to-party-id": "MSP", "OCPI-to-country-code": "DE"}
    assert codes(await cpo.ask("GET", "credentials", headers=headers)) == (200, 1000)
    [violation] = cpo.mock.violations
    assert "credentials knows no routing headers" in violation


async def test_addresses_are_due_where_more_than_one_party_could_be_meant(cpo: Caller) -> None:
    cpo.mock.parties.append(Party("NL", "TWO"))
    await cpo.put(LOCATION, samples.location())
    assert [violation.partition(": ")[2] for violation in cpo.mock.violations] == [
        "the to-address is missing (RT-02)",
        "the from-address is missing (RT-02)",
    ]


async def test_a_hub_may_speak_for_anybody() -> None:
    mock = MockEMSP()
    introduce(mock, [samples.credentials_role("HUB", "Hub", party_id="HUB")])
    headers: dict[str, str | None] = {
        "ocpi-from-country-code": "FR",
        "ocpi-from-party-id": "ABC",
        "ocpi-to-country-code": "DE",
        "ocpi-to-party-id": "MSP",
    }
    document = samples.location(country_code="FR", party_id="ABC")
    async with connect(mock) as http:
        response = await Caller(mock, http).ask(
            "PUT", "receiver/locations/FR/ABC/LOC-1", document, headers=headers
        )
    assert codes(response) == (201, 1000)
    assert mock.violations == []


async def test_an_unknown_enum_value_costs_nobody_the_object(cpo: Caller) -> None:
    document = samples.location(evses=[samples.evse(status="BUSY")])
    await cpo.put(LOCATION, document)
    assert cpo.mock.documents("locations") == [document]
    assert cpo.mock.violations == []


@pytest.mark.parametrize("content", ["", "{", "<html>", "{'a': 1}", '{"kwh": NaN}', "[" * 100_000])
async def test_a_body_that_is_no_json_is_400(cpo: Caller, content: str) -> None:
    response = await cpo.ask("PUT", f"receiver/{LOCATION}", content=content)
    assert codes(response) == (400, 2001)
    assert len(cpo.mock.violations) == 1


@pytest.mark.parametrize(
    ("method", "path", "document", "objection"),
    [
        ("PUT", LOCATION, [], "not a JSON object"),
        ("PUT", LOCATION, samples.location(city=5), "city"),
        ("PUT", LOCATION, samples.location(time_zone=None), "time_zone"),
        ("PUT", LOCATION, samples.location(name="x" * 300), "name"),
        ("PUT", LOCATION, samples.location(last_updated="2026-01-15T08:30:00+00:00"), "last_upd"),
        ("PUT", LOCATION, samples.location(evses=[samples.evse(status=5)]), "evses.0.status"),
        ("PUT", LOCATION, samples.location(id="OTHER"), "id is 'OTHER' in the body"),
        ("PUT", LOCATION, samples.location(party_id="XYZ"), "party_id is 'XYZ' in the body"),
        ("PUT", f"{LOCATION}/EVSE-1", samples.evse(2), "uid is 'EVSE-2' in the body"),
        ("PATCH", LOCATION, {"name": "No time"}, "no last_updated"),
        ("PATCH", LOCATION, {"name": None, "last_updated": LATER}, "cannot remove name"),
        ("PATCH", LOCATION, {"id": "OTHER", "last_updated": LATER}, "id is 'OTHER'"),
        ("PATCH", LOCATION, {"city": 5, "last_updated": LATER}, "city"),
        ("PATCH", SESSION, {"charging_periods": [{}], "last_updated": LATER}, "charging_periods"),
        ("PATCH", SESSION, {"kwh": "1.5", "last_updated": LATER}, "kwh"),
    ],
)
async def test_a_body_that_is_not_as_ocpi_has_it_is_2001_and_changes_nothing(
    cpo: Caller, method: str, path: str, document: Any, objection: str
) -> None:
    await cpo.put(LOCATION, samples.location())
    await cpo.put(SESSION, samples.session())
    assert codes(await cpo.ask(method, f"receiver/{path}", document)) == (200, 2001)
    [violation] = cpo.mock.violations
    assert objection in violation
    assert await cpo.read(LOCATION) == samples.location()
    assert await cpo.read(SESSION) == samples.session()


@pytest.mark.parametrize(
    ("method", "path", "document"),
    [
        ("PUT", LOCATION, samples.location(name="Old", last_updated=OLDER)),
        ("PATCH", LOCATION, {"name": "Old", "last_updated": OLDER}),
        ("PATCH", f"{LOCATION}/EVSE-1", {"status": "BLOCKED", "last_updated": OLDER}),
        ("PUT", f"{LOCATION}/EVSE-1/1", samples.connector(max_voltage=1, last_updated=OLDER)),
    ],
)
async def test_an_update_that_is_older_is_not_applied(
    cpo: Caller, method: str, path: str, document: Any
) -> None:
    await cpo.put(LOCATION, samples.location())
    assert codes(await cpo.ask(method, f"receiver/{path}", document)) == (200, 1000)
    [violation] = cpo.mock.violations
    assert "last_updated goes back from 2026-01-15T08:30:00Z to 2025-01-01T00:00:00Z" in violation
    assert await cpo.read(LOCATION) == samples.location()


@pytest.mark.parametrize(
    ("method", "path", "document"),
    [
        ("PUT", "locations/DE/XYZ/LOC-1", samples.location(party_id="XYZ")),
        ("PATCH", "locations/DE/XYZ/LOC-1", {"last_updated": LATER}),
        ("DELETE", "tariffs/DE/XYZ/TARIFF-1", None),
        ("POST", "cdrs", samples.cdr(party_id="XYZ")),
    ],
)
async def test_an_owner_that_the_peer_does_not_speak_for_is_404(
    cpo: Caller, method: str, path: str, document: Any
) -> None:
    assert codes(await cpo.ask(method, f"receiver/{path}", document)) == (404, 2000)
    [violation] = cpo.mock.violations
    assert "the owner DE*XYZ is no party of the peer's" in violation


@pytest.mark.parametrize(
    ("method", "path", "document", "objection"),
    [
        (
            "PUT",
            SESSION,
            samples.session(cdr_token=samples.cdr_token(party_id="XYZ")),
            "its cdr_token is of DE*XYZ",
        ),
        (
            "POST",
            "cdrs",
            samples.cdr(cdr_token=samples.cdr_token(party_id="XYZ")),
            "its cdr_token is of DE*XYZ",
        ),
        ("PATCH", "sessions/DE/CPO/OVER", {"kwh": 99, "last_updated": LATER}, "was COMPLETED"),
        (
            "PATCH",
            LOCATION,
            {"evses": [samples.evse(1)], "last_updated": LATER},
            "leaves its evses",
        ),
    ],
)
async def test_what_is_accepted_may_be_a_violation_all_the_same(
    cpo: Caller, method: str, path: str, document: Any, objection: str
) -> None:
    await cpo.put(LOCATION, samples.location())
    await cpo.put("sessions/DE/CPO/OVER", samples.session(id="OVER", status="COMPLETED"))
    response = await cpo.ask(method, f"receiver/{path}", document)
    assert response.json()["status_code"] == 1000
    [violation] = cpo.mock.violations
    assert objection in violation


async def test_violations_outlive_the_messages_that_had_them() -> None:
    mock = State(interfaces={}, kept=2)
    for number in range(1, 5):
        mock.record(Message("in", "GET", "/", {}, "", 404, 2000))
        mock.messages[-1].blame(f"violation {number}")
    assert [message.number for message in mock.messages] == [3, 4]
    assert mock.violations == [f"GET /: violation {number}" for number in range(1, 5)]


async def test_the_log_has_every_message_without_its_token(cpo: Caller) -> None:
    await cpo.put(LOCATION, samples.location())
    await cpo.ask("GET", "nonsense?x=1")
    first, second = cpo.mock.messages
    assert (first.number, first.method, first.http_status, first.status_code) == (
        1,
        "PUT",
        201,
        1000,
    )
    assert (second.path, second.http_status) == ("/ocpi/2.2.1/nonsense?x=1", 404)
    assert "LOC-1" in first.body
    assert "authorization" not in first.headers
