"""The call-back: how a partner's platform can be of no use, and what is said of it."""

from typing import Any

import httpx
import pytest

from credentials import handshake
from credentials.forms import NewConnection
from credentials.partners import add_partner, show_partner
from ocpi.errors import PeerUnusable
from ocpi.parties import PlatformID, State
from tests.credentials.network import EMSP, ENDPOINTS, House, Puppet, credentials, envelope

VERSIONS = "GET http://emsp.test/versions"
DETAILS = "GET http://emsp.test/2.2.1"
HTML = httpx.Response(200, text="<!doctype html><p>Welcome", headers={"content-type": "text/html"})


def details(*endpoints: dict[str, Any], version: str = "2.2.1") -> httpx.Response:
    return envelope({"version": version, "endpoints": list(endpoints)})


def at(url: str) -> dict[str, str]:
    return {"identifier": "locations", "role": "RECEIVER", "url": url}


# What is asked, what the partner answers, our status code, and our sentence.
UNUSABLE: list[tuple[str, httpx.Response | Exception, int, str]] = [
    (
        "GET /versions",
        HTML,
        3001,
        f"{VERSIONS} answers HTML where JSON in OCPI's envelope is due.",
    ),
    (
        "GET /versions",
        httpx.Response(502, text="<html>Bad gateway</html>"),
        3001,
        f"{VERSIONS} answers HTTP 502 with an HTML page.",
    ),
    ("GET /versions", httpx.Response(404), 3001, f"{VERSIONS} answers HTTP 404."),
    (
        "GET /versions",
        httpx.Response(302, headers={"location": "/login"}),
        3001,
        f"{VERSIONS} redirects with HTTP 302, and redirects are not followed.",
    ),
    (
        "GET /versions",
        httpx.Response(200, json=[{"version": "2.2.1", "url": "http://emsp.test/2.2.1"}]),
        3001,
        f"{VERSIONS} answers without OCPI's envelope: there is no status_code.",
    ),
    (
        "GET /versions",
        httpx.Response(401, json={"status_code": 2000, "status_message": "Who are you?"}),
        3001,
        f"{VERSIONS} answers HTTP 401 with status_code 2000: Who are you?.",
    ),
    (
        "GET /versions",
        envelope(None, 3000),
        3001,
        f"{VERSIONS} answers HTTP 200 with status_code 3000.",
    ),
    (
        "GET /versions",
        envelope("2.2.1"),
        3001,
        f"{VERSIONS} answers with neither a list of versions nor version details.",
    ),
    (
        "GET /versions",
        httpx.ReadTimeout("too slow"),
        3001,
        f"{VERSIONS}: no complete answer within the time allowed.",
    ),
    ("GET /versions", httpx.ConnectError("gone"), 3001, f"{VERSIONS}: no connection."),
    (
        "GET /versions",
        envelope([{"version": "2.1.1", "url": "http://emsp.test/2.1.1"}, {"version": "2.2"}]),
        3002,
        f"{VERSIONS} does not list version 2.2.1; it lists 2.1.1.",
    ),
    (
        "GET /versions",
        envelope([]),
        3002,
        f"{VERSIONS} does not list version 2.2.1; it lists none.",
    ),
    (
        "GET /versions",
        envelope([{"version": "2.2.1", "url": "http://169.254.169.254/latest"}]),
        3001,
        (
            "The version details lie at 169.254.169.254, which is not the host of the versions URL "
            "and was not approved by the operator."
        ),
    ),
    (
        "GET /versions",
        envelope([{"version": "2.2.1", "url": "http://user@emsp.test/2.2.1"}]),
        3001,
        ("GET http://user@emsp.test/2.2.1: emsp.test: a URL with user information is not allowed."),
    ),
    (
        "GET /versions",
        details(*ENDPOINTS, version="2.1.1"),
        3001,
        f"{VERSIONS} answers with the details of version 2.1.1.",
    ),
    (
        "GET /2.2.1",
        details(*ENDPOINTS, version="2.2"),
        3001,
        f"{DETAILS} answers with the details of version 2.2.",
    ),
    (
        "GET /2.2.1",
        details(),
        3001,
        f"{DETAILS} answers with unusable details: endpoints: needs at least one item.",
    ),
    (
        "GET /2.2.1",
        details(at("http://emsp.test/locations")),
        3003,
        "The version details list no credentials endpoint.",
    ),
    (
        "GET /2.2.1",
        details(*ENDPOINTS[:1], at("http://user@emsp.test/")),
        3001,
        (
            "The endpoint locations RECEIVER cannot be called: emsp.test: "
            "a URL with user information is not allowed."
        ),
    ),
]


@pytest.mark.req("CR-20", "CR-21", "CR-22", "CR-23", "VE-11", "ST-14")
@pytest.mark.parametrize(("asked", "answer", "status_code", "sentence"), UNUSABLE)
@pytest.mark.pitfall("IP-03", "IP-29")
@pytest.mark.threat("TA-27")
async def test_a_partner_that_is_no_use_is_told_why_and_may_try_again(
    *,
    house: House,
    puppet: Puppet,
    asked: str,
    answer: httpx.Response | Exception,
    status_code: int,
    sentence: str,
) -> None:
    token = (await add_partner(house.context, "acme", PlatformID.CPO, [EMSP])).token
    before = await show_partner(house.context, "acme")
    puppet.answers[asked] = answer

    refused = await house.credentials("POST", token, credentials())

    document = refused.json()
    assert (refused.status_code, document["status_code"]) == (200, status_code)
    assert document["status_message"] == sentence
    after = await show_partner(house.context, "acme")
    assert after.note == f"Refused with {status_code}: {sentence}"
    assert after.model_copy(update={"note": None}) == before
    puppet.answers.clear()
    assert (await house.credentials("POST", token, credentials())).json()["status_code"] == 1000
    again = await show_partner(house.context, "acme")
    assert (again.state, again.note) == (State.ISSUED, None)


@pytest.mark.threat("TA-27")
async def test_a_relative_endpoint_is_no_use(house: House, puppet: Puppet) -> None:
    token = (await add_partner(house.context, "acme", PlatformID.CPO, [EMSP])).token
    puppet.answers["GET /2.2.1"] = details(*ENDPOINTS[:1], at("/locations"))

    answer = await house.credentials("POST", token, credentials())

    assert answer.json()["status_code"] == 3001
    assert "endpoints.1.url" in answer.json()["status_message"]


HARMLESS = {"identifier": "deabc-tariffs", "role": "SENDER", "url": "http://emsp.test/x"}


@pytest.mark.pitfall("IP-09")
@pytest.mark.threat("TA-01")
@pytest.mark.parametrize(
    ("over", "why"),
    [
        ({"url": ""}, "endpoints.2 is left out: url: is not an absolute"),
        ({"url": None}, "endpoints.2 is left out: url: is required."),
        ({"identifier": None}, "endpoints.2 is left out: identifier: is required."),
        ({"role": ["SENDER"]}, "endpoints.2 is left out: role: is no InterfaceRole."),
        ({"identifier": "hubclientinfo", "url": "/infos"}, "endpoints.2 is left out"),
        (
            {"url": "http://user@emsp.test/"},
            (
                "The endpoint deabc-tariffs SENDER cannot be called: emsp.test: a URL with user "
                "information is not allowed. It is left out."
            ),
        ),
    ],
)
async def test_an_endpoint_that_is_not_needed_and_no_use_is_left_out_with_a_word(
    house: House, puppet: Puppet, over: dict[str, Any], why: str
) -> None:
    token = (await add_partner(house.context, "acme", PlatformID.CPO, [EMSP])).token
    puppet.answers["GET /2.2.1"] = details(*ENDPOINTS, {**HARMLESS, **over})

    answer = await house.credentials("POST", token, credentials())

    assert answer.json()["status_code"] == 1000
    shown = await show_partner(house.context, "acme")
    assert [each.model_dump() for each in shown.endpoints] == ENDPOINTS
    assert (shown.withheld, (shown.note or "")[: len(why)]) == ([], why)


@pytest.mark.req("VE-07")
@pytest.mark.pitfall("IP-28")
@pytest.mark.parametrize("role", [{}, {"role": None}, {"role": ""}])
async def test_a_credentials_endpoint_needs_no_role(
    house: House, puppet: Puppet, role: dict[str, Any]
) -> None:
    token = (await add_partner(house.context, "acme", PlatformID.CPO, [EMSP])).token
    url = ENDPOINTS[0]["url"]
    puppet.answers["GET /2.2.1"] = details({"identifier": "credentials", "url": url, **role})

    answer = await house.credentials("POST", token, credentials())

    assert answer.json()["status_code"] == 1000
    (endpoint,) = (await show_partner(house.context, "acme")).endpoints
    assert (endpoint.identifier, endpoint.role, endpoint.url) == ("credentials", "SENDER", url)


@pytest.mark.pitfall("IP-21")
@pytest.mark.usefixtures("puppet")
async def test_a_logo_that_is_none_costs_nobody_the_registration(house: House) -> None:
    token = (await add_partner(house.context, "acme", PlatformID.CPO, [EMSP])).token
    body = credentials()
    body["roles"][0]["business_details"]["logo"] = {"url": "", "type": None, "category": ""}

    assert (await house.credentials("POST", token, body)).json()["status_code"] == 1000
    (role,) = (await show_partner(house.context, "acme")).roles
    assert role.name == "Example Mobility"


@pytest.mark.threat("TA-01")
async def test_endpoints_may_have_the_ports_that_partners_may_have_and_no_others(
    house: House, puppet: Puppet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(house.context.settings, "allow_private_networks", False)
    monkeypatch.setattr(house.context.settings, "partner_ports", "443,8443")
    token = (await add_partner(house.context, "acme", PlatformID.CPO, [EMSP])).token
    said = []
    for port in (8444, 8443):
        there = {**ENDPOINTS[0], "url": f"https://emsp.test:{port}/credentials"}
        puppet.answers["GET /2.2.1"] = details(there)
        answer = (await house.credentials("POST", token, credentials())).json()
        said.append((answer["status_code"], answer.get("status_message")))
    assert said == [
        (
            3001,
            (
                "The endpoint credentials RECEIVER cannot be called: emsp.test: "
                "port 8444 is not allowed."
            ),
        ),
        (1000, None),
    ]


@pytest.mark.pitfall("IP-03")
async def test_the_details_url_in_place_of_the_versions_url_is_used_and_noted(
    house: House, puppet: Puppet
) -> None:
    """IP-03, PD-11: many take the one for the other."""
    token = (await add_partner(house.context, "acme", PlatformID.CPO, [EMSP])).token

    answer = await house.credentials("POST", token, credentials(url="http://emsp.test/2.2.1"))

    assert answer.json()["status_code"] == 1000
    assert [asked for asked, _ in puppet.seen] == ["GET /2.2.1"]
    assert (await show_partner(house.context, "acme")).note == (
        "http://emsp.test/2.2.1 is the URL of the version details, not of the versions; "
        "it was used."
    )


@pytest.mark.req("VE-06", "VE-09")
@pytest.mark.pitfall("IP-28")
async def test_of_an_endpoint_that_is_listed_twice_the_first_counts(
    house: House, puppet: Puppet
) -> None:
    token = (await add_partner(house.context, "acme", PlatformID.CPO, [EMSP])).token
    puppet.answers["GET /2.2.1"] = details(*ENDPOINTS, at("http://other.test/locations"))

    await house.credentials("POST", token, credentials())

    shown = await show_partner(house.context, "acme")
    assert [each.model_dump() for each in shown.endpoints] == ENDPOINTS
    assert shown.note == "locations RECEIVER is listed twice; the first URL was taken."


@pytest.mark.req("VE-06")
@pytest.mark.pitfall("IP-09")
async def test_roles_and_modules_in_another_case_are_the_words_of_ocpi(
    house: House, puppet: Puppet
) -> None:
    """Whoever wrote `receiver` or `emsp` was registered, and never told anything."""
    token = (await add_partner(house.context, "acme", PlatformID.CPO, [EMSP])).token
    locations = {**ENDPOINTS[1], "identifier": "Locations", "role": "receiver"}
    infos = {"identifier": "hubClientInfo ", "role": "Sender", "url": "http://emsp.test/infos"}
    custom = {"identifier": "deABC-Tariffs", "role": "SENDER", "url": "http://emsp.test/custom"}
    puppet.answers["GET /2.2.1"] = details(ENDPOINTS[0], locations, infos, custom)

    answer = await house.credentials("POST", token, credentials(roles=(("emsp", EMSP[1]),)))

    assert answer.json()["status_code"] == 1000
    shown = await show_partner(house.context, "acme")
    assert [each.model_dump() for each in shown.endpoints] == [
        ENDPOINTS[0],
        custom,
        {**infos, "identifier": "hubclientinfo", "role": "SENDER"},
        ENDPOINTS[1],
    ]
    assert [(each.role, each.name) for each in shown.roles] == [("EMSP", "Example Mobility")]
    noted = house.context.forgiving.take()
    assert noted["acme", "IP-09 enum"].count == 6


@pytest.mark.threat("TA-27")
async def test_endpoints_on_another_host_are_noted(house: House, puppet: Puppet) -> None:
    token = (await add_partner(house.context, "acme", PlatformID.CPO, [EMSP])).token
    puppet.answers["GET /2.2.1"] = details(*ENDPOINTS[:1], at("http://other.test/locations"))

    await house.credentials("POST", token, credentials())

    shown = await show_partner(house.context, "acme")
    assert shown.note == (
        "other.test is not the host of the versions URL: what lies there has to be approved "
        "(`ocpi partner approve acme`)."
    )


@pytest.mark.req("TR-13")
async def test_the_call_back_carries_the_correlation_id_of_the_post(
    house: House, puppet: Puppet
) -> None:
    token = (await add_partner(house.context, "acme", PlatformID.CPO, [EMSP])).token

    answer = await house.credentials("POST", token, credentials())

    assert puppet.correlation_ids == 2 * [answer.headers["x-correlation-id"]]


async def test_a_connection_that_fails_is_tried_three_times(house: House, puppet: Puppet) -> None:
    token = (await add_partner(house.context, "acme", PlatformID.CPO, [EMSP])).token
    puppet.answers["GET /versions"] = httpx.ConnectError("gone")

    await house.credentials("POST", token, credentials())

    assert [asked for asked, _ in puppet.seen] == 3 * ["GET /versions"]


@pytest.mark.threat("TA-09")
async def test_a_token_that_the_partner_repeats_shows_nowhere(
    house: House, puppet: Puppet, capsys: pytest.CaptureFixture[str]
) -> None:
    await handshake.connect(
        house.context,
        NewConnection(name="acme", versions_url="http://emsp.test/versions", token="token-a"),
    )

    async def repeat() -> None:
        # Where the sentence is cut a part of a token would be left.
        said = f"{'x' * 150} {puppet.bodies[-1]['token']}"
        puppet.answers["PUT /credentials"] = envelope(None, 3000, said)

    puppet.before["PUT /credentials"] = repeat

    with pytest.raises(PeerUnusable, match=r"x \[token\]\. The partner may have") as refused:
        await handshake.rotate(house.context, "acme")

    token = puppet.bodies[-1]["token"]
    shown = [refused.value.message, (await show_partner(house.context, "acme")).note or ""]
    assert [text for text in [*shown, *capsys.readouterr()] if token[:20] in text] == []
    assert (await house.request("GET", "/versions", token)).status_code == 200
