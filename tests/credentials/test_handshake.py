"""Us as the one that asks: connecting, new tokens, and leaving."""

import httpx
import pytest
from sqlmodel import select

from credentials import handshake
from credentials.forms import NewConnection
from credentials.partners import add_partner, list_partners, reissue, remove, show_partner
from ocpi.errors import Conflict, OCPIError, PeerUnusable
from ocpi.headers import Party
from ocpi.parties import PlatformID, State
from ocpi.push.lanes import PartnerLane
from tests.credentials.network import (
    EMSP,
    House,
    Network,
    Puppet,
    credentials,
    envelope,
)

TOKEN_A = "token-a"
HTML = httpx.Response(200, text="<!doctype html><p>Welcome")


def wish(url: str = "http://emsp.test/versions", token: str = TOKEN_A) -> NewConnection:
    return NewConnection(name="acme", versions_url=url, token=token)


@pytest.mark.req("CR-01", "CR-03", "CR-04", "CR-07", "VE-09")
async def test_two_installations_register_with_each_other(
    any_house: House, away: House, network: Network
) -> None:
    house = any_house
    ours = ("CPO", Party("NL", "CPO"))
    offered = await add_partner(away.context, "home", PlatformID.CPO, [ours])

    remarks = await handshake.connect(house.context, wish(offered.versions_url, offered.token))

    assert remarks == []
    base, home = "http://away.test/ocpi/cpo", "http://cpo.test/ocpi/cpo"
    assert network.requests == [
        f"GET {base}/versions",
        f"GET {base}/2.2.1",
        f"POST {base}/2.2.1/credentials",
        f"GET {home}/versions",
        f"GET {home}/2.2.1",
        f"GET {base}/versions",
        f"GET {base}/2.2.1",
    ]
    theirs, mine = (
        await show_partner(away.context, "home"),
        await show_partner(house.context, "acme"),
    )
    assert (theirs.state, mine.state) == (State.CONFIRMED, State.CONFIRMED)
    assert [(role.party_id, role.name) for role in mine.roles] == [("AWY", "Example Charging")]
    assert theirs.token_expires is None
    assert (await house.request("GET", "/versions", await away.token_out())).status_code == 200
    assert (await away.request("GET", "/versions", await house.token_out())).status_code == 200


@pytest.mark.req("CR-12", "CR-14", "CR-19")
async def test_a_rotation_replaces_both_tokens(any_house: House, away: House) -> None:
    house = any_house
    ours = ("CPO", Party("NL", "CPO"))
    offered = await add_partner(away.context, "home", PlatformID.CPO, [ours])
    await handshake.connect(house.context, wish(offered.versions_url, offered.token))
    before = (await house.token_out(), await away.token_out())

    assert await handshake.rotate(house.context, "acme") == []

    after = (await house.token_out(), await away.token_out())
    assert len({*before, *after}) == 4
    assert (await away.request("GET", "/versions", before[0])).status_code == 401
    assert (await house.request("GET", "/versions", after[1])).status_code == 200
    assert (await house.request("GET", "/versions", before[1])).status_code == 401


@pytest.mark.req("CR-15")
async def test_removing_a_partner_unregisters_at_both_ends(any_house: House, away: House) -> None:
    house = any_house
    ours = ("CPO", Party("NL", "CPO"))
    offered = await add_partner(away.context, "home", PlatformID.CPO, [ours])
    await handshake.connect(house.context, wish(offered.versions_url, offered.token))
    old = await away.token_out()

    assert await remove(house.context, "acme") is None

    assert await list_partners(house.context) == []
    assert (await show_partner(away.context, "home")).state == State.UNREGISTERED
    assert (await house.request("GET", "/versions", old)).status_code == 401
    async with house.context.database.read() as db:
        assert (await db.exec(select(PartnerLane))).all() == []


@pytest.mark.req("CR-04")
async def test_the_token_we_issue_is_good_before_we_send_it(house: House, puppet: Puppet) -> None:
    """AT-10: the partner calls back while it is asked."""
    answers: list[int] = []

    async def call_back() -> None:
        token = puppet.bodies[-1]["token"]
        answers.append((await house.request("GET", "/versions", token)).status_code)

    puppet.before["POST /credentials"] = call_back

    await handshake.connect(house.context, wish())

    assert answers == [200]
    assert [token for _, token in puppet.seen] == 3 * ["token-a"] + 2 * ["theirs"]
    assert await house.token_out() == "theirs"


REFUSED: list[tuple[str, httpx.Response | Exception, str]] = [
    (
        "GET /versions",
        HTML,
        (
            "GET http://emsp.test/versions answers HTML where JSON in OCPI's envelope is due. "
            "Nothing is kept here. Connect again when that is mended."
        ),
    ),
    (
        "GET /versions",
        httpx.Response(401),
        (
            "GET http://emsp.test/versions answers HTTP 401. Nothing is kept here. "
            "Check the token: it must be their registration token, not Base64-encoded."
        ),
    ),
    (
        "GET /versions",
        envelope([{"version": "2.1.1", "url": "http://emsp.test/2.1.1"}]),
        (
            "GET http://emsp.test/versions does not list version 2.2.1; it lists 2.1.1. "
            "Nothing is kept here. Connect again when that is mended."
        ),
    ),
    (
        "POST /credentials",
        httpx.Response(405),
        (
            "POST http://emsp.test/credentials answers HTTP 405. Nothing is kept here. "
            "They take us for registered already: "
            "ask them to end that registration and to issue a new token."
        ),
    ),
    (
        "POST /credentials",
        envelope(None, 3001, "Your API gives 404"),
        (
            "POST http://emsp.test/credentials answers HTTP 200 with status_code 3001: "
            "Your API gives 404. Nothing is kept here. Connect again when that is mended."
        ),
    ),
    (
        "POST /credentials",
        httpx.ReadTimeout("lost"),
        (
            "POST http://emsp.test/credentials: no complete answer within the time allowed. "
            "Nothing is kept here. Ask them whether they registered us; "
            "if so, they must end that registration and issue a new token."
        ),
    ),
    (
        "POST /credentials",
        envelope(credentials(token="with blank")),
        "POST http://emsp.test/credentials answers with unusable Credentials: token: ",
    ),
]


@pytest.mark.req("CR-22")
@pytest.mark.parametrize(("asked", "answer", "sentence"), REFUSED)
@pytest.mark.pitfall("IP-02")
async def test_a_connection_that_fails_leaves_nothing_and_says_what_to_do(
    house: House,
    puppet: Puppet,
    asked: str,
    answer: httpx.Response | Exception,
    sentence: str,
) -> None:
    puppet.answers[asked] = answer

    with pytest.raises(PeerUnusable) as refused:
        await handshake.connect(house.context, wish())

    assert refused.value.message.startswith(sentence)
    assert await list_partners(house.context) == []
    assert await house.tokens() == []
    puppet.answers.clear()
    await handshake.connect(house.context, wish())


@pytest.mark.req("CR-22")
async def test_where_credentials_are_missing_nothing_is_posted(
    house: House, puppet: Puppet
) -> None:
    endpoints = [{"identifier": "tokens", "role": "SENDER", "url": "http://emsp.test/tokens"}]
    puppet.answers["GET /2.2.1"] = envelope({"version": "2.2.1", "endpoints": endpoints})

    with pytest.raises(PeerUnusable, match="no credentials endpoint"):
        await handshake.connect(house.context, wish())

    assert puppet.bodies == []


@pytest.mark.parametrize(
    ("url", "remark"),
    [
        (
            "http://emsp.test/2.2.1",
            (
                "http://emsp.test/2.2.1 is the URL of the version details, not of the versions; "
                "it was used."
            ),
        ),
        (
            "http://emsp.test/",
            "GET http://emsp.test/ answers HTTP 404. http://emsp.test/versions was used instead.",
        ),
    ],
)
@pytest.mark.pitfall("IP-03")
async def test_another_url_of_the_partner_is_understood_and_reported(
    house: House, puppet: Puppet, url: str, remark: str
) -> None:
    assert await handshake.connect(house.context, wish(url)) == [remark]
    assert puppet.seen[-1] == ("GET /2.2.1", "theirs")


@pytest.mark.parametrize(
    ("role", "sentence"),
    [
        (("CPO", Party("nl", "cpo")), "CPO nl*cpo is a party of our own."),
        (EMSP, "EMSP DE*MSP is a party of the partner other already."),
    ],
)
async def test_a_partner_that_claims_a_taken_party_is_left_again(
    house: House, puppet: Puppet, role: tuple[str, Party], sentence: str
) -> None:
    await add_partner(house.context, "other", PlatformID.CPO, [EMSP])
    puppet.answers["POST /credentials"] = envelope(credentials("theirs", roles=(role,)))

    with pytest.raises(Conflict) as refused:
        await handshake.connect(house.context, wish())

    assert refused.value.message == sentence
    assert puppet.seen[-1] == ("DELETE /credentials", "theirs")
    assert [partner.name for partner in await list_partners(house.context)] == ["other"]


async def test_a_name_that_is_taken_is_refused_before_anything_is_sent(
    house: House, puppet: Puppet
) -> None:
    await add_partner(house.context, "acme", PlatformID.CPO, [EMSP])
    with pytest.raises(Conflict, match="There is a partner acme already"):
        await handshake.connect(house.context, wish())
    assert puppet.seen == []


# What becomes of a PUT, and the tokens that are good afterwards: old and new.
ROTATIONS = [
    (httpx.ReadTimeout("lost"), True),
    (httpx.Response(504, text="<html>Gateway timeout"), True),
    (HTML, True),
    (envelope({"token": ""}), True),
    (envelope(None, 3000), True),
    (envelope(None, 3099), True),
    (httpx.Response(500, json={"status_code": 3000, "status_message": "Internal error"}), True),
    (httpx.Response(502, json={"status_code": 2000, "status_message": "no"}), True),
    (httpx.Response(404, json={"status_code": 2000, "status_message": "no"}), False),
    (envelope(None, 2001, "no"), False),
    (envelope(None, 3001, "no"), False),
    (envelope(None, 3003, "no"), False),
    (httpx.Response(307, headers={"location": "/"}), False),
    (httpx.Response(405), False),
    (httpx.ConnectError("gone"), False),
]


@pytest.mark.req("CR-14")
@pytest.mark.parametrize(("answer", "new_stays"), ROTATIONS)
@pytest.mark.pitfall("IP-02")
async def test_a_rotation_that_fails_locks_nobody_out(
    house: House, puppet: Puppet, answer: httpx.Response | Exception, *, new_stays: bool
) -> None:
    await handshake.connect(house.context, wish())
    old = puppet.bodies[-1]["token"]
    await house.request("GET", "/versions", old)
    puppet.answers["PUT /credentials"] = answer

    async def call_back() -> None:
        token = puppet.bodies[-1]["token"]
        assert (await house.request("GET", "/versions", token)).status_code == 200

    puppet.before["PUT /credentials"] = call_back

    with pytest.raises(PeerUnusable) as refused:
        await handshake.rotate(house.context, "acme")

    new = puppet.bodies[-1]["token"]
    status = [(await house.request("GET", "/versions", token)).status_code for token in (new, old)]
    assert status == [200 if new_stays else 401, 200]
    assert await house.token_out() == "theirs"
    assert (await show_partner(house.context, "acme")).note == refused.value.message
    puppet.answers["PUT /credentials"] = envelope(credentials("theirs-2"))
    await handshake.rotate(house.context, "acme")
    newest = puppet.bodies[-1]["token"]
    assert (await house.request("GET", "/versions", newest)).status_code == 200
    assert [row.used_at is not None for row in await house.tokens()] == [True]


@pytest.mark.threat("TA-27")
async def test_a_rotation_whose_endpoints_cannot_be_read_keeps_the_old_ones(
    house: House, puppet: Puppet
) -> None:
    await handshake.connect(house.context, wish())
    before = await show_partner(house.context, "acme")
    puppet.answers["GET /versions"] = httpx.Response(500)

    remarks = await handshake.rotate(house.context, "acme")

    assert remarks == [
        (
            "The endpoints could not be read with the new token: "
            "GET http://emsp.test/versions answers HTTP 500."
        )
    ]
    after = await show_partner(house.context, "acme")
    assert after.endpoints == before.endpoints
    assert after.note == remarks[0]


@pytest.mark.threat("TA-04")
async def test_roles_that_a_rotation_brings_are_not_taken(house: House, puppet: Puppet) -> None:
    await handshake.connect(house.context, wish())
    more = (EMSP, ("EMSP", Party("DE", "NEW")))
    puppet.answers["PUT /credentials"] = envelope(credentials("theirs-2", roles=more))

    remarks = await handshake.rotate(house.context, "acme")

    assert remarks[0].startswith("Their answer's roles: EMSP DE*NEW is not among the roles agreed")
    shown = await show_partner(house.context, "acme")
    assert [role.party_id for role in shown.roles] == ["MSP"]
    assert await house.token_out() == "theirs-2"


@pytest.mark.parametrize(
    "answer",
    [httpx.Response(204), httpx.Response(401), httpx.Response(404), httpx.Response(405)],
)
@pytest.mark.pitfall("IP-41")
async def test_leaving_a_partner_that_does_not_know_us_succeeds(
    house: House, puppet: Puppet, answer: httpx.Response
) -> None:
    """IP-41: any 2xx will do, too."""
    await handshake.connect(house.context, wish())
    puppet.answers["DELETE /credentials"] = answer
    assert await remove(house.context, "acme") is None
    assert await list_partners(house.context) == []


async def test_a_partner_that_cannot_be_told_is_removed_by_force_only(
    house: House, puppet: Puppet
) -> None:
    await handshake.connect(house.context, wish())
    puppet.answers["DELETE /credentials"] = httpx.Response(500)

    with pytest.raises(PeerUnusable, match="Nothing was removed"):
        await remove(house.context, "acme")
    assert [partner.name for partner in await list_partners(house.context)] == ["acme"]

    problem = await remove(house.context, "acme", force=True)
    assert problem == "DELETE http://emsp.test/credentials answers HTTP 500."
    assert await list_partners(house.context) == []


async def test_what_needs_a_registration_says_so(house: House) -> None:
    await add_partner(house.context, "acme", PlatformID.CPO, [EMSP])
    with pytest.raises(Conflict, match="acme is not registered"):
        await handshake.rotate(house.context, "acme")
    for failing in (handshake.rotate, reissue, remove):
        with pytest.raises(OCPIError, match="There is no partner nobody"):
            await failing(house.context, "nobody")
