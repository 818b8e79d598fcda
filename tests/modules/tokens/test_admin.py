"""The operator's way to Tokens: stations ask here, and staff look."""

from typing import Any

import pytest

from ocpi.headers import Party
from tests.house import add_party
from tests.modules.tokens.world import UID, World, token


async def ask(world: World, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    answer = await world.admin.request(method, f"/admin{path}", json=body)
    return answer.status_code, answer.json()


@pytest.mark.req("TK-20")
async def test_a_station_asks_and_is_told_what_session_and_cdr_need(world: World) -> None:
    emsp = await world.add_emsp()
    told = token(whitelist="NEVER", x_unknown={"a": 1})
    emsp.issue_token(told)
    body = {"uid": UID, "location_id": "LOC-1", "evse_uid": "EVSE-1"}
    status, answer = await ask(world, "POST", "/authorize", body)
    (kept,) = await world.authorizations()
    assert (status, answer) == (
        200,
        {
            "allowed": "ALLOWED",
            "reason": "acme says ALLOWED.",
            "token": told,
            "method": "AUTH_REQUEST",
            "authorization_reference": kept.reference,
            "location": {"location_id": "LOC-1", "evse_uids": ["EVSE-1"]},
        },
    )


async def test_a_no_has_a_reason_and_no_method(world: World) -> None:
    await world.add_emsp()
    await world.store(token(type="APP_USER", whitelist="ALWAYS", valid=False))
    body = {"uid": UID, "type": "APP_USER"}
    assert await ask(world, "POST", "/authorize", body) == (
        200,
        {
            "allowed": "BLOCKED",
            "reason": "It is decided from the Token as it is stored here. It is not valid.",
            "token": token(type="APP_USER", whitelist="ALWAYS", valid=False),
        },
    )
    status, answer = await ask(world, "POST", "/authorize", {"uid": "NOBODY"})
    assert (status, answer) == (
        200,
        {"allowed": "UNKNOWN", "reason": "acme does not know the Token."},
    )


async def test_with_several_parties_of_ours_the_stations_is_named(world: World) -> None:
    emsp = await world.add_emsp()
    emsp.issue_token(token())
    assert emsp.peer is not None
    emsp.peer.roles.append({**emsp.peer.roles[0], "country_code": "BE", "party_id": "TWO"})
    await add_party(world.context.database, Party("BE", "TWO"))
    status, answer = await ask(world, "POST", "/authorize", {"uid": UID})
    assert (status, answer) == (
        400,
        {"error": "country_code and party_id are needed: we are several parties."},
    )
    named = {"uid": UID, "country_code": "be", "party_id": "two"}
    assert (await ask(world, "POST", "/authorize", named))[1]["allowed"] == "ALLOWED"
    assert emsp.authorizations[0].headers["ocpi-from-party-id"] == "TWO"
    assert [kept.owner for kept in await world.authorizations()] == ["be*two"]
    status, answer = await ask(world, "POST", "/authorize", {**named, "party_id": "XXX"})
    assert (status, answer["error"]) == (
        404,
        "be*XXX is no party of ours: see `ocpi party list`.",
    )


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"uid": ""},
        {"uid": "x" * 37},
        {"uid": "a\nb"},
        {"uid": ".."},
        {"uid": "A", "type": "RF*ID"},
        {"uid": "A", "location_id": ""},
        [],
    ],
)
async def test_a_question_that_is_none_is_refused(world: World, body: Any) -> None:
    status, answer = await ask(world, "POST", "/authorize", body)
    assert (status, set(answer)) == (400, {"error"})


async def test_tokens_are_listed_searched_and_shown(world: World) -> None:
    app = token(uid="aB_2", type="APP_USER")
    await world.store(token(uid="AB-1"), app, token(uid="C"))
    listed = [token(uid="C"), app, token(uid="AB-1")]
    assert await ask(world, "GET", "/tokens") == (200, listed)
    assert await ask(world, "GET", "/tokens?limit=1&offset=1") == (200, [app])
    assert await ask(world, "GET", "/tokens?uid=ab") == (200, listed[1:])
    assert await ask(world, "GET", "/tokens?uid=AB_") == (200, [app])
    assert await ask(world, "GET", "/tokens/de/abc/AB_2?type=APP_USER") == (200, app)
    assert (await ask(world, "GET", "/tokens/DE/ABC/aB_2"))[0] == 404
    assert (await ask(world, "GET", "/tokens?limit=0"))[0] == 400
