"""The wizard: inviting a partner, waiting for it, and registering with one."""

import re
from typing import Any

import httpx
import pytest
from sqlmodel import select

from ocpi.parties import Partner
from tests.credentials.network import EMSP, ENDPOINTS, Puppet, authorization, credentials, envelope
from tests.ocpi.console.browsing import Console

INVITE = "/console/partners/new/invite"
CONNECT = "/console/partners/new/connect"
WISH = {
    "platform": "cpo",
    "name": "shiny",
    "role": ["EMSP", "NSP"],
    "country_code": ["de", ""],
    "party_id": ["msp", ""],
}


async def test_the_first_questions_lead_to_a_form_each(console: Console) -> None:
    assert "Who registers with whom?" in (await console.admin.get("/console/partners/new")).text
    invite = await console.admin.get("/console/partners/new?platform=cpo&way=invite")
    assert "Who may register with us?" in invite.text
    connect = await console.admin.get("/console/partners/new?platform=cpo&way=connect")
    assert "With whom do we register?" in connect.text
    off = await console.admin.get("/console/partners/new?platform=hub&way=invite")
    assert "Who registers with whom?" in off.text


async def test_the_token_is_in_the_answer_alone(
    console: Console, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = await console.admin.post(INVITE, **WISH)
    token = token_of(answer)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert token not in str(answer.headers)
    for path in ("/console/partners", "/console/partners/shiny", "/console/partners/shiny/joining"):
        assert token not in (await console.admin.get(path)).text
    again = await console.admin.post(INVITE, **WISH)
    assert again.status_code == 409
    assert token not in again.text
    assert token not in "".join(capsys.readouterr())


async def test_wrong_input_is_named_and_kept(console: Console) -> None:
    wrong = {**WISH, "name": "shi ny", "role": ["NSP", "EMSP"], "country_code": ["", "D1"]}
    answer = await console.admin.post(INVITE, **wrong, more="")
    assert answer.status_code == 400
    assert "Your name for it takes 1 to 64 letters" in answer.text
    assert "Party 1: The country takes two letters" in answer.text
    assert 'value="shi ny"' in answer.text
    assert 'value="D1"' in answer.text


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"country_code": "", "party_id": ""}, "At least one party is due"),
        ({"name": "new"}, "new is taken by the console"),
        ({"platform": "moon"}, "The platform is one of ours"),
        ({"platform": "hub"}, "The hub is off: turn it on with"),
        ({"country_code": "NL", "party_id": "CPO", "role": "CPO"}, "is a party of our own"),
    ],
)
async def test_what_cannot_be_offered_is_refused_with_a_sentence(
    console: Console, wrong: dict[str, Any], sentence: str
) -> None:
    answer = await console.admin.post(INVITE, **{**WISH, **wrong})
    assert answer.status_code in {400, 409}
    assert sentence in answer.text
    assert "There are no partners yet." in (await console.admin.get("/console/partners")).text


async def test_room_for_more_parties_keeps_what_was_typed(console: Console) -> None:
    answer = await console.admin.post(INVITE, **WISH, more="yes")
    assert answer.status_code == 200
    assert answer.text.count('name="party_id"') == 5
    assert 'value="msp"' in answer.text


async def test_the_way_of_a_partner_is_told_step_by_step(console: Console, puppet: Puppet) -> None:
    token = token_of(await console.admin.post(INVITE, **WISH))
    assert await steps(console) == 1
    puppet.answers["GET /versions"] = httpx.Response(500)
    await ask(console, "POST", "/2.2.1/credentials", token, credentials())
    assert await steps(console) == 2
    page = (await console.viewer.get("/console/partners/shiny/joining")).text
    assert "What happened last: Refused with 3001: GET http://emsp.test/versions" in page
    del puppet.answers["GET /versions"]
    answer = await ask(console, "POST", "/2.2.1/credentials", token, credentials())
    assert await steps(console) == 3
    await ask(console, "GET", "/versions", answer.json()["data"]["token"])
    assert await steps(console) == 4
    page = (await console.viewer.get("/console/partners/shiny/joining")).text
    assert "shiny has registered." in page
    assert "What happened last" not in page


async def test_a_registration_that_is_opened_again_begins_at_the_first_step(
    console: Console, puppet: Puppet
) -> None:
    assert puppet.seen == []
    token = token_of(await console.admin.post(INVITE, **WISH))
    answer = await ask(console, "POST", "/2.2.1/credentials", token, credentials())
    issued = answer.json()["data"]["token"]
    await ask(console, "GET", "/versions", issued)
    await console.admin.post("/console/partners/shiny/reissue")
    assert await steps(console) == 1
    await ask(console, "DELETE", "/2.2.1/credentials", issued)
    page = (await console.admin.get("/console/partners/shiny/joining")).text
    assert "No registration is open." in page
    assert "What happened last: The partner unregistered." in page


@pytest.mark.usefixtures("puppet")
async def test_we_register_with_a_partner(console: Console) -> None:
    answer = await console.admin.post(
        CONNECT, platform="cpo", name="shiny", versions_url="http://emsp.test", token="token-a"
    )
    assert answer.status_code == 200
    assert "Registered with shiny" in answer.text
    assert f"{EMSP[0]} DE*MSP (Example Mobility)" in answer.text
    assert "http://emsp.test/versions was used instead." in answer.text
    assert "token-a" not in answer.text


@pytest.mark.threat("TA-27")
async def test_hosts_beside_that_of_the_versions_url_are_approved_in_the_form(
    console: Console, puppet: Puppet
) -> None:
    away = {"identifier": "tariffs", "role": "RECEIVER", "url": "http://other.test/tariffs"}
    endpoints = [*ENDPOINTS[:1], away]
    puppet.answers["GET /2.2.1"] = envelope({"version": "2.2.1", "endpoints": endpoints})
    typed = {"name": "shiny", "versions_url": "http://emsp.test/versions", "token": "token-a"}
    answer = await console.admin.post(CONNECT, platform="cpo", hosts="other.test, b.test", **typed)
    assert "Registered with shiny" in answer.text
    page = (await console.admin.get("/console/partners/shiny")).text
    assert "http://other.test/tariffs" in page
    assert "not approved" not in page
    async with console.context.database.read() as db:
        partner = (await db.exec(select(Partner))).one()
    assert partner.options["hosts"] == ["other.test", "b.test"]


async def test_a_host_that_is_none_is_refused_with_what_the_field_takes(console: Console) -> None:
    typed = {"name": "shiny", "versions_url": "http://emsp.test", "token": "a"}
    answer = await console.admin.post(CONNECT, platform="cpo", hosts="a.test /x", **typed)
    assert answer.status_code == 400
    assert "Each further host is a name such as modules.example" in answer.text
    assert 'value="a.test /x"' in answer.text


async def test_a_connection_that_fails_leaves_nothing_and_keeps_what_was_typed(
    console: Console, puppet: Puppet, capsys: pytest.CaptureFixture[str]
) -> None:
    puppet.answers["POST /credentials"] = envelope(status_code=2001, message="who are you?")
    typed = {"name": "shiny", "versions_url": "http://emsp.test/versions", "token": "dG9rZW4x"}
    answer = await console.admin.post(CONNECT, platform="cpo", raw_token="yes", **typed)
    assert answer.status_code == 400
    assert "who are you?. Nothing is kept here." in answer.text
    assert 'value="http://emsp.test/versions"' in answer.text
    assert 'name="raw_token" value="yes" checked' in answer.text
    assert "dG9rZW4x" not in "".join(capsys.readouterr())
    assert "There are no partners yet." in (await console.admin.get("/console/partners")).text


async def test_a_token_with_blanks_is_refused_without_being_repeated_in_the_sentence(
    console: Console,
) -> None:
    answer = await console.admin.post(
        CONNECT, platform="cpo", name="shiny", versions_url="http://emsp.test", token="to ken"
    )
    assert answer.status_code == 400
    assert "Their registration token takes 1 to 64 printable characters" in answer.text
    assert answer.text.count("to ken") == 1


async def test_nobody_but_an_admin_brings_a_partner(console: Console) -> None:
    for browser in (console.viewer, console.operator):
        assert (await browser.get("/console/partners/new")).status_code == 403
        assert (await browser.post(INVITE, **WISH)).status_code == 403
        assert (await browser.post(CONNECT, platform="cpo")).status_code == 403
    answer = await console.admin.client.post(INVITE, data=WISH)
    assert answer.status_code == 403
    assert "There are no partners yet." in (await console.admin.get("/console/partners")).text


def token_of(answer: httpx.Response) -> str:
    found = re.search(r"Token +(\S+)", answer.text)
    assert found is not None, answer.text
    return found[1]


async def steps(console: Console) -> int:
    page = (await console.viewer.get("/console/partners/shiny/joining")).text
    return page.count('class="done"')


async def ask(
    console: Console, method: str, path: str, token: str, body: Any = None
) -> httpx.Response:
    """As the partner does."""
    async with httpx.AsyncClient(transport=console.network) as client:
        return await client.request(
            method,
            f"{console.context.platform_url('cpo')}{path}",
            headers={"Authorization": authorization(token)},
            json=body,
        )
