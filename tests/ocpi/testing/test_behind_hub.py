"""Behind a hub, a mock hears who is connected and holds the hub to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from ocpi.testing import samples
from ocpi.testing.emsp import MockEMSP, Party, PeerFailed
from ocpi.testing.mock.sender import list_objects
from ocpi.testing.mock.state import key_of
from ocpi.testing.mock.wire import MESSAGE_IDS, Document
from tests.ocpi.testing.caller import Caller, codes, connect, introduce
from tests.ocpi.testing.pair import HUB, behind_hub, registered, violations

LATER = "2026-02-01T00:00:00Z"
LATEST = "2026-03-01T00:00:00Z"


def client(party_id: str = "CPO", status: str = "CONNECTED", **over: Any) -> Document:
    return {
        "country_code": "DE",
        "party_id": party_id,
        "role": "CPO",
        "status": status,
        "last_updated": samples.UPDATED,
        **over,
    }


def addressed(sender: str, to: str = "MSP") -> dict[str, str | None]:
    return {
        "ocpi-to-country-code": "DE",
        "ocpi-to-party-id": to,
        "ocpi-from-country-code": "DE",
        "ocpi-from-party-id": sender,
    }


@pytest.fixture
async def hub() -> AsyncIterator[Caller]:
    """A hub that an eMSP is registered with."""
    mock = MockEMSP()
    introduce(mock, [HUB])
    async with connect(mock) as http:
        yield Caller(mock, http)


async def tell(hub: Caller, info: Document) -> httpx.Response:
    owner = f"{info['country_code']}/{info['party_id']}"
    return await hub.put(f"hubclientinfo/{owner}", info)


async def put_location(hub: Caller, sender: str, owner: str = "CPO") -> httpx.Response:
    document = samples.location(party_id=owner)
    path = f"receiver/locations/DE/{owner}/LOC-1"
    return await hub.ask("PUT", path, document, headers=addressed(sender))


async def test_who_is_connected_is_kept_and_shown_by_party_and_role(hub: Caller) -> None:
    assert codes(await tell(hub, client())) == (201, 1000)
    assert codes(await tell(hub, client(role="EMSP", last_updated=LATEST))) == (201, 1000)
    assert codes(await tell(hub, client(status="OFFLINE", last_updated=LATER))) == (200, 1000)
    shown = await hub.read("hubclientinfo/de/cpo")
    assert shown == client(role="EMSP", last_updated=LATEST)
    kept = [client(status="OFFLINE", last_updated=LATER), shown]
    assert hub.mock.documents("hubclientinfo") == kept
    assert codes(await hub.ask("GET", "receiver/hubclientinfo/DE/WHO")) == (404, 2000)
    assert hub.mock.violations == []


@pytest.mark.parametrize(
    ("info", "objection"),
    [
        (client(party_id="OTHER"), "party_id is 'OTHER' in the body"),
        ({**client(), "last_updated": None}, "The ClientInfo is not as OCPI has it: last_updated"),
        (client(last_updated="2025-01-01T00:00:00Z"), "last_updated goes back"),
    ],
)
async def test_client_info_that_is_not_as_it_should_be_is_a_violation(
    hub: Caller, info: Document, objection: str
) -> None:
    await tell(hub, client())
    await hub.put("hubclientinfo/DE/CPO", info)
    [violation] = violations(hub.mock)
    assert violation.startswith(objection)
    assert hub.mock.documents("hubclientinfo") == [client()]


async def test_client_info_has_no_addresses_and_no_other_methods(hub: Caller) -> None:
    headers = addressed("HUB")
    await hub.ask("PUT", "receiver/hubclientinfo/DE/CPO", client(), headers=headers)
    [violation] = violations(hub.mock)
    assert violation.startswith("hubclientinfo knows no routing headers")
    for method in ("POST", "PATCH", "DELETE"):
        assert codes(await hub.ask(method, "receiver/hubclientinfo/DE/CPO", {})) == (405, 2000)


async def test_only_a_hub_tells_of_its_parties(cpo: Caller) -> None:
    assert codes(await tell(cpo, client())) == (404, 2000)
    assert violations(cpo.mock) == ["only a hub tells of its parties (HC-04)"]


@pytest.mark.parametrize("sender", ["CPO", "HUB"])
async def test_a_party_that_was_introduced_is_heard_directly_and_through_a_broadcast(
    hub: Caller, sender: str
) -> None:
    await tell(hub, client())
    assert codes(await put_location(hub, sender)) == (201, 1000)
    await tell(hub, client(status="OFFLINE", last_updated=LATER))
    assert codes(await put_location(hub, sender)) == (200, 1000)
    assert hub.mock.violations == []


@pytest.mark.parametrize("status", ["OFFLINE", "PLANNED", "SUSPENDED"])
async def test_a_party_that_was_never_connected_is_a_stranger(hub: Caller, status: str) -> None:
    await tell(hub, client("CPO", status))
    assert codes(await put_location(hub, "HUB")) == (404, 2000)
    assert violations(hub.mock) == ["the owner DE*CPO is no party of the peer's (CO-06)"]
    assert hub.mock.documents("locations") == []


async def test_a_party_that_was_suspended_is_a_stranger_again(hub: Caller) -> None:
    await tell(hub, client())
    await tell(hub, client(status="SUSPENDED", last_updated=LATER))
    assert codes(await put_location(hub, "CPO")) == (404, 2000)
    assert violations(hub.mock) == [
        "the from-address DE*CPO is no party of the peer's (RT-08)",
        "the owner DE*CPO is no party of the peer's (CO-06)",
    ]


async def test_a_party_tells_only_of_what_is_its_own(hub: Caller) -> None:
    assert codes(await put_location(hub, "ABC", owner="XYZ")) == (404, 2000)
    assert violations(hub.mock) == ["DE*ABC tells of what is DE*XYZ's (IP-11)"]


async def test_a_hub_spreads_nothing_that_is_private(hub: Caller) -> None:
    path = "receiver/sessions/DE/CPO/SESSION-1"
    await hub.ask("PUT", path, samples.session(), headers=addressed("HUB"))
    assert violations(hub.mock) == ["sessions are not for everybody to hear (RT-26)"]


async def test_who_is_connected_can_be_pulled_and_who_is_left_out_is_so_no_more() -> None:
    cpo, emsp = await registered()
    emsp.interfaces = {**emsp.interfaces, ("sender", "hubclientinfo"): {("GET", 0): list_objects}}
    emsp.objects["hubclientinfo"] = {
        key_of("hubclientinfo", info): info for info in (client("ONE"), client("TWO", "PLANNED"))
    }
    await cpo.update()
    behind_hub(cpo)
    gone = client("GONE")
    cpo.objects["hubclientinfo"] = {key_of("hubclientinfo", gone): gone}
    counts = await cpo.pull(to=("DE", "MSP"))
    assert counts == {"hubclientinfo": 2, "tokens": 0}
    assert cpo.objects["hubclientinfo"] == emsp.objects["hubclientinfo"]
    assert cpo.introduced == {("DE", "ONE", "CPO")}
    asked = [message.headers for message in emsp.messages if "hubclientinfo" in message.path]
    assert not [name for headers in asked for name in headers if name.startswith("ocpi-")]
    assert violations(cpo, emsp) == []


async def test_what_a_hub_combines_may_leave_out_what_came_directly() -> None:
    cpo, emsp = await registered()
    await cpo.put_location(samples.location())
    await cpo.put_location(samples.location(id="LOC-2"))
    cpo.objects["locations"] = {}
    cpo.parties.append(Party("DE", "HUB", "Hub", "HUB"))
    behind_hub(emsp)
    await emsp.pull()
    assert len(emsp.documents("locations")) == 2
    await emsp.pull(to=("DE", "CPO"))
    assert emsp.documents("locations") == []


async def test_a_foreign_link_is_a_violation_and_followed_without_our_token() -> None:
    cpo, emsp = await registered()
    for number in range(101):
        emsp.issue_token(samples.token(uid=f"TOKEN-{number}"))
    emsp.base_url = "http://elsewhere.test"
    with pytest.raises(PeerFailed, match="HTTP 401"):
        await cpo.pull()
    [violation] = violations(cpo)
    assert violation.startswith("the foreign URL http://elsewhere.test/ocpi/2.2.1/sender/tokens?")
    assert violations(emsp) == ["the Authorization header is missing (TR-02)"]


@pytest.mark.parametrize(
    ("status_code", "objections"),
    [
        (4003, []),
        (2001, []),
        (1000, ["the answer's ocpi-from-party-id is HUB, not our ocpi-to-party-id (RT-07)"]),
    ],
)
async def test_a_hub_answers_for_a_party_only_what_it_did_not_carry_on(
    status_code: int, objections: list[str]
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        repeated = {name: request.headers[name] for name in MESSAGE_IDS}
        document = {"status_code": status_code, "timestamp": "2026-01-01T00:00:00Z"}
        headers = {**repeated, **addressed("HUB")}
        return httpx.Response(200, json=document, headers=headers)  # type: ignore[arg-type]

    emsp = MockEMSP(transport=httpx.MockTransport(answer))
    introduce(emsp, [HUB])
    url = "http://hub.test/locations"
    assert emsp.peer is not None
    emsp.peer.endpoints = [{"identifier": "locations", "role": "SENDER", "url": url}]
    await emsp.ask("GET", "SENDER", "locations", to=("DE", "CPO"))
    assert violations(emsp) == objections
