"""The mock crawls what its peer publishes, and judges it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from ocpi.testing import samples
from ocpi.testing.emsp import EMSP_INTERFACES, Match, MockEMSP, PeerFailed, Rule
from ocpi.testing.mock.sender import list_objects
from ocpi.testing.mock.state import owned_key
from ocpi.testing.mock.wire import MESSAGE_IDS
from tests.ocpi.testing.caller import introduce, two_platforms

KEY = owned_key("DE", "CPO", "LOC-1")


@pytest.fixture
async def platforms() -> tuple[MockEMSP, MockEMSP]:
    """An eMSP that is registered with a CPO that has Locations and Tariffs to show."""
    emsp, cpo = two_platforms()
    lists = {("sender", module): {("GET", 0): list_objects} for module in ("locations", "tariffs")}
    cpo.interfaces = {**EMSP_INTERFACES, **lists}
    for number in range(1, 251):
        document = samples.location(id=f"LOC-{number}")
        cpo.objects["locations"][owned_key("DE", "CPO", f"LOC-{number}")] = document
    cpo.objects["tariffs"][owned_key("DE", "CPO", "TARIFF-1")] = samples.tariff()
    await emsp.register(cpo.versions_url, cpo.token_a)
    return emsp, cpo


async def test_a_pull_follows_the_links_to_the_end(platforms: tuple[MockEMSP, MockEMSP]) -> None:
    emsp, cpo = platforms
    assert await emsp.pull() == {"locations": 250, "tariffs": 1}
    assert emsp.objects["locations"] == cpo.objects["locations"]
    assert emsp.objects["tariffs"] == cpo.objects["tariffs"]
    assert [emsp.violations, cpo.violations] == [[], []]
    pages = [m for m in cpo.messages if "sender/locations" in m.path]
    assert len(pages) == 3


async def test_a_pull_forgets_what_is_gone_and_keeps_what_is_newer(
    platforms: tuple[MockEMSP, MockEMSP],
) -> None:
    emsp, _ = platforms
    newer = samples.location(name="Pushed", last_updated="2026-05-01T00:00:00Z")
    emsp.objects["locations"][KEY] = newer
    emsp.objects["locations"][owned_key("DE", "CPO", "GONE")] = samples.location(id="GONE")
    await emsp.pull()
    assert len(emsp.objects["locations"]) == 250
    assert emsp.objects["locations"][KEY] == newer


async def test_an_invalid_object_in_a_list_is_a_violation_and_the_others_are_kept(
    platforms: tuple[MockEMSP, MockEMSP],
) -> None:
    emsp, cpo = platforms
    cpo.objects["locations"][KEY] = {**samples.location(), "city": 5}
    assert await emsp.pull() == {"locations": 249, "tariffs": 1}
    [violation] = emsp.violations
    assert "a Location of the list is not as OCPI has it: city" in violation


@pytest.mark.parametrize("rule", [Rule("status"), Rule("garbage"), Rule("empty"), Rule("drop")])
async def test_a_pull_that_fails_says_so_and_forgets_nothing(
    platforms: tuple[MockEMSP, MockEMSP], rule: Rule
) -> None:
    emsp, cpo = platforms
    await emsp.pull()
    cpo.rules = [Rule(rule.act, match=Match(path="offset=100"))]
    with pytest.raises(PeerFailed, match="offset=100"):
        await emsp.pull()
    assert len(emsp.objects["locations"]) == 250


async def test_sessions_and_cdrs_are_pulled_where_they_are_offered(
    platforms: tuple[MockEMSP, MockEMSP],
) -> None:
    emsp, cpo = platforms
    routes = {("GET", 0): list_objects}
    cpo.interfaces = {
        **cpo.interfaces,
        ("sender", "sessions"): routes,
        ("sender", "cdrs"): routes,
    }
    await emsp.update()
    for module, document in (("sessions", samples.session()), ("cdrs", samples.cdr())):
        cpo.objects[module][owned_key("DE", "CPO", document["id"])] = document
        emsp.objects[module][owned_key("DE", "CPO", "OLD")] = {**document, "id": "OLD"}
    assert await emsp.pull() == {"locations": 250, "tariffs": 1, "sessions": 1, "cdrs": 1}
    assert [document["id"] for document in emsp.documents("sessions")] == ["OLD", "SESSION-1"]
    assert [document["id"] for document in emsp.documents("cdrs")] == ["OLD", "CDR-1"]
    [asked] = [message.path for message in cpo.messages if "sender/sessions" in message.path]
    assert asked.endswith("?date_from=2000-01-01T00%3A00%3A00Z")
    assert [emsp.violations, cpo.violations] == [[], []]


async def test_what_the_peer_does_not_offer_cannot_be_pulled() -> None:
    emsp, cpo = two_platforms()
    await emsp.register(cpo.versions_url, cpo.token_a)
    with pytest.raises(PeerFailed, match="offers no locations SENDER"):
        await emsp.pull()


def fake_peer(data: Any, **headers: str) -> MockEMSP:
    """A mock whose registered peer answers everything with these."""

    def answer(request: httpx.Request) -> httpx.Response:
        repeated = {name: request.headers[name] for name in MESSAGE_IDS}
        said = {name.replace("_", "-"): value for name, value in headers.items()}
        document = {"data": data, "status_code": 1000, "timestamp": "2026-01-01T00:00:00Z"}
        return httpx.Response(200, json=document, headers={**repeated, **said})

    emsp = MockEMSP(transport=httpx.MockTransport(answer))
    introduce(emsp)
    assert emsp.peer is not None
    emsp.peer.endpoints = [
        {"identifier": module, "role": "SENDER", "url": f"http://cpo.test/{module}"}
        for module in ("locations", "tariffs")
    ]
    return emsp


@pytest.mark.parametrize(
    ("peer", "failure"),
    [
        (
            lambda: fake_peer([], link='<http://cpo.test/locations>; rel="next"'),
            "never come to an end",
        ),
        (lambda: fake_peer({}), "data is no list"),
    ],
)
async def test_a_list_that_is_none_cannot_be_pulled(
    peer: Callable[[], MockEMSP], failure: str
) -> None:
    with pytest.raises(PeerFailed, match=failure):
        await peer().pull()


async def test_what_a_list_lacks_and_whom_it_addresses_wrongly_are_violations() -> None:
    emsp = fake_peer([], ocpi_to_party_id="XXX", ocpi_to_country_code="de")
    assert await emsp.pull() == {"locations": 0, "tariffs": 0}
    assert [violation.partition(": ")[2] for violation in emsp.violations[:3]] == [
        "the answer's ocpi-to-party-id is XXX, not our ocpi-from-party-id (RT-07)",
        "the list has no x-total-count (PG-07, PG-08)",
        "the list has no x-limit (PG-07, PG-08)",
    ]
