"""What the mock shows to people and to programs."""

from __future__ import annotations

from typing import Any

import pytest

from ocpi.testing import samples
from ocpi.testing.emsp import EMSP_INTERFACES, MockEMSP, Party
from ocpi.testing.emsp.sender import list_objects
from tests.ocpi.testing.caller import Caller, connect, introduce, two_platforms

HOSTILE = "<script>alert('x')</script>"


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
        "counts": {"locations": 1, "tariffs": 0, "sessions": 0, "cdrs": 0, "tokens": 0},
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
    assert (await http.get("/mock/messages?since=x")).status_code == 400


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
