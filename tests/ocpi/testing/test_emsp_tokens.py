"""The mock's Tokens: their list, and real-time authorisation."""

from __future__ import annotations

from typing import Any

import pytest

from ocpi.testing import samples
from ocpi.testing.emsp import PeerFailed
from ocpi.testing.mock.wire import Answer, envelope, ok
from tests.ocpi.testing.caller import Caller, codes
from tests.ocpi.testing.charging import charging

AUTHORIZE = "sender/tokens/04A1B2C3D4E5F6/authorize"


async def test_the_list_comes_in_pages_that_link_to_each_other(cpo: Caller) -> None:
    tokens = [samples.token(uid=f"TOKEN-{number}") for number in range(5)]
    for token in tokens:
        cpo.mock.issue_token(token)
    since = "date_from=2026-01-01T00%3A00%3A00Z"
    url = f"http://emsp.test/ocpi/2.2.1/sender/tokens?{since}&limit=2"
    found, links = [], []
    while url:
        response = await cpo.http.get(url, headers=cpo.headers())
        found += response.json()["data"]
        assert response.headers["x-total-count"] == "5"
        assert response.headers["x-limit"] == "100"
        url = response.links.get("next", {}).get("url", "")
        links.append(url)
    assert found == tokens
    base = f"http://emsp.test/ocpi/2.2.1/sender/tokens?{since}&limit=2&offset="
    assert links == [f"{base}2", f"{base}4", ""]


async def test_date_filters_include_the_start_and_exclude_the_end(cpo: Caller) -> None:
    for day in (1, 2, 3):
        moment = f"2026-01-0{day}T00:00:00Z"
        cpo.mock.issue_token(samples.token(uid=f"DAY-{day}", last_updated=moment))
    window = "date_from=2026-01-02T00:00:00Z&date_to=2026-01-03T00:00:00"
    response = await cpo.ask("GET", f"sender/tokens?{window}")
    assert [token["uid"] for token in response.json()["data"]] == ["DAY-2"]


@pytest.mark.parametrize("query", ["offset=-1", "limit=many", "date_from=yesterday", "date_to="])
async def test_paging_values_that_cannot_be_read_are_2001(cpo: Caller, query: str) -> None:
    assert codes(await cpo.ask("GET", f"sender/tokens?{query}")) == (200, 2001)


@pytest.mark.parametrize("allowed", ["ALLOWED", "BLOCKED", "EXPIRED", "NO_CREDIT", "NOT_ALLOWED"])
async def test_a_known_token_gets_its_verdict_and_the_whole_token(
    cpo: Caller, allowed: str
) -> None:
    cpo.mock.issue_token(samples.token(), allowed)
    response = await cpo.ask("POST", AUTHORIZE)
    info = response.json()["data"]
    reference = info.pop("authorization_reference", None)
    assert codes(response) == (200, 1000)
    assert info == {"allowed": allowed, "token": samples.token()}
    assert (reference is not None) == (allowed == "ALLOWED")
    assert cpo.mock.violations == []


@pytest.mark.parametrize("path", ["sender/tokens/NOBODY/authorize", f"{AUTHORIZE}?type=APP_USER"])
async def test_an_unknown_token_is_404_with_2004(cpo: Caller, path: str) -> None:
    cpo.mock.issue_token(samples.token())
    response = await cpo.ask("POST", path)
    assert codes(response) == (404, 2004)
    assert "data" not in response.json()


@pytest.mark.req("TK-05")
async def test_a_token_that_needs_a_location_gets_2002_without_one(cpo: Caller) -> None:
    cpo.mock.issue_token(samples.token(), needs_location=True)
    assert codes(await cpo.ask("POST", AUTHORIZE, content="null")) == (200, 2002)
    assert codes(await cpo.ask("POST", AUTHORIZE, {"location_id": "LOC-1"})) == (200, 1000)


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        (
            {"location_id": "LOC-1", "evse_uids": ["evse-1", "EVSE-2", "EVSE-9"]},
            {"location_id": "LOC-1", "evse_uids": ["evse-1"]},
        ),
        ({"location_id": "LOC-1"}, {"location_id": "LOC-1"}),
        (
            {"location_id": "UNPUBLISHED", "evse_uids": ["X"]},
            {"location_id": "UNPUBLISHED", "evse_uids": ["X"]},
        ),
    ],
)
async def test_a_verdict_names_the_evses_that_are_there(
    cpo: Caller, asked: Any, answered: Any
) -> None:
    cpo.mock.issue_token(samples.token())
    evses = [samples.evse(1), samples.evse(2, status="REMOVED")]
    await cpo.put("locations/DE/CPO/LOC-1", samples.location(evses=evses))
    response = await cpo.ask("POST", AUTHORIZE, asked)
    assert response.json()["data"]["location"] == answered


@pytest.mark.parametrize("document", [{}, {"location_id": 5}, []])
async def test_references_that_are_not_as_ocpi_has_them_are_2001(
    cpo: Caller, document: Any
) -> None:
    cpo.mock.issue_token(samples.token())
    assert codes(await cpo.ask("POST", AUTHORIZE, document)) == (200, 2001)


async def test_below_a_token_there_is_only_authorize(cpo: Caller) -> None:
    assert codes(await cpo.ask("POST", "sender/tokens/X/authorise")) == (404, 2000)


async def test_authorizations_that_were_asked_for_are_remembered(cpo: Caller) -> None:
    cpo.mock.issue_token(samples.token())
    await cpo.ask("GET", "sender/tokens")
    assert cpo.mock.authorizations == []
    await cpo.ask("POST", f"{AUTHORIZE}?type=RFID", {"location_id": "LOC-1"})
    [asked] = cpo.mock.authorizations
    assert (asked.method, asked.http_status) == ("POST", 200)


async def test_a_token_is_issued_and_pushed() -> None:
    emsp, cpo = await charging()
    cpo.says = ok(created=True)
    token = samples.token(uid="APP/1", type="APP_USER", whitelist="NEVER")
    reply = await emsp.push_token(token, "BLOCKED")
    assert (reply.http_status, reply.status_code) == (201, 1000)
    [asked] = cpo.asked
    assert (asked.method, asked.rest) == ("PUT", ("DE", "MSP", "APP/1"))
    assert asked.query == {"type": "APP_USER"}
    assert cpo.bodies() == emsp.documents("tokens") == [token]
    assert list(emsp.verdicts.values()) == ["BLOCKED"]
    assert [emsp.violations, cpo.platform.violations] == [[], []]


async def test_a_token_is_changed_by_what_is_patched() -> None:
    emsp, cpo = await charging()
    token = samples.token()
    await emsp.push_token(token)
    changes = {"valid": False, "last_updated": "2026-02-01T00:00:00Z"}
    await emsp.patch_token(token, changes)
    assert [asked.method for asked in cpo.asked] == ["PUT", "PATCH"]
    assert cpo.bodies()[1] == changes
    assert emsp.documents("tokens") == [{**token, **changes}]
    assert cpo.platform.violations == []


async def test_a_token_that_the_peer_does_not_take_is_ours_all_the_same() -> None:
    emsp, cpo = await charging()
    cpo.says = Answer(200, envelope(2001, message="No."))
    reply = await emsp.push_token(samples.token())
    assert (reply.status_code, reply.status_message) == (2001, "No.")
    assert emsp.documents("tokens") == [samples.token()]
    await emsp.unregister()
    with pytest.raises(PeerFailed, match="not registered"):
        await emsp.push_token(samples.token())
