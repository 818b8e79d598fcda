"""One partner's page: what it shows, and what staff do to the partner."""

import html
import re
from dataclasses import replace
from typing import Any

import pytest
from sqlmodel import select

from credentials.forms import NewConnection
from credentials.handshake import connect
from credentials.options import PartnerOptions
from credentials.partners import set_options, show_partner
from ocpi.headers import Party
from ocpi.parties import Partner, PartnerEndpoint, PartnerRole, State
from ocpi.push.lanes import PartnerLane
from tests.credentials.network import ENDPOINTS, Puppet, envelope
from tests.house import add_partner, add_party, statements_of
from tests.ocpi.console.browsing import Console

SHINY = "/console/partners/shiny"


@pytest.fixture
async def shiny(console: Console, puppet: Puppet) -> Puppet:
    """Give a partner with which we have registered."""
    wish = NewConnection(name="shiny", versions_url="http://emsp.test/versions", token="a-token")
    await connect(console.context, wish)
    return puppet


async def partners(console: Console) -> list[str]:
    async with console.context.database.read() as db:
        return list((await db.exec(select(Partner.name))).all())


@pytest.mark.usefixtures("shiny")
async def test_a_partner_is_shown_with_its_parties_endpoints_options_and_delivery(
    console: Console,
) -> None:
    page = (await console.admin.get(SHINY)).text
    for each in (
        "EMSP DE*MSP (Example Mobility)",
        "http://emsp.test/locations",
        "Pushes per minute",
        "CDRs accepted, with receipt",
    ):
        assert each in page
    assert "(IP-01)" not in page


async def test_a_partner_that_has_not_registered_is_shown_too(console: Console) -> None:
    await console.admin.post(
        "/console/partners/new/invite",
        platform="cpo",
        name="shiny",
        role="EMSP",
        country_code="DE",
        party_id="MSP",
    )
    page = (await console.viewer.get(SHINY)).text
    assert "(not presented)" in page
    assert "Nothing is told to it before it has registered." in page
    assert "None are known: it has not registered." in page
    assert "Sync now" not in (await console.operator.get(SHINY)).text
    refused = await console.operator.post(f"{SHINY}/sync")
    assert refused.status_code == 409
    assert "shiny is not registered yet (offered)." in refused.text


@pytest.mark.usefixtures("shiny")
async def test_a_sync_is_offered_of_who_can_be_asked(console: Console) -> None:
    assert "Sync now" in (await console.operator.get(SHINY)).text
    await console.admin.post(f"{SHINY}/suspend")
    assert "Sync now" not in (await console.operator.get(SHINY)).text


@pytest.mark.parametrize("path", ["", "/rotate", "/joining"])
async def test_a_partner_that_is_not_there_is_not_found(console: Console, path: str) -> None:
    answer = await console.admin.get(f"/console/partners/nobody{path}")
    assert answer.status_code == 404
    assert "There is no partner nobody" in answer.text


@pytest.mark.usefixtures("shiny")
async def test_what_cannot_be_done_has_no_page(console: Console) -> None:
    assert (await console.admin.get(f"{SHINY}/praise")).status_code == 404
    assert (await console.admin.post(f"{SHINY}/praise")).status_code == 404


@pytest.mark.usefixtures("shiny")
async def test_an_admin_changes_options(console: Console) -> None:
    answer = await console.admin.post(
        f"{SHINY}/options",
        put_only="yes",
        offline_authorization="allow",
        offline_policy="resync",
        commands=["START_SESSION", "UNLOCK_CONNECTOR"],
        pushes_per_minute="30",
    )
    assert "The options are changed." in await console.admin.after(answer)
    options = (await show_partner(console.context, "shiny")).options
    assert (options.put_only, options.raw_token) == (True, False)
    assert options.commands == ["START_SESSION", "UNLOCK_CONNECTOR"]
    assert options.pushes_per_minute == 30


@pytest.mark.usefixtures("shiny")
async def test_what_somebody_else_has_changed_meanwhile_is_not_taken_back(
    console: Console,
) -> None:
    await set_options(console.context, "shiny", {"commands": ["START_SESSION"], "raw_token": True})
    form = form_of((await console.admin.get(SHINY)).text)
    theirs = {"put_only": True, "raw_token": False, "commands": [], "pushes_per_minute": 30}
    await set_options(console.context, "shiny", theirs)
    # What is wrong is sent again, from the page that says so.
    wrong = await console.admin.post(f"{SHINY}/options", **form | {"offline_policy": ["never"]})
    assert wrong.status_code == 400
    form = form_of(wrong.text) | {"offline_policy": ["spec_strict"]}
    answer = await console.admin.post(f"{SHINY}/options", **form)
    assert "The options are changed." in await console.admin.after(answer)
    options = (await show_partner(console.context, "shiny")).options
    expected = {**PartnerOptions().model_dump(), **theirs, "offline_policy": "spec_strict"}
    assert options.model_dump() == expected


def form_of(page: str) -> dict[str, list[str]]:
    """The form of the options as a browser would send it back."""
    (found,) = re.findall(r'<form[^>]* class="options">(.*?)</form>', page, re.DOTALL)
    fields: dict[str, list[str]] = {}
    for tag in re.findall(r"<input [^>]*>", found):
        given = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if given.get("type") != "checkbox" or tag.endswith(" checked>") or " checked " in tag:
            fields.setdefault(given["name"], []).append(html.unescape(given["value"]))
    for name, choices in re.findall(
        r'<select [^>]*name="(\w+)"[^>]*>(.*?)</select>', found, re.DOTALL
    ):
        fields[name] = re.findall(r"<option selected>([^<]*)<", choices)
    del fields["csrf"]
    return fields


@pytest.mark.usefixtures("shiny")
async def test_a_wrong_option_changes_nothing_and_what_was_typed_is_kept(console: Console) -> None:
    before = (await show_partner(console.context, "shiny")).options
    answer = await console.admin.post(
        f"{SHINY}/options",
        put_only="yes",
        offline_authorization="deny",
        offline_policy="resync",
        pushes_per_minute="many",
    )
    assert answer.status_code == 400
    assert "pushes_per_minute: Input should be a valid integer" in answer.text
    assert 'value="many"' in answer.text
    assert f'hx-get="{SHINY}"' in answer.text
    assert 'name="put_only" value="yes" checked' in answer.text
    assert (await show_partner(console.context, "shiny")).options == before


@pytest.mark.usefixtures("shiny")
async def test_a_suspension_begins_and_ends_after_a_page_that_says_what_it_means(
    console: Console,
) -> None:
    assert "refused with 401" in (await console.admin.get(f"{SHINY}/suspend")).text
    said = await console.admin.after(await console.admin.post(f"{SHINY}/suspend"))
    assert "shiny is suspended." in said
    assert "Resume the partner" in said
    said = await console.admin.after(await console.admin.post(f"{SHINY}/resume"))
    assert "shiny is no longer suspended." in said


async def test_tokens_are_rotated_and_a_failure_is_told_beside_the_button(
    console: Console, shiny: Puppet
) -> None:
    said = await console.admin.after(await console.admin.post(f"{SHINY}/rotate"))
    assert "New tokens were exchanged with shiny." in said
    shiny.answers["PUT /credentials"] = envelope(status_code=2000, message="not today")
    answer = await console.admin.post(f"{SHINY}/rotate")
    assert answer.status_code == 400
    assert "not today. The tokens are what they were." in answer.text
    assert "Rotate the tokens" in answer.text


@pytest.mark.usefixtures("shiny")
async def test_a_reissued_token_is_shown_in_the_answer_and_nowhere_else(console: Console) -> None:
    answer = await console.admin.post(f"{SHINY}/reissue")
    assert answer.status_code == 200
    assert "Authorization: Token " in answer.text
    assert "Authorization: Token " not in (await console.admin.get(SHINY)).text
    assert "Authorization: Token " not in (await console.admin.get(f"{SHINY}/joining")).text


@pytest.mark.usefixtures("shiny")
async def test_a_partner_is_removed_when_its_name_is_typed_in(console: Console) -> None:
    answer = await console.admin.post(f"{SHINY}/remove", typed="shinx")
    assert answer.status_code == 400
    assert "The name is shiny" in answer.text
    assert 'value="shinx"' in answer.text
    said = await console.admin.after(await console.admin.post(f"{SHINY}/remove", typed="shiny"))
    assert "shiny is removed." in said
    assert await partners(console) == []


async def test_a_partner_that_cannot_be_told_is_removed_by_force_alone(
    console: Console, shiny: Puppet
) -> None:
    shiny.answers["DELETE /credentials"] = envelope(status_code=3000, message="no")
    answer = await console.admin.post(f"{SHINY}/remove", typed="shiny")
    assert answer.status_code == 400
    assert "The partner could not be told" in answer.text
    assert await partners(console) == ["shiny"]
    forced = await console.admin.post(f"{SHINY}/remove", typed="shiny", force="yes")
    assert "It could not be told" in await console.admin.after(forced)
    assert await partners(console) == []


async def test_an_operator_pulls_a_partners_lists(console: Console, shiny: Puppet) -> None:
    refused = await console.operator.post(f"{SHINY}/sync")
    assert refused.status_code == 409
    assert "shiny offers no list of Tokens." in refused.text
    details = shiny.answers["GET /2.2.1"] = envelope(
        {
            "version": "2.2.1",
            "endpoints": [
                {"identifier": name, "role": role, "url": f"http://emsp.test/{name}"}
                for name, role in (("credentials", "RECEIVER"), ("tokens", "SENDER"))
            ],
        }
    )
    assert details.status_code == 200
    shiny.answers["GET /tokens"] = envelope([])
    await console.admin.post(f"{SHINY}/rotate")
    answer = await console.operator.post(f"{SHINY}/sync", full="yes")
    assert answer.status_code == 200
    assert "<td>tokens</td><td>all</td>" in answer.text


async def test_an_operator_sees_what_a_hub_showed_each_of_our_parties(
    console: Console, shiny: Puppet
) -> None:
    await add_party(console.context.database, Party("NL", "TWO"))
    async with console.context.database.write() as db:
        partner = (await db.exec(select(Partner))).one()
        hub: dict[str, Any] = {
            "role": "HUB",
            "party": "be*hbb",
            "country_code": "BE",
            "party_id": "HBB",
        }
        db.add(PartnerRole(partner_id=partner.key, platform=partner.platform, **hub))
        url = {"identifier": "tokens", "role": "SENDER", "url": "http://emsp.test/tokens"}
        db.add(PartnerEndpoint(partner_id=partner.key, **url))
    answers = iter([envelope([]), envelope(status_code=2001, message="who?")])

    async def answer_next() -> None:
        shiny.answers["GET /tokens"] = next(answers)

    shiny.before["GET /tokens"] = answer_next
    page = (await console.operator.post(f"{SHINY}/sync")).text
    assert "<td>for NL*TWO</td><td>all</td>" in page
    assert "tokens for NL*TWO: shiny answered HTTP 200 with status code 2001." in page


@pytest.mark.usefixtures("shiny")
@pytest.mark.parametrize("act", ["options", "rotate", "reissue", "suspend", "resume", "remove"])
async def test_nobody_but_an_admin_acts_on_a_partner(console: Console, act: str) -> None:
    for browser in (console.viewer, console.operator):
        answer = await browser.post(f"{SHINY}/{act}", typed="shiny")
        assert answer.status_code == 403
        assert "it takes an admin" in answer.text
    assert (await console.viewer.post(f"{SHINY}/sync")).status_code == 403
    view = await show_partner(console.context, "shiny")
    assert (view.state, view.suspended) == (State.ISSUED, False)


@pytest.mark.usefixtures("shiny")
@pytest.mark.parametrize("act", ["options", "sync", "suspend", "remove"])
async def test_what_another_site_sends_is_refused(console: Console, act: str) -> None:
    foreign = replace(console.admin, csrf="guessed")
    answer = await foreign.post(f"{SHINY}/{act}", typed="shiny")
    assert answer.status_code == 403
    assert "This form has grown old" in answer.text
    assert await partners(console) == ["shiny"]


@pytest.mark.usefixtures("shiny")
async def test_a_viewer_sees_options_and_no_buttons(console: Console) -> None:
    page = (await console.viewer.get(SHINY)).text
    assert "<dt>Put only</dt><dd>no</dd>" in page
    assert "Remove the partner" not in page
    assert "Sync now" not in page


@pytest.mark.usefixtures("shiny")
async def test_a_page_that_is_asked_for_again_does_not_read_every_bill(console: Console) -> None:
    page = (await console.viewer.get(SHINY, **{"hx-request": "true"})).text
    assert 'id="live"' in page
    assert "CDRs accepted" not in page


@pytest.mark.threat("TA-27")
async def test_an_admin_approves_the_hosts_that_a_page_has_shown(
    console: Console, puppet: Puppet
) -> None:
    away = {"identifier": "tariffs", "role": "RECEIVER", "url": "http://other.test/tariffs"}
    puppet.answers["GET /2.2.1"] = envelope(
        {"version": "2.2.1", "endpoints": [*ENDPOINTS[:1], away]}
    )
    wish = NewConnection(name="shiny", versions_url="http://emsp.test/versions", token="a-token")
    await connect(console.context, wish)

    page = (await console.operator.get(SHINY)).text
    assert "It has endpoints at other.test" in page
    assert "http://other.test/tariffs (not approved, so not called)" in page
    assert f"{SHINY}/approve" not in page
    assert (await console.operator.post(f"{SHINY}/approve", host="other.test")).status_code == 403
    assert f"{SHINY}/approve" in (await console.admin.get(SHINY)).text
    asked = (await console.admin.get(f"{SHINY}/approve")).text
    assert "http://other.test/tariffs" in asked
    assert '<input type="hidden" name="host" value="other.test">' in asked
    answer = await console.admin.post(f"{SHINY}/approve")
    assert (answer.status_code, "No endpoint waits for approval." in answer.text) == (400, True)
    said = await console.admin.after(
        await console.admin.post(f"{SHINY}/approve", host="other.test")
    )
    assert "Approved: other.test." in said
    assert "It has endpoints at" not in said
    assert (await show_partner(console.context, "shiny")).withheld == []


async def test_the_page_of_partners_shows_fifty_and_costs_no_more_for_further_ones(
    any_console: Console,
) -> None:
    database, counts = any_console.context.database, []
    for first, last in ((0, 50), (50, 130)):
        for number in range(first, last):
            partner_id = await add_partner(
                database, f"p{number:03}", f"token-{number}", Party("DE", f"{number:03}")
            )
            async with database.write() as db:
                db.add(PartnerLane(partner_id=partner_id))
        with statements_of(database) as told:
            page = (await any_console.viewer.get("/console/partners")).text
        counts.append(len(told))
        assert page.count('href="/console/partners/p') == 50
    assert counts[0] == counts[1] < 20
    assert "Page 1 of 3" in page
    third = (await any_console.viewer.get("/console/partners?page=3")).text
    assert "DE*129" in third
    assert third.count('href="/console/partners/p') == 30
    assert (
        "There is nobody more." in (await any_console.viewer.get("/console/partners?page=4")).text
    )
