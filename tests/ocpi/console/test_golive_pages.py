"""Before a partner goes live: rules, preview, and the check, at the console."""

import asyncio
import json
import time
from collections.abc import AsyncIterator

import pytest
from sqlmodel import select

from credentials.partners import add_partner
from modules.locations.own import create_own
from modules.tariffs.own import put_own
from ocpi.console import checks
from ocpi.errors import Conflict
from ocpi.golive.asking import Writes
from ocpi.golive.checking import PartnerCheck
from ocpi.headers import Party
from ocpi.parties import Partner, PlatformID
from ocpi.testing.samples import location, tariff
from tests.ocpi.console.browsing import Console, open_console

AT = "/console/partners/shiny"
OURS = Party("NL", "CPO")


@pytest.fixture
async def shiny(any_console: Console) -> Console:
    """Give the console of a CPO with Locations in two countries, and a partner."""
    await add_partner(any_console.context, "shiny", PlatformID.CPO, [("EMSP", Party("DE", "MSP"))])
    owner = {"country_code": "NL", "party_id": "CPO"}
    async with any_console.context.database.write() as db:
        places = [location(**owner, id=f"L{n}", country=c) for n, c in enumerate(("FRA", "DEU"))]
        await create_own(db, OURS, places)
    return any_console


@pytest.fixture
async def unchecked(sqlite_url: str) -> AsyncIterator[Console]:
    """Give the console of a CPO whose partners must pass the check."""
    async with open_console(sqlite_url, require_check=True) as opened:
        await add_partner(opened.context, "shiny", PlatformID.CPO, [("EMSP", Party("DE", "MSP"))])
        yield opened


async def test_an_admin_adds_a_rule_sees_what_it_hides_and_removes_it(shiny: Console) -> None:
    added = await shiny.admin.post(f"{AT}/rules", module="locations", country="FR")
    page = await shiny.admin.after(added)
    assert "rule 1 shows only locations with country FRA" in page
    assert "0 more objects are visible, 1 more are hidden." in page
    seen = (await shiny.viewer.get(f"{AT}/preview")).text
    assert "no rule shows it (rule 1 shows only locations with country FRA)" in seen
    hidden = (await shiny.viewer.get(f"{AT}/preview?visible=no")).text
    assert "nl*cpo*l1" in hidden
    assert "nl*cpo*l0" not in hidden
    removed = await shiny.admin.post(f"{AT}/rules/remove", number="1")
    page = await shiny.admin.after(removed)
    assert "Rule 1 is removed: 1 more objects are visible" in page
    assert "It has no rules." in page


async def test_a_rule_that_cannot_be_is_refused_and_what_was_typed_is_kept(
    shiny: Console,
) -> None:
    for sentence, form in {
        "is no condition for Tariffs": {"module": "tariffs", "country": "FR"},
        "is no country of ISO 3166": {"module": "locations", "country": "XX"},
        "module: ": {"module": "sessions"},
        "publish: &#39;perhaps&#39; is none of yes, no.": {"publish": "perhaps"},
        "tag: ": {"tag": "a|b"},
    }.items():
        answer = await shiny.admin.post(f"{AT}/rules", id="KEPT", **form)
        assert answer.status_code == 400
        assert sentence in answer.text
        assert 'value="KEPT"' in answer.text
        assert "It has no rules." in answer.text


async def test_a_rule_that_is_not_there_is_named(shiny: Console) -> None:
    answer = await shiny.admin.post(f"{AT}/rules/remove", number="7")
    assert answer.status_code == 404
    assert "shiny has no rule 7" in answer.text


async def test_an_admin_sets_a_price_sees_what_it_changes_and_removes_it(shiny: Console) -> None:
    owner = {"country_code": "NL", "party_id": "CPO"}
    async with shiny.context.database.write() as db:
        for name in ("LIST", "DEAL"):
            await put_own(db, OURS, name, tariff(**owner, id=name))
    assert (
        "It gets the Tariffs that all others get." in (await shiny.viewer.get(f"{AT}/rules")).text
    )
    form = {"party": "NL*CPO", "tariff": "LIST"}
    wrong = await shiny.admin.post(f"{AT}/rules/tariffs", **form, instead="NONE")
    assert wrong.status_code == 400
    assert "There is no Tariff NONE of NL*CPO." in wrong.text
    assert 'value="LIST"' in wrong.text
    page = await shiny.admin.after(
        await shiny.admin.post(f"{AT}/rules/tariffs", **form, instead="DEAL")
    )
    assert "It gets DEAL instead of LIST: it is told 1 Locations and Tariffs anew." in page
    seen = (await shiny.viewer.get(f"{AT}/preview?module=tariffs")).text
    assert "its mapping gives it DEAL instead of LIST" in seen
    page = await shiny.admin.after(await shiny.admin.post(f"{AT}/rules/tariffs/remove", **form))
    assert "It gets LIST like others" in page
    gone = await shiny.admin.post(f"{AT}/rules/tariffs/remove", **form)
    assert gone.status_code == 404
    for place in ("tariffs", "tariffs/remove"):
        assert (await shiny.operator.post(f"{AT}/rules/{place}", **form)).status_code == 403


async def test_only_admins_change_rules(shiny: Console) -> None:
    page = (await shiny.operator.get(f"{AT}/rules")).text
    assert "It takes an admin to change them." in page
    assert (await shiny.operator.post(f"{AT}/rules", id="X")).status_code == 403


async def test_a_preview_has_pages_and_knows_its_modules(
    shiny: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocpi.console.golive.PAGE", 1)
    first = (await shiny.viewer.get(f"{AT}/preview")).text
    assert "It is not registered yet: this is what it will see." in first
    assert "page=2" in first
    second = (await shiny.viewer.get(f"{AT}/preview?page=2")).text
    assert "nl*cpo*l1" in second
    assert "There are no more." in (await shiny.viewer.get(f"{AT}/preview?page=3")).text
    wrong = await shiny.viewer.get(f"{AT}/preview?module=secrets")
    assert wrong.status_code == 400
    assert "module: can be locations" in wrong.text


async def test_a_partner_that_is_not_there_is_not_found(console: Console) -> None:
    for path in ("rules", "preview", "check", "check.html", "check/writes"):
        answer = await console.admin.get(f"/console/partners/nobody/{path}")
        assert answer.status_code == 404
        assert "There is no partner nobody" in answer.text


async def test_who_waits_for_the_check_is_told_why(unchecked: Console) -> None:
    for path in (AT, f"{AT}/check"):
        page = (await unchecked.viewer.get(path)).text
        assert "It gets no live data before it has passed" in page
    assert "It was never checked." in page
    assert "It takes an operator to check it." in page
    assert (await unchecked.viewer.get(f"{AT}/check.html")).status_code == 404


async def test_a_check_that_cannot_be_done_is_told_on_the_page(console: Console) -> None:
    await add_partner(console.context, "shiny", PlatformID.CPO, [("EMSP", Party("DE", "MSP"))])
    page = await console.operator.after(await console.operator.post(f"{AT}/check"))
    assert "The check could not be done: shiny is not registered" in page
    assert "Check it now" in page


async def test_only_admins_check_with_writes(console: Console) -> None:
    await add_partner(console.context, "shiny", PlatformID.CPO, [("EMSP", Party("DE", "MSP"))])
    assert (await console.operator.post(f"{AT}/check/writes")).status_code == 403
    assert (await console.operator.get(f"{AT}/check/writes")).status_code == 403
    assert "has agreed: check it" in (await console.admin.get(f"{AT}/check/writes")).text


async def test_a_check_is_not_waited_for_and_goes_on_once_at_a_time(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_partner(console.context, "shiny", PlatformID.CPO, [("EMSP", Party("DE", "MSP"))])
    begun, let_go = [], asyncio.Event()

    async def slow(_context: object, name: str, wishes: object, progress: object) -> None:
        assert callable(progress)
        progress("lists/tokens")
        begun.append((name, wishes))
        await let_go.wait()
        raise Conflict("It went away.")

    monkeypatch.setattr(checks, "check_partner", slow)
    monkeypatch.setattr(checks, "GRACE", 0.01)
    answer = await console.admin.post(f"{AT}/check/writes", cdr="yes")
    assert answer.headers["location"].startswith(f"{AT}/check?after=0&begun=")
    page = await console.admin.after(answer)
    assert "It is being checked: lists/tokens." in page
    assert "Check it now" not in page
    await console.operator.post(f"{AT}/check")
    assert begun == [("shiny", Writes(agreed=True, cdr=True))]
    let_go.set()
    async with asyncio.timeout(5):
        while "It went away." not in (await console.viewer.get(f"{AT}/check?after=0")).text:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_a_check_of_another_process_is_waited_for(console: Console) -> None:
    await add_partner(console.context, "shiny", PlatformID.CPO, [("EMSP", Party("DE", "MSP"))])
    now = int(time.time())
    page = (await console.viewer.get(f"{AT}/check?after=0&begun={now}")).text
    assert "It is being checked." in page
    # It has ended without a report by now, and with it perhaps the process.
    page = (await console.viewer.get(f"{AT}/check?after=0&begun={now - 1000}")).text
    assert "It is being checked." not in page
    assert "Check again." in page


async def test_a_check_ends_with_the_process(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    cancelled = asyncio.Event()

    async def endless(*_given: object) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    monkeypatch.setattr(checks, "check_partner", endless)
    monkeypatch.setattr(checks, "GRACE", 0.01)
    await add_partner(console.context, "shiny", PlatformID.CPO, [("EMSP", Party("DE", "MSP"))])
    await console.operator.post(f"{AT}/check")
    console.context.ending.set()
    await asyncio.wait_for(cancelled.wait(), 5)


async def test_why_a_check_failed_is_told_until_another_one_has_a_report(
    console: Console,
) -> None:
    await add_partner(console.context, "shiny", PlatformID.CPO, [("EMSP", Party("DE", "MSP"))])
    await console.operator.post(f"{AT}/check")
    assert "could not be done" in (await console.viewer.get(f"{AT}/check")).text
    report = {"at": "2026-01-02T03:04:05Z", "passed": True, "requests": 9, "wrote": False}
    report |= {"median_seconds": None, "checks": [], "proposals": []}
    async with console.context.database.write() as db:
        partner = (await db.exec(select(Partner))).one()
        # As another process, or the command, stores it.
        db.add(PartnerCheck(partner_id=partner.key, at=1, passed=True, report=json.dumps(report)))
    page = (await console.viewer.get(f"{AT}/check")).text
    assert "The last report" in page
    assert "could not be done" not in page
