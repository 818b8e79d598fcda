"""What the mock shows to people and to programs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ocpi.testing import samples
from ocpi.testing.emsp import EMSP_INTERFACES, MockEMSP, Party
from ocpi.testing.mock.sender import list_objects
from ocpi.testing.mock.wire import Answer, envelope
from tests.ocpi.testing.caller import Caller, connect, introduce, two_platforms
from tests.ocpi.testing.charging import charging

HOSTILE = "<script>alert('x')</script>"


@pytest.mark.threat("TA-24")
async def test_the_page_escapes_what_a_peer_says() -> None:
    mock = MockEMSP((Party(name=HOSTILE),))
    introduce(mock, [samples.credentials_role(name=HOSTILE)])
    evse = samples.evse(1, uid="<b>uid</b>", evse_id="<b>uid</b>")
    document = samples.location(id="<i>id</i>", name=HOSTILE, city=HOSTILE, evses=[evse])
    async with connect(mock) as http:
        caller = Caller(mock, http)
        await caller.put("locations/DE/CPO/%3Ci%3Eid%3C%2Fi%3E", document)
        await caller.ask("GET", "receiver/nothing?<script>")
        await caller.put("tariffs/DE/CPO/<u>", samples.tariff(id=HOSTILE[:36]))
        response = await http.get("/")
    assert response.status_code == 200
    assert "default-src 'none'" in response.headers["content-security-policy"]
    for tag in ("<script", "<b>", "<i>", "<u>"):
        assert tag not in response.text
    for shown in ("&lt;b&gt;uid&lt;/b&gt; AVAILABLE", "DE*CPO", "Registered with", "2 in all"):
        assert shown in response.text


async def test_the_page_of_an_empty_mock_says_so() -> None:
    async with connect(MockEMSP()) as http:
        text = (await http.get("/")).text
    assert "Not registered with anyone." in text
    assert '<p class="good">None.</p>' in text


async def test_the_page_shows_what_was_charged(cpo: Caller) -> None:
    for number in range(300):
        status = "COMPLETED" if number < 298 else "ACTIVE"
        session = samples.session(id=f"S-{number}", status=status)
        await cpo.put(f"sessions/DE/CPO/S-{number}", session)
    free = samples.session(id="FREE", status="PENDING")
    del free["total_cost"]
    await cpo.put("sessions/DE/CPO/FREE", free)
    credit = {"credit": True, "credit_reference_id": "CDR-1"}
    for cdr in (samples.cdr(), samples.cdr(id="CDR-2", **credit)):
        await cpo.ask("POST", "receiver/cdrs", cdr)
    cpo.mock.issue_token(samples.token(), "NO_CREDIT")
    text = (await cpo.http.get("/")).text
    for shown in (
        "301 in all, 2 ACTIVE, 298 COMPLETED, 1 PENDING; newest first:",
        "<td>DE*CPO S-299</td><td>ACTIVE</td><td>LOC-1 EVSE-1</td>",
        "<td>04A1B2C3D4E5F6</td><td>10.5</td><td>5.25 EUR without VAT</td>",
        "<td>04A1B2C3D4E5F6</td><td>10.5</td><td></td>",
        "<td>credit of CDR-1</td><td>10.5</td><td>0.5</td><td>6.25 EUR</td>",
        "<td>DE*MSP 04A1B2C3D4E5F6</td><td>RFID</td>",
        "<td>NO_CREDIT</td>",
    ):
        assert shown in text
    assert "DE*CPO S-272<" in text
    assert "DE*CPO S-270<" not in text


async def test_the_page_shows_what_was_asked_of_stations() -> None:
    emsp, cpo = await charging()
    command = await emsp.command("STOP_SESSION", {"session_id": HOSTILE})
    await cpo.tell(command.response_url, {"result": "ACCEPTED"})
    cpo.refuse("TOO_OFTEN")
    await emsp.get_profile("S-1", 60)
    cpo.says = Answer(200, envelope(2001))
    await emsp.command("STOP_SESSION", {"session_id": "S-2"})
    async with connect(emsp) as http:
        text = (await http.get("/")).text
    rows = [
        "<td>STOP_SESSION &lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;</td>",
        f"<td>{command.uid}</td><td>ACCEPTED</td><td>ACCEPTED</td>",
        "<td>GET profile of S-1</td>",
        "<td>TOO_OFTEN</td><td></td>",
        "<td>2001</td><td></td>",
    ]
    for shown in (*rows, "3 in all; newest first:"):
        assert shown in text


async def test_the_state_has_registration_and_counts(cpo: Caller) -> None:
    await cpo.put("locations/DE/CPO/LOC-1", samples.location())
    await cpo.put("locations/DE/CPO/LOC-1", {})
    assert (await cpo.http.get("/mock/state")).json() == {
        "versions_url": "http://emsp.test/ocpi/versions",
        "parties": [Party().document()],
        "registered": True,
        "token": None,
        "peer": {
            "versions_url": "https://cpo.example/versions",
            "roles": [samples.credentials_role()],
            "endpoints": [],
        },
        "counts": {
            "locations": 1,
            "tariffs": 0,
            "sessions": 0,
            "cdrs": 0,
            "tokens": 0,
            "hubclientinfo": 0,
            "commands": 0,
            "chargingprofiles": 0,
        },
        "messages": 2,
        "violations": 1,
    }


async def test_objects_messages_and_violations_can_be_read(cpo: Caller) -> None:
    await cpo.put("tariffs/DE/CPO/TARIFF-1", samples.tariff())
    await cpo.put("tariffs/DE/CPO/TARIFF-1", [])
    http = cpo.http
    assert (await http.get("/mock/objects/tariffs")).json() == [samples.tariff()]
    assert (await http.get("/mock/objects/dogs")).status_code == 400
    messages = (await http.get("/mock/messages?since=1")).json()
    assert [(message["number"], message["body"]) for message in messages] == [(2, "[]")]
    assert (await http.get("/mock/violations")).json() == cpo.mock.violations
    odd = await http.get("/mock/messages?since=x")
    assert odd.status_code == 400
    assert "since is 'x', not the number of a message" in odd.text


async def test_misbehaviour_is_set_and_cleared(cpo: Caller) -> None:
    rules = [{"act": "status", "match": {"module": "credentials"}, "times": 1, "http_status": 503}]
    assert (await cpo.http.put("/mock/misbehave", json=rules)).json() == rules
    assert (await cpo.ask("GET", "credentials")).status_code == 503
    [rule] = (await cpo.http.get("/mock/misbehave")).json()
    assert rule["times"] == 0
    assert (await cpo.http.delete("/mock/misbehave")).json() == []
    assert cpo.mock.rules == []


@pytest.mark.parametrize(
    "rules",
    [
        {},
        [{}],
        [{"act": "explode"}],
        [{"act": "drop", "matches": {}}],
        [{"act": "drop", "match": {"path": "("}}],
        [{"act": "drop", "times": "often"}],
        [{"act": "status", "http_status": 99999}],
        [{"act": "status", "http_status": 101}],
        [{"act": "alter", "headers": {"x-price": "5 €"}}],
        [{"act": "alter", "headers": {"x-price": "5\r\nx-other: 6"}}],
        [{"act": "alter", "headers": {"x-price": "5\n"}}],
        [{"act": "alter", "headers": {"a b": "5"}}],
    ],
)
async def test_rules_that_cannot_be_read_are_refused(cpo: Caller, rules: Any) -> None:
    response = await cpo.http.put("/mock/misbehave", json=rules)
    assert response.status_code == 400
    assert response.json()["error"]


async def test_a_program_has_the_mock_register_pull_and_start_again() -> None:
    emsp, cpo = two_platforms()
    lists = {("sender", module): {("GET", 0): list_objects} for module in ("locations", "tariffs")}
    cpo.interfaces = {**EMSP_INTERFACES, **lists}
    async with connect(emsp) as http:
        assert (await http.post("/mock/pull")).status_code == 502
        told = {"versions_url": cpo.versions_url, "token": cpo.token_a}
        assert (await http.post("/mock/register", json={"token": "x"})).status_code == 400
        assert (await http.post("/mock/register", json=told)).json()["registered"] is True
        assert (await http.post("/mock/pull")).json() == {"locations": 0, "tariffs": 0}
        state = (await http.post("/mock/reset")).json()
    assert (state["registered"], state["messages"]) == (False, 0)
    assert state["token"] == emsp.token_a


async def test_a_program_drives_charging() -> None:
    emsp, cpo = await charging()
    async with connect(emsp) as http:
        told = {"command": "START_SESSION", "body": {"location_id": "LOC-1"}}
        command = (await http.post("/mock/command", json=told)).json()
        assert command["response"] == {"result": "ACCEPTED", "timeout": 30}
        await cpo.tell(command["body"]["response_url"], {"result": "ACCEPTED"})
        assert (await http.get("/mock/commands")).json() == [
            {**command, "results": [{"result": "ACCEPTED"}]}
        ]
        cpo.says = Answer(200, envelope(2001, message="No."))
        pushed = await http.post("/mock/tokens?allowed=BLOCKED", json=samples.token())
        assert pushed.json() == {"http_status": 200, "status_code": 2001, "status_message": "No."}
        assert list(emsp.verdicts.values()) == ["BLOCKED"]
    assert [emsp.violations, cpo.platform.violations] == [[], []]


async def test_a_program_drives_charging_profiles() -> None:
    emsp, cpo = await charging()
    limit = '{"start_period": 0, "limit": 10.50}'
    profile = f'{{"charging_rate_unit": "A", "charging_profile_period": [{limit}]}}'
    wanted = [
        f'{{"method": "PUT", "session_id": "S-1", "profile": {profile}}}',
        '{"method": "GET", "session_id": "S-1", "duration": 900}',
        '{"method": "DELETE", "session_id": "S-1"}',
    ]
    active = {
        "start_date_time": "2026-01-15T09:00:00Z",
        "charging_profile": {"charging_rate_unit": "A"},
    }
    async with connect(emsp) as http:
        sent = [(await http.post("/mock/profile", content=each)).json() for each in wanted]
        await cpo.tell(emsp.url("sender", "chargingprofiles", "S-1"), active, "PUT")
        shown = (await http.get("/mock/profiles")).json()
    assert [asked.method for asked in cpo.asked] == ["PUT", "GET", "DELETE"]
    assert b'"limit":10.50' in cpo.asked[0].body
    assert shown == {"requests": sent, "updates": {"S-1": [active]}}
    assert [emsp.violations, cpo.platform.violations] == [[], []]


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("command", "{"),
        ("command", "{}"),
        ("command", '{"command": "STOP_SESSION"}'),
        ("profile", '{"session_id": "S", "duration": 5}'),
        ("profile", '{"method": "GET", "session_id": "S"}'),
        ("profile", '{"method": "PUT", "session_id": "S", "duration": 5}'),
        ("tokens", "[]"),
        ("tokens", '{"uid": "X"}'),
        ("tokens?allowed=MAYBE", json.dumps(samples.token())),
    ],
)
async def test_what_a_program_cannot_mean_is_refused(path: str, content: str) -> None:
    emsp, cpo = await charging()
    async with connect(emsp) as http:
        response = await http.post(f"/mock/{path}", content=content)
    assert response.status_code == 400
    assert response.json()["error"]
    assert (cpo.asked, emsp.documents("tokens")) == ([], [])


async def test_a_peer_that_offers_no_commands_is_to_blame() -> None:
    emsp, cpo = two_platforms()
    await emsp.register(cpo.versions_url, cpo.token_a)
    async with connect(emsp) as http:
        told = {"command": "STOP_SESSION", "body": {"session_id": "S"}}
        response = await http.post("/mock/command", json=told)
    assert response.status_code == 502
    assert response.json() == {"error": "the peer offers no commands RECEIVER"}
