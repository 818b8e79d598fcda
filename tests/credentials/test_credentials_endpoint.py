"""Partners that register with us: who may do what when, and what is left after a failure."""

import asyncio
from typing import Any

import pytest
from sqlmodel import select, update

from credentials.partners import add_partner, reissue, set_options, show_partner, suspend
from ocpi.headers import Party
from ocpi.kept import Edition
from ocpi.parties import IssuedToken, PartnerEndpoint, PlatformID, State
from ocpi.push.lanes import PartnerLane
from tests.credentials.network import EMSP, House, Puppet, credentials, envelope

DONE = (200, 1000)
UNKNOWN = (401, 2000)
NOT_NOW = (405, 2000)
METHODS = ("GET", "POST", "PUT", "DELETE")

# How far the registration is, which token is presented, and what the four methods then answer.
TABLE = [
    ("offered", "A", DONE, DONE, NOT_NOW, NOT_NOW),
    ("issued", "A", DONE, DONE, NOT_NOW, NOT_NOW),
    ("issued", "C", DONE, NOT_NOW, DONE, DONE),
    ("confirmed", "A", UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN),
    ("confirmed", "C", DONE, NOT_NOW, DONE, DONE),
    ("reopened", "A", DONE, DONE, NOT_NOW, NOT_NOW),
    ("reopened", "C", DONE, NOT_NOW, DONE, DONE),
    ("expired", "A", UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN),
    ("suspended", "A", UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN),
    ("suspended", "C", UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN),
    ("unregistered", "A", UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN),
    ("unregistered", "C", UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN),
]


async def register(house: House, token: str, body: Any = None) -> str:
    """POST as a partner would; gives the token of the answer."""
    answer = await house.credentials("POST", token, body or credentials())
    issued: str = answer.json()["data"]["token"]
    return issued


async def tokens_at(house: House, stage: str) -> dict[str, str]:
    """Bring the partner acme to a stage of its registration."""
    tokens = {"A": (await add_partner(house.context, "acme", PlatformID.CPO, [EMSP])).token}
    if stage == "offered":
        return tokens
    if stage == "expired":
        async with house.context.database.write() as db:
            await db.exec(update(IssuedToken).values(expires_at=1))
        return tokens
    tokens["C"] = await register(house, tokens["A"])
    if stage in {"confirmed", "reopened"}:
        await house.request("GET", "/versions", tokens["C"])
    if stage == "reopened":
        tokens["A"] = (await reissue(house.context, "acme")).token
    if stage == "suspended":
        await suspend(house.context, "acme", suspended=True)
    if stage == "unregistered":
        await house.credentials("DELETE", tokens["C"])
    return tokens


@pytest.mark.req("CR-08", "CR-09", "CR-11", "CR-13", "CR-15", "CR-16", "CR-17")
@pytest.mark.parametrize(
    ("stage", "token", "method", "answer"),
    [
        (stage, token, method, answer)
        for stage, token, *answers in TABLE
        for method, answer in zip(METHODS, answers, strict=True)
    ],
)
async def test_what_a_token_is_good_for(
    *,
    house: House,
    puppet: Puppet,
    stage: str,
    token: str,
    method: str,
    answer: tuple[int, int],
) -> None:
    tokens = await tokens_at(house, stage)
    body = credentials() if method in {"POST", "PUT"} else None

    got = await house.credentials(method, tokens[token], body)

    assert (got.status_code, got.json()["status_code"]) == answer
    assert puppet.answers == {}


@pytest.mark.req("CR-18")
async def test_patch_is_not_offered(house: House) -> None:
    tokens = await tokens_at(house, "offered")
    assert (await house.credentials("PATCH", tokens["A"], {})).status_code == 405


@pytest.mark.req("CR-04", "CR-05", "CR-06", "CR-07", "CR-17", "CR-24")
async def test_a_registration_calls_back_with_token_b_and_answers_with_token_c(
    any_house: House, puppet: Puppet
) -> None:
    house = any_house
    tokens = await tokens_at(house, "offered")

    answer = await house.credentials("POST", tokens["A"], credentials("token-b"))

    issued = answer.json()["data"]["token"]
    assert answer.json()["data"] == {
        "token": issued,
        "url": "http://cpo.test/ocpi/cpo/versions",
        "roles": [
            {
                "role": "CPO",
                "business_details": {"name": "Example Charging"},
                "party_id": "CPO",
                "country_code": "NL",
            }
        ],
    }
    assert issued not in tokens.values()
    assert puppet.seen == [("GET /versions", "token-b"), ("GET /2.2.1", "token-b")]
    shown = await show_partner(house.context, "acme")
    assert shown.state == State.ISSUED
    assert [role.name for role in shown.roles] == ["Example Mobility"]
    assert [(each.identifier, each.url) for each in shown.endpoints] == [
        ("credentials", "http://emsp.test/credentials"),
        ("locations", "http://emsp.test/locations"),
    ]
    got = await house.credentials("GET", issued)
    assert got.json()["data"] == answer.json()["data"]
    assert (await show_partner(house.context, "acme")).state == State.CONFIRMED


@pytest.mark.req("CR-23", "CR-08")
@pytest.mark.pitfall("IP-02")
async def test_until_token_c_is_used_the_post_may_be_repeated_and_replaces_it(
    house: House, puppet: Puppet
) -> None:
    tokens = await tokens_at(house, "issued")

    second = await register(house, tokens["A"])

    assert (await house.request("GET", "/versions", tokens["C"])).status_code == 401
    assert (await house.request("GET", "/versions", second)).status_code == 200
    assert (await house.request("GET", "/versions", tokens["A"])).status_code == 401
    assert len(puppet.seen) == 4


async def test_a_registration_token_opens_no_module(house: House, puppet: Puppet) -> None:
    tokens = await tokens_at(house, "issued")
    path = "/2.2.1/sender/locations"
    assert (await house.request("GET", path, tokens["A"])).status_code == 401
    assert (await house.request("GET", path, tokens["C"])).status_code == 200
    assert puppet.bodies == []


@pytest.mark.req("CR-06", "CR-09")
@pytest.mark.pitfall("IP-02")
async def test_of_eight_posts_at_once_one_token_remains(any_house: House, puppet: Puppet) -> None:
    house = any_house
    tokens = await tokens_at(house, "offered")

    issued = await asyncio.gather(*(register(house, tokens["A"]) for _ in range(8)))

    assert len(set(issued)) == 8
    assert sorted(token.registration for token in await house.tokens()) == [False, True]
    answers = [await house.request("GET", "/versions", token) for token in issued]
    assert sorted(answer.status_code for answer in answers) == [200] + 7 * [401]
    assert len(puppet.seen) == 16


@pytest.mark.req("CR-10", "CR-12", "CR-14", "VE-13")
@pytest.mark.pitfall("IP-02")
async def test_a_put_changes_token_and_endpoints_and_the_old_token_lives_until_the_new_is_used(
    any_house: House, puppet: Puppet
) -> None:
    house = any_house
    old = (await tokens_at(house, "confirmed"))["C"]
    moved = [{"identifier": "credentials", "role": "SENDER", "url": "http://emsp.test/elsewhere"}]
    puppet.answers["GET /2.2.1"] = envelope({"version": "2.2.1", "endpoints": moved})

    # The answer of the first PUT gets lost, so that the partner sends it again.
    await house.credentials("PUT", old, credentials("token-b2"))
    answer = await house.credentials("PUT", old, credentials("token-b3"))

    new = answer.json()["data"]["token"]
    assert puppet.seen[-1] == ("GET /2.2.1", "token-b3")
    endpoints = (await show_partner(house.context, "acme")).endpoints
    assert [each.url for each in endpoints] == ["http://emsp.test/elsewhere"]
    assert (await house.request("GET", "/versions", old)).status_code == 200
    assert (await house.request("GET", "/versions", new)).status_code == 200
    assert (await house.request("GET", "/versions", old)).status_code == 401
    assert len(await house.tokens()) == 1


@pytest.mark.req("CR-14", "CR-20")
@pytest.mark.pitfall("IP-02")
async def test_a_put_that_fails_changes_nothing(house: House, puppet: Puppet) -> None:
    old = (await tokens_at(house, "confirmed"))["C"]
    before = await show_partner(house.context, "acme")
    puppet.answers["GET /versions"] = envelope(None, 2000, "no")

    answer = await house.credentials("PUT", old, credentials("token-b2"))

    assert answer.json()["status_code"] == 3001
    assert (await house.request("GET", "/versions", old)).status_code == 200
    after = await show_partner(house.context, "acme")
    assert after.model_copy(update={"note": None}) == before
    assert len(await house.tokens()) == 1


@pytest.mark.parametrize("stage", ["offered", "confirmed"])
async def test_who_is_refused_the_same_again_changes_nothing_that_is_kept(
    any_house: House, puppet: Puppet, stage: str
) -> None:
    house = any_house
    token = list((await tokens_at(house, stage)).values())[-1]
    method = "POST" if stage == "offered" else "PUT"
    puppet.answers["GET /versions"] = envelope(None, 2000, "no")
    editions = []
    for _ in range(3):
        await house.credentials(method, token, credentials())
        async with house.context.database.read() as db:
            editions.append((await db.exec(select(Edition.word))).one())
    assert editions[1] == editions[2]
    puppet.answers["GET /versions"] = envelope(None, 2000, "never")
    await house.credentials(method, token, credentials())
    assert "never" in str((await show_partner(house.context, "acme")).note)


@pytest.mark.req("CR-15")
@pytest.mark.pitfall("IP-41")
async def test_delete_ends_both_directions_and_the_lane(any_house: House, puppet: Puppet) -> None:
    house = any_house
    token = (await tokens_at(house, "confirmed"))["C"]

    answer = await house.credentials("DELETE", token)

    assert (answer.status_code, answer.json()["status_code"]) == DONE
    assert (await house.request("GET", "/versions", token)).status_code == 401
    async with house.context.database.read() as db:
        for table in (IssuedToken, PartnerEndpoint, PartnerLane):
            assert (await db.exec(select(table))).all() == []
    shown = await show_partner(house.context, "acme")
    assert (shown.state, shown.versions_url) == (State.UNREGISTERED, None)
    again = (await reissue(house.context, "acme")).token
    assert (await house.credentials("POST", again, credentials())).status_code == 200
    assert (await show_partner(house.context, "acme")).state == State.ISSUED
    assert puppet.bodies == []


@pytest.mark.req("CR-25", "CR-26")
@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.threat("TA-04")
async def test_roles_that_were_not_agreed_are_refused_by_name(
    house: House, puppet: Puppet, method: str
) -> None:
    stage, kind = ("offered", "A") if method == "POST" else ("confirmed", "C")
    tokens = await tokens_at(house, stage)
    puppet.seen.clear()
    roles = (EMSP, ("CPO", Party("NL", "CPO")))

    answer = await house.credentials(method, tokens[kind], credentials(roles=roles))

    assert answer.json()["status_code"] == 2001
    assert answer.json()["status_message"] == (
        "roles: CPO NL*CPO is not among the roles agreed for this connection (EMSP DE*MSP); "
        "new roles must be agreed with the operator first"
    )
    # Who claims another's party is not even called back.
    assert puppet.seen == []


async def test_roles_are_compared_without_regard_to_case(house: House, puppet: Puppet) -> None:
    tokens = await tokens_at(house, "offered")
    body = credentials(roles=(("EMSP", Party("de", "msp")),))
    assert (await house.credentials("POST", tokens["A"], body)).json()["status_code"] == 1000
    assert len(puppet.seen) == 2


async def test_some_of_the_agreed_roles_are_enough(house: House, puppet: Puppet) -> None:
    roles = [EMSP, ("NSP", Party("DE", "NAV"))]
    token = (await add_partner(house.context, "acme", PlatformID.CPO, roles)).token

    await register(house, token)

    shown = await show_partner(house.context, "acme")
    assert [(role.role, role.name) for role in shown.roles] == [
        ("EMSP", "Example Mobility"),
        ("NSP", None),
    ]
    assert len(puppet.seen) == 2


@pytest.mark.req("CR-24", "CR-25", "CR-26", "ST-03")
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"token": "with blank"}, "token"),
        ({"token": "tök"}, "token"),
        ({"token": ""}, "token"),
        ({"url": "ftp://emsp.test/versions"}, "url"),
        ({"roles": []}, "roles"),
        ({"roles": [{"role": "EMSP", "party_id": "MSP", "country_code": "DE"}]}, "roles.0"),
    ],
)
@pytest.mark.threat("TA-01")
async def test_unusable_credentials_are_refused_by_field(
    house: House, puppet: Puppet, change: dict[str, Any], field: str
) -> None:
    tokens = await tokens_at(house, "offered")

    answer = await house.credentials("POST", tokens["A"], credentials() | change)

    assert answer.json()["status_code"] == 2001
    assert answer.json()["status_message"].startswith(field)
    assert puppet.seen == []


async def test_a_partner_that_wants_its_token_raw_is_called_so(
    house: House, puppet: Puppet
) -> None:
    tokens = await tokens_at(house, "offered")
    await set_options(house.context, "acme", {"raw_token": True})
    await house.credentials("POST", tokens["A"], credentials("dG9rZW4tYg=="))
    # The puppet decodes whatever it is given.
    assert puppet.seen[0] == ("GET /versions", "token-b")


@pytest.mark.threat("TA-10")
async def test_no_token_can_be_read_from_the_database(any_house: House, puppet: Puppet) -> None:
    house = any_house
    tokens = await tokens_at(house, "issued")
    new = await house.credentials("PUT", tokens["C"], credentials("their-secret-token"))

    dump = await dumped(house)

    secrets = [*tokens.values(), new.json()["data"]["token"], "their-secret-token", "token-b"]
    assert "Example Mobility" in dump
    assert [secret for secret in secrets if secret in dump] == []
    assert len(puppet.seen) == 4


async def dumped(house: House) -> str:
    """Give every value of every column as text, and on SQLite the file itself, too."""
    database = house.context.database
    text = ""
    async with database.read() as db:
        for table in IssuedToken.metadata.sorted_tables:
            rows = await db.exec(table.select())  # type: ignore[call-overload]
            text += "\n".join(repr(tuple(row)) for row in rows)
    if database.sqlite:
        path = database.url.database or ""
        for suffix in ("", "-wal"):
            with open(path + suffix, "rb") as file:  # noqa: ASYNC230, PTH123 - a test may wait.
                text += file.read().decode("latin-1")
    return text


@pytest.mark.req("CR-25")
@pytest.mark.threat("TA-04")
async def test_the_party_of_another_partner_cannot_be_taken_over(
    any_house: House, puppet: Puppet
) -> None:
    """TA-04: fifty attempts at once change nothing for the victim."""
    house = any_house
    thief = ("EMSP", Party("DE", "BAD"))
    victim = await add_partner(house.context, "victim", PlatformID.CPO, [EMSP])
    await register(house, victim.token)
    offered = await add_partner(house.context, "thief", PlatformID.CPO, [thief])
    token = await register(house, offered.token, credentials(roles=(thief,)))
    before = await show_partner(house.context, "victim")

    answers = await asyncio.gather(
        *(house.credentials("PUT", token, credentials(roles=(EMSP,))) for _ in range(50))
    )

    assert {answer.json()["status_code"] for answer in answers} == {2001}
    assert await show_partner(house.context, "victim") == before
    assert len(puppet.seen) == 4
