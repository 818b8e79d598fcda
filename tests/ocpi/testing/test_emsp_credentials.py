"""Two mocks register with each other: each is the other's judge."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from ocpi.testing import samples
from ocpi.testing.emsp import Match, MockEMSP, PeerFailed, Rule, create_app
from ocpi.testing.mock.state import Standing
from ocpi.testing.mock.wire import authorization, message_ids
from tests.ocpi.testing.caller import CPO, Caller, codes, connect, two_platforms


async def test_two_platforms_register_with_each_other() -> None:
    emsp, cpo = two_platforms()
    offered = cpo.token_a
    await emsp.register(cpo.versions_url, offered)
    assert emsp.peer is not None
    assert cpo.peer is not None
    assert [emsp.peer.roles, cpo.peer.roles] == [
        [CPO.document()],
        [party.document() for party in emsp.parties],
    ]
    assert emsp.peer.token_out in cpo.tokens_in
    assert cpo.peer.token_out in emsp.tokens_in
    assert offered not in cpo.tokens_in
    paths = [(m.method, httpx.URL(m.path).path) for m in cpo.messages if m.direction == "in"]
    versions, details, credentials = "/ocpi/versions", "/ocpi/2.2.1", "/ocpi/2.2.1/credentials"
    assert paths == [
        ("GET", versions),
        ("GET", details),
        ("POST", credentials),
        ("GET", versions),
        ("GET", details),
    ]
    assert [emsp.violations, cpo.violations] == [[], []]


async def test_an_update_gives_both_sides_new_tokens() -> None:
    emsp, cpo = two_platforms()
    await emsp.register(cpo.versions_url, cpo.token_a)
    before = set(emsp.tokens_in) | set(cpo.tokens_in)
    await emsp.update()
    await cpo.update()
    assert before & {
        t for t, standing in emsp.tokens_in.items() if standing is Standing.CURRENT
    } == (set())
    assert (await emsp.ask("GET", "SENDER", "credentials")).status_code == 1000
    assert (await cpo.ask("GET", "SENDER", "credentials")).status_code == 1000
    assert [emsp.violations, cpo.violations] == [[], []]
    assert [len(emsp.tokens_in), len(cpo.tokens_in)] == [1, 1]


async def test_after_unregistering_nobody_knows_anybody() -> None:
    emsp, cpo = two_platforms()
    await emsp.register(cpo.versions_url, cpo.token_a)
    tokens = set(emsp.tokens_in) | set(cpo.tokens_in)
    await emsp.unregister()
    assert [emsp.peer, cpo.peer] == [None, None]
    assert not tokens & (set(emsp.tokens_in) | set(cpo.tokens_in))
    with pytest.raises(PeerFailed, match="not registered"):
        await emsp.update()
    await cpo.register(emsp.versions_url, emsp.token_a)
    assert emsp.summary()["registered"]


@pytest.mark.parametrize("act", [Rule("status"), Rule("envelope"), Rule("garbage"), Rule("drop")])
async def test_a_registration_that_fails_leaves_nothing_behind(act: Rule) -> None:
    emsp, cpo = two_platforms()
    cpo.rules = [Rule(act.act, match=Match(module="credentials"))]
    tokens = dict(emsp.tokens_in)
    with pytest.raises(PeerFailed, match="credentials"):
        await emsp.register(cpo.versions_url, cpo.token_a)
    assert (emsp.peer, emsp.tokens_in) == (None, tokens)
    cpo.rules = []
    await emsp.register(cpo.versions_url, cpo.token_a)


@pytest.mark.parametrize(
    ("module", "data", "status_code"),
    [
        ("versions", None, 3001),
        ("versions", [{"version": "2.1.1", "url": "http://cpo.test/ocpi/2.1.1"}], 3002),
        ("versions", "not a list", 3001),
        ("versions", [{"version": "2.2.1"}], 3001),
        ("details", {"version": "2.2.1", "endpoints": []}, 3001),
        (
            "details",
            {
                "version": "2.2.1",
                "endpoints": [
                    {"identifier": "tokens", "role": "RECEIVER", "url": "http://cpo.test/tokens"}
                ],
            },
            3003,
        ),
    ],
)
async def test_a_peer_whose_own_endpoints_are_of_no_use_is_not_registered(
    module: str, data: Any, status_code: int
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        asked = "versions" if request.url.path == "/ocpi/versions" else "details"
        good = [{"version": "2.2.1", "url": "http://cpo.test/ocpi/2.2.1"}]
        found = data if asked == module else good
        if found is None:
            return httpx.Response(500, text="down")
        document = {"data": found, "status_code": 1000, "timestamp": "2026-01-01T00:00:00Z"}
        return httpx.Response(200, json=document)

    emsp = MockEMSP(transport=httpx.MockTransport(answer))
    async with connect(emsp) as http:
        caller = Caller(emsp, http, emsp.token_a)
        document = samples.credentials(url="http://cpo.test/ocpi/versions")
        answers = [await caller.ask("POST", "credentials", document) for _ in range(2)]
    assert [codes(each) for each in answers] == [(200, status_code)] * 2
    assert emsp.peer is None


async def test_credentials_know_who_is_registered_and_who_is_not(cpo: Caller) -> None:
    assert codes(await cpo.ask("POST", "credentials", samples.credentials())) == (405, 2000)
    stranger = MockEMSP()
    async with connect(stranger) as http:
        caller = Caller(stranger, http, stranger.token_a)
        assert codes(await caller.ask("PUT", "credentials", samples.credentials())) == (405, 2000)
        assert codes(await caller.ask("DELETE", "credentials")) == (405, 2000)
        found = await caller.ask("GET", "credentials")
        assert found.json()["data"] == stranger.credentials(stranger.token_a)
        assert codes(await caller.ask("GET", "receiver/locations/DE/CPO/L")) == (401, 2000)


async def test_credentials_that_are_not_as_ocpi_has_them_are_refused() -> None:
    emsp = MockEMSP()
    async with connect(emsp) as http:
        caller = Caller(emsp, http, emsp.token_a)
        response = await caller.ask("POST", "credentials", samples.credentials(roles=[]))
    assert codes(response) == (200, 2001)
    assert emsp.peer is None


async def test_version_details_list_what_is_served(cpo: Caller) -> None:
    headers = {"authorization": authorization(cpo.token), **message_ids()}
    versions = (await cpo.http.get("/ocpi/versions/", headers=headers)).json()["data"]
    assert versions == [{"version": "2.2.1", "url": "http://emsp.test/ocpi/2.2.1"}]
    details = (await cpo.ask("GET", "")).json()["data"]
    assert [(each["identifier"], each["role"]) for each in details["endpoints"]] == [
        ("credentials", "SENDER"),
        ("locations", "RECEIVER"),
        ("tariffs", "RECEIVER"),
        ("sessions", "RECEIVER"),
        ("cdrs", "RECEIVER"),
        ("hubclientinfo", "RECEIVER"),
        ("tokens", "SENDER"),
        ("commands", "SENDER"),
        ("chargingprofiles", "SENDER"),
    ]


async def test_what_is_wrong_with_an_answer_is_a_violation() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/versions":
            return httpx.Response(200, json={"data": [], "status_code": 1000})
        return httpx.Response(200, text="<html>")

    emsp = MockEMSP(transport=httpx.MockTransport(answer))
    for path in ("versions", "other"):
        with pytest.raises(PeerFailed):
            await emsp.register(f"http://cpo.test/{path}", "token-a")
    assert [violation.partition(": ")[2] for violation in emsp.violations] == [
        "the answer does not repeat x-request-id (TR-14)",
        "the answer does not repeat x-correlation-id (TR-14)",
        "the answer's envelope has no timestamp (EN-02)",
        "the answer does not repeat x-request-id (TR-14)",
        "the answer does not repeat x-correlation-id (TR-14)",
        "the answer has no envelope (EN-01)",
    ]


async def test_a_second_registration_is_refused_before_anything_is_sent() -> None:
    emsp, cpo = two_platforms()
    await emsp.register(cpo.versions_url, cpo.token_a)
    with pytest.raises(PeerFailed, match="registered already"):
        await emsp.register(cpo.versions_url, "token")


async def test_of_two_registrations_at_once_one_is_refused() -> None:
    emsp, cpo = two_platforms()
    cpo.tokens_in["mine"] = Standing.PENDING
    both_called_back = asyncio.Barrier(2)
    inner = httpx.ASGITransport(create_app(cpo))

    async def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/ocpi/versions":
            await both_called_back.wait()
        return await inner.handle_async_request(request)

    emsp.transport = httpx.MockTransport(answer)
    async with connect(emsp) as http:
        caller = Caller(emsp, http, emsp.token_a)
        asked = [caller.ask("POST", "credentials", cpo.credentials("mine")) for _ in range(2)]
        answers = await asyncio.gather(*asked)
    assert sorted(codes(answer) for answer in answers) == [(200, 1000), (405, 2000)]
