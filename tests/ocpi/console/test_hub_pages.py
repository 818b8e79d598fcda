"""The hub's page: its parties, who may talk to whom, and the rules."""

from collections.abc import Mapping
from dataclasses import replace

from sqlmodel import select

from credentials.agreements import Rule, list_rules, set_rule
from credentials.partners import add_partner
from modules.hubclientinfo.admin import get_parties
from modules.hubclientinfo.announcing import announce
from modules.hubclientinfo.standing import bring_up_to_date
from ocpi.headers import Party
from ocpi.parties import Partner, PlatformID
from ocpi.spec.hubclientinfo import ClientInfo
from ocpi.spec.reading import read
from tests.ocpi.console.browsing import Console

RULE = {"from_party": "DE*MSP", "to_party": "FR*CPO", "module": "*", "allowed": "no"}


async def settle(console: Console) -> None:
    """Let an eMSP, a CPO, and a hub with a party behind it come to the hub."""
    for name, role, party in (
        ("shiny", "EMSP", Party("DE", "MSP")),
        ("fast", "CPO", Party("FR", "CPO")),
        ("other", "HUB", Party("BE", "HUB")),
    ):
        await add_partner(console.context, name, PlatformID.HUB, [(role, party)])
    async with console.context.database.write() as db:
        partner = (await db.exec(select(Partner).where(Partner.name == "other"))).one()
        info = {
            "country_code": "BE",
            "party_id": "FAR",
            "role": "EMSP",
            "status": "CONNECTED",
            "last_updated": "2026-01-01T00:00:00Z",
        }
        await announce(db, partner.key, read(ClientInfo, info))


async def test_without_a_hub_there_is_no_such_page(console: Console) -> None:
    answer = await console.admin.get("/console/hub")
    assert answer.status_code == 404
    assert "OCPI_HUB_PARTY_ID turns it on" in answer.text
    assert (await console.admin.post("/console/hub/agreements", **RULE)).status_code == 404


async def test_a_hub_alone_has_nobody_but_ourselves(any_console: Console) -> None:
    page = (await any_console.viewer.get("/console/hub")).text
    assert "ourselves" in page
    assert "It takes two parties to talk" in page
    assert "There are no rules" in page
    assert "This hub is <strong>open</strong>" in page


async def test_parties_are_shown_with_whom_they_are_behind(any_console: Console) -> None:
    await settle(any_console)
    assert "just now" in (await any_console.viewer.get("/console/hub")).text
    await bring_up_to_date(any_console.context)
    async with any_console.context.database.write() as db:
        await db.delete((await db.exec(select(Partner).where(Partner.name == "fast"))).one())
    await bring_up_to_date(any_console.context)
    page = (await any_console.viewer.get("/console/hub")).text
    assert "just now" not in page
    assert 'behind the hub <a href="/console/partners/other">other</a>' in page
    assert "nobody: it has left" in page
    assert page.count("PLANNED</span>") == 3


async def test_the_admin_api_lists_the_same_parties(any_console: Console) -> None:
    await settle(any_console)
    found = {each.party: each for each in await get_parties(any_console.context)}
    assert set(found) == {"BE*FAR", "BE*HUB", "DE*MSP", "FR*CPO", "NL*CPO"}
    assert (found["BE*FAR"].partner, found["BE*FAR"].behind) == ("other", True)
    assert (found["NL*CPO"].partner, found["NL*CPO"].status) == (None, "CONNECTED")


async def test_the_matrix_shows_what_the_rules_say(any_console: Console) -> None:
    await settle(any_console)
    await set_rule(any_console.context, Rule(from_party="DE*MSP", to_party="FR*CPO", allowed=False))
    tokens = Rule(from_party="DE*MSP", to_party="FR*CPO", module="tokens", allowed=True)
    await set_rule(any_console.context, tokens)
    page = (await any_console.viewer.get("/console/hub?of=de,fr")).text
    assert '<span class="some">tokens</span>' in page
    assert page.count('<th scope="row">') == 2
    only = (await any_console.viewer.get("/console/hub?of=de,fr&module=cdrs")).text
    assert '<span class="badge denied">denied</span>' in only
    assert "cdrs only" in only
    assert "and 0 of them begin so" in (await any_console.viewer.get("/console/hub?of=XX")).text


async def test_an_admin_sets_and_forgets_rules(any_console: Console) -> None:
    admin = any_console.admin
    said = await admin.after(await admin.post("/console/hub/agreements", **RULE, both="yes"))
    assert "DE*MSP may not send FR*CPO anything. FR*CPO may not send DE*MSP anything." in said
    forgotten = await admin.post("/console/hub/agreements/forget", **part(RULE))
    assert "Nothing is agreed from DE*MSP to FR*CPO any more." in await admin.after(forgotten)
    again = await admin.post("/console/hub/agreements/forget", **part(RULE))
    assert again.status_code == 404
    left = [(rule.from_party, rule.to_party) for rule in await list_rules(any_console.context)]
    assert left == [("FR*CPO", "DE*MSP")]


async def test_a_wrong_party_is_named_and_what_was_typed_is_kept(any_console: Console) -> None:
    wrong = {**RULE, "to_party": "Germany", "module": "cdrs"}
    answer = await any_console.admin.post("/console/hub/agreements", **wrong)
    assert answer.status_code == 400
    assert "Germany: a party is due, such as DE*ABC" in answer.text
    assert 'value="Germany"' in answer.text
    assert 'hx-get="/console/hub"' in answer.text
    assert "<option selected>cdrs</option>" in answer.text
    assert await list_rules(any_console.context) == []


async def test_nobody_but_an_admin_makes_rules(any_console: Console) -> None:
    for browser in (any_console.viewer, any_console.operator):
        assert "Set the rule" not in (await browser.get("/console/hub")).text
        assert (await browser.post("/console/hub/agreements", **RULE)).status_code == 403
        forget = await browser.post("/console/hub/agreements/forget", **part(RULE))
        assert forget.status_code == 403
    foreign = replace(any_console.admin, csrf="guessed")
    answer = await foreign.post("/console/hub/agreements", **RULE)
    assert "grown old" in answer.text
    assert await list_rules(any_console.context) == []


def part(rule: Mapping[str, str]) -> dict[str, str]:
    """What names a rule."""
    return {name: rule[name] for name in ("from_party", "to_party", "module")}
