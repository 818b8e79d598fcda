"""Asking an eMSP in real time: slow, absent and hostile ones, and where a yes holds."""

import asyncio
from time import monotonic
from typing import Any

import httpx
import pytest

from ocpi.headers import Party
from ocpi.testing.emsp import Rule
from tests.modules.tokens.world import ABC, UID, World, presented, token

XYZ = Party("FR", "XYZ")
HERE = ("RFID", "LOC-1", "EVSE-1")


# How the eMSP fails -> what NEVER comes to, and ALLOWED_OFFLINE.
FAILURES: list[tuple[Rule, str, str]] = [
    (Rule("status", http_status=404), "UNKNOWN", "UNKNOWN"),
    (Rule("envelope", status_code=2004), "UNKNOWN", "UNKNOWN"),
    (Rule("envelope", status_code=2002), "NOT_ALLOWED", "NOT_ALLOWED"),
    (Rule("envelope", status_code=2000), "NOT_ALLOWED", "NOT_ALLOWED"),
    (Rule("status", http_status=401), "NOT_ALLOWED", "NOT_ALLOWED"),
    (Rule("status", http_status=405), "NOT_ALLOWED", "NOT_ALLOWED"),
    (Rule("status", http_status=429), "NOT_ALLOWED", "ALLOWED"),
    (Rule("status", http_status=500), "NOT_ALLOWED", "ALLOWED"),
    (Rule("envelope", status_code=3000), "NOT_ALLOWED", "ALLOWED"),
    *((Rule("envelope", status_code=4000 + n), "NOT_ALLOWED", "ALLOWED") for n in range(4)),
    (Rule("garbage"), "NOT_ALLOWED", "ALLOWED"),
    (Rule("garbage", garbage="truncated"), "NOT_ALLOWED", "ALLOWED"),
    (Rule("empty"), "NOT_ALLOWED", "ALLOWED"),
    (Rule("drop"), "NOT_ALLOWED", "ALLOWED"),
    (Rule("envelope", status_code=1000), "NOT_ALLOWED", "NOT_ALLOWED"),
]


@pytest.mark.req("TK-16", "TK-17")
@pytest.mark.parametrize(("rule", "never", "offline"), FAILURES)
@pytest.mark.pitfall("IP-12")
async def test_an_emsp_that_fails_denies_unless_the_whitelist_is_for_that(
    world: World, rule: Rule, never: str, offline: str
) -> None:
    emsp = await world.add_emsp()
    for uid, whitelist in (("N", "NEVER"), ("O", "ALLOWED_OFFLINE")):
        await world.store(token(uid=uid, whitelist=whitelist))
        emsp.issue_token(token(uid=uid, whitelist=whitelist))
    emsp.rules.append(rule)
    assert [(await world.ask(uid, *HERE)).allowed for uid in "NO"] == [never, offline]
    assert len(await world.authorizations()) == (offline == "ALLOWED")


# An answer, and the option `codes` -> what it comes to with a valid ALLOWED_OFFLINE.
OWN_CODES: list[tuple[int, int, list[str], str]] = [
    (200, 2004, ["2004=throttle"], "ALLOWED"),
    (404, 2004, ["2004=throttle"], "ALLOWED"),
    (200, 2001, ["2001=partner_fault"], "ALLOWED"),
    (200, 2002, ["2002=auth"], "NOT_ALLOWED"),
    (200, 3001, ["3001=auth"], "NOT_ALLOWED"),
    (429, 2004, [], "ALLOWED"),
    (503, 2004, [], "ALLOWED"),
    (404, 4003, [], "ALLOWED"),
    (200, 2004, ["2002=auth"], "UNKNOWN"),
]


@pytest.mark.pitfall("IP-37")
@pytest.mark.parametrize(("http", "code", "codes", "allowed"), OWN_CODES)
async def test_what_a_code_means_to_the_emsp_counts_before_what_ocpi_says(
    world: World, http: int, code: int, codes: list[str], allowed: str
) -> None:
    await world.connect("acme", [("EMSP", ABC)], {"tokens": "http://acme.test/tokens"}, codes=codes)
    await world.store(token(whitelist="ALLOWED_OFFLINE"))
    said = {"status_code": code, "timestamp": "2026-03-01T10:00:00Z"}
    world.serve("acme", lambda _request: httpx.Response(http, json=said))
    decision = await world.ask(UID, *HERE)
    assert (decision.allowed, "wants to know" in decision.reason) == (allowed, False)


@pytest.mark.req("TK-11")
async def test_a_token_that_the_emsp_calls_otherwise_is_the_one_it_was_asked_about(
    world: World,
) -> None:
    """Some call their cards OTHER; uid and type together name a Token."""
    await world.add_emsp()
    world.serve("acme", {"allowed": "ALLOWED", "token": token(type="OTHER")})
    decision = await world.ask(UID, *HERE)
    assert (decision.allowed, decision.token) == ("ALLOWED", token())
    assert decision.reason == "acme says ALLOWED, and calls the Token OTHER."
    (kept,) = await world.authorizations()
    assert kept.document["type"] == "RFID"


@pytest.mark.req("TK-16")
@pytest.mark.pitfall("IP-12")
async def test_an_emsp_that_is_slow_or_gone_is_not_waited_for(world: World) -> None:
    """IP-12: the driver stands at the station."""
    emsp = await world.add_emsp()
    await world.store(
        token(uid="N", whitelist="NEVER"), token(uid="O", whitelist="ALLOWED_OFFLINE")
    )
    emsp.rules.append(Rule("slow", seconds=60))
    started = monotonic()
    decisions = await asyncio.gather(*(world.ask(uid) for uid in "NO"))
    assert 2.4 < monotonic() - started < 4
    assert [each.allowed for each in decisions] == ["NOT_ALLOWED", "ALLOWED"]
    del world.network.hosts["acme.test"]
    decisions = [await world.ask("N"), await world.ask("O")]
    assert [each.allowed for each in decisions] == ["NOT_ALLOWED", "ALLOWED"]


@pytest.mark.req("TK-16")
@pytest.mark.pitfall("IP-21")
@pytest.mark.parametrize("info", ["Welcome", [], {"language": None, "text": None}, {"text": "x"}])
async def test_a_text_that_cannot_be_read_leaves_a_yes_a_yes(world: World, info: Any) -> None:
    await world.add_emsp()
    await world.store(token(whitelist="NEVER"))
    world.serve("acme", {"allowed": "ALLOWED", "token": token(), "info": info})
    assert (await world.ask(UID)).allowed == "ALLOWED"


ANSWERS: list[Any] = [
    None,
    [],
    {},
    {"allowed": "ALLOWED"},
    {"token": token()},
    {"allowed": "ALLOWED", "token": {}},
    {"allowed": "ALLOWED", "token": token(XYZ)},
    {"allowed": "ALLOWED", "token": token(uid="OTHER")},
    {"allowed": None, "token": token()},
    {"allowed": "ALLOWED", "token": token(), "location": {"evse_uids": []}},
]


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.pitfall("IP-12")
async def test_a_hostile_answer_is_a_no(world: World, answer: Any) -> None:
    """A Token of another eMSP in the answer would have that one billed."""
    await world.add_emsp()
    await world.add_emsp("other", [XYZ])
    await world.store(token(whitelist="ALLOWED_OFFLINE"))
    asked = world.serve("acme", answer)
    decision = await world.ask(UID, *HERE)
    assert (decision.allowed, decision.granted) == ("NOT_ALLOWED", False)
    assert [presented(request) for request in asked] == ["what-we-present-to-the-emsp"]
    assert await world.authorizations() == []


# What an ALLOWED names as its location -> does it hold at LOC-1 and EVSE-1?
PLACES: list[tuple[Any, bool]] = [
    (None, True),
    ({"location_id": "LOC-1", "evse_uids": ["EVSE-1"]}, True),
    ({"location_id": "loc-1", "evse_uids": ["EVSE-9", "evse-1"]}, True),
    ({"location_id": "LOC-1"}, True),
    ({"location_id": "LOC-1", "evse_uids": None}, True),
    ({"location_id": "LOC-1", "evse_uids": []}, True),
    ({"location_id": "LOC-2", "evse_uids": []}, False),
    ({"location_id": "LOC-1", "evse_uids": ["EVSE-2"]}, False),
    ({"location_id": "LOC-2"}, False),
    ({"location_id": "LOC-2", "evse_uids": ["EVSE-1"]}, False),
]


@pytest.mark.req("TY-09")
@pytest.mark.parametrize(("place", "here"), PLACES)
async def test_a_yes_holds_only_where_it_was_given(world: World, place: Any, *, here: bool) -> None:
    await world.add_emsp()
    told = {"allowed": "ALLOWED", "token": token(), "location": place}
    await world.store(token(whitelist="NEVER"))
    world.serve("acme", told)
    decision = await world.ask(UID, *HERE)
    assert decision.allowed == ("ALLOWED" if here else "NOT_ALLOWED")
    assert (await world.ask(UID)).allowed == "ALLOWED"


# What an ALLOWED names as its location -> does it hold at EVSE-1, EVSE-2, and at LOC-9?
HELD: list[tuple[Any, list[bool]]] = [
    (None, [True, True, True]),
    ({"location_id": "LOC-1"}, [True, True, False]),
    ({"location_id": "loc-1", "evse_uids": ["evse-1"]}, [True, False, False]),
    ({"location_id": "LOC-1", "evse_uids": []}, [True, True, False]),
    ({"location_id": "LOC-1", "evse_uids": None}, [True, True, False]),
    ({"location_id": "LOC-9", "evse_uids": ["EVSE-1"]}, [False, False, True]),
]


@pytest.mark.req("TY-09")
@pytest.mark.parametrize(("place", "held"), HELD)
async def test_where_a_yes_holds_is_kept_though_the_question_named_no_place(
    each_world: World, place: Any, held: list[bool]
) -> None:
    await each_world.add_emsp()
    each_world.serve("acme", {"allowed": "ALLOWED", "token": token(), "location": place})
    assert (await each_world.ask()).granted
    (kept,) = await each_world.authorizations()
    asked = [("LOC-1", "EVSE-1"), ("LOC-1", "EVSE-2"), ("LOC-9", "EVSE-1")]
    assert [kept.holds_at(*each) for each in asked] == held


async def test_which_evses_a_yes_names_is_kept_though_the_question_named_none(
    world: World,
) -> None:
    await world.add_emsp()
    place = {"location_id": "LOC-1", "evse_uids": ["EVSE-2"]}
    world.serve("acme", {"allowed": "ALLOWED", "token": token(), "location": place})
    assert (await world.ask(UID, "RFID", "LOC-1")).granted
    (kept,) = await world.authorizations()
    assert [kept.holds_at("LOC-1", uid) for uid in ("EVSE-1", "EVSE-2")] == [False, True]
