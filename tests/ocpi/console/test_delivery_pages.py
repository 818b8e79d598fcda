"""Deliveries: what is pending and parked, and what staff do about it."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from sqlalchemy import update
from sqlmodel import select

from credentials.forms import NewConnection
from credentials.handshake import connect
from modules.locations.own import create_own
from ocpi.database import clock
from ocpi.headers import Party
from ocpi.parties import Partner
from ocpi.push.feed import Stream
from ocpi.push.lanes import ParkedObject, PartnerLane
from ocpi.push.parking import Why
from ocpi.testing.samples import location
from tests.credentials.network import Puppet, envelope
from tests.ocpi.console.browsing import Console

SHINY = "/console/deliveries/shiny"
OURS = Party("NL", "CPO")


@pytest.fixture
async def shiny(console: Console, puppet: Puppet) -> Puppet:
    """Give a partner that is behind on one Location."""
    wish = NewConnection(name="shiny", versions_url="http://emsp.test/versions", token="a-token")
    await connect(console.context, wish)
    async with console.context.database.write() as db:
        place = location(country_code="NL", party_id="CPO", id="LOC1")
        await create_own(db, OURS, [place])
    return puppet


async def park(console: Console, *keys: str, kind: Why = Why.REJECTED) -> None:
    async with console.context.database.write() as db:
        partner = (await db.exec(select(Partner))).one()
        now = await clock(db)
        for key in keys:
            db.add(
                ParkedObject(
                    partner_id=partner.key,
                    object_key=key,
                    seq=1,
                    kind=kind.value,
                    attempts=3,
                    error="HTTP 200, OCPI 2001: <b>no</b> such thing",
                    first_failed_at=now,
                )
            )


async def parked(console: Console) -> Sequence[ParkedObject]:
    async with console.context.database.read() as db:
        return (await db.exec(select(ParkedObject))).all()


async def test_without_partners_nobody_is_told_anything(console: Console) -> None:
    page = (await console.viewer.get("/console/deliveries")).text
    assert "No partner has registered yet" in page
    audited = (await console.viewer.get("/console/deliveries?audit=yes")).text
    assert "0 should have one, 0 wait" in audited


@pytest.mark.parametrize("path", ["/nobody", "/nobody/drop?key=x"])
async def test_a_partner_that_is_not_there_is_not_found(console: Console, path: str) -> None:
    answer = await console.operator.get(f"/console/deliveries{path}")
    assert answer.status_code == 404
    assert "There is no partner nobody" in answer.text


@pytest.mark.usefixtures("shiny")
async def test_what_is_pending_and_parked_is_listed_with_its_reason(console: Console) -> None:
    await park(console, "locations/nl*cpo*loc2", kind=Why.DEAD)
    page = (await console.viewer.get(SHINY)).text
    assert "locations/nl*cpo*loc1" in page
    assert "locations/nl*cpo*loc2" in page
    assert "The partner refused it too often." in page
    assert "&lt;b&gt;no&lt;/b&gt; such thing" in page
    assert "1 dead" in (await console.viewer.get("/console/deliveries")).text
    assert "Retry" not in page


@pytest.mark.usefixtures("shiny")
async def test_long_lists_have_pages(console: Console) -> None:
    await park(console, *(f"locations/nl*cpo*p{number:03}" for number in range(51)))
    first = (await console.viewer.get(SHINY)).text
    assert "p049" in first
    assert "p050" not in first
    assert "?parked=2" in first
    second = (await console.viewer.get(f"{SHINY}?parked=2")).text
    assert "p050" in second
    assert "p049" not in second
    assert "There is nothing more." in (await console.viewer.get(f"{SHINY}?parked=3")).text


@pytest.mark.usefixtures("shiny")
async def test_an_operator_retries_one_object_or_all(console: Console) -> None:
    await park(console, "locations/nl*cpo*a", "locations/nl*cpo*b", kind=Why.DEAD)
    one = await console.operator.post(f"{SHINY}/retry", key="locations/nl*cpo*a")
    assert "locations/nl*cpo*a is tried again now." in await console.operator.after(one)
    every = await console.operator.post(f"{SHINY}/retry")
    assert "2 parked objects are tried again now." in await console.operator.after(every)
    assert {(each.kind, each.next_at is None) for each in await parked(console)} == {
        ("rejected", False)
    }
    gone = await console.operator.post(f"{SHINY}/retry", key="locations/nl*cpo*c")
    assert gone.status_code == 404


@pytest.mark.usefixtures("shiny")
async def test_the_last_failure_is_shown_wherever_lanes_are_listed_while_something_is_untold(
    console: Console,
) -> None:
    async def seen() -> set[bool]:
        pages = [await console.viewer.get(path) for path in ("/console", "/console/deliveries")]
        return {"HTTP 400: &lt;no&gt;" in page.text for page in pages}

    async with console.context.database.write() as db:
        up_to_date = dict.fromkeys(Stream, 1000)
        await db.exec(update(PartnerLane).values(last_error="HTTP 400: <no>", cursors=up_to_date))
    assert await seen() == {False}
    await park(console, "locations/nl*cpo*a")
    assert await seen() == {True}


@pytest.mark.usefixtures("shiny")
@pytest.mark.pitfall("IP-38")
async def test_a_pause_that_the_partner_has_asked_for_is_seen(console: Console) -> None:
    await park(console, "locations/nl*cpo*a")
    async with console.context.database.write() as db:
        await db.exec(update(PartnerLane).values(paused_until=4_102_444_800_000_000))
    for path in (SHINY, "/console", "/console/deliveries", "/console/partners/shiny"):
        page = (await console.viewer.get(path)).text
        assert "It has asked for a pause" in page
        assert "2100-01-01 00:00:00 UTC" in page
    said = await console.operator.post(f"{SHINY}/retry")
    assert "is tried again after the pause" in await console.operator.after(said)


@pytest.mark.usefixtures("shiny")
async def test_a_cdr_is_dropped_by_who_knows_that_nobody_will_pay_it(console: Console) -> None:
    key = "cdrs/nl*cpo*bill"
    await park(console, key)
    asked = await console.operator.get(f"{SHINY}/drop?key={key}")
    assert "nobody will pay it" in asked.text
    refused = await console.operator.post(f"{SHINY}/drop", key=key)
    assert refused.status_code == 409
    assert "Tick that you know" in refused.text
    assert [each.kind for each in await parked(console)] == ["rejected"]
    dropped = await console.operator.post(f"{SHINY}/drop", key=key, force="yes")
    assert "is not told cdrs/nl*cpo*bill" in await console.operator.after(dropped)
    assert [each.kind for each in await parked(console)] == ["dropped"]


@pytest.mark.usefixtures("shiny")
async def test_other_objects_are_dropped_without_a_warning(console: Console) -> None:
    key = "locations/nl*cpo*a"
    await park(console, key)
    assert "This is a CDR" not in (await console.operator.get(f"{SHINY}/drop?key={key}")).text
    assert (await console.operator.post(f"{SHINY}/drop", key=key)).status_code == 303
    assert [each.kind for each in await parked(console)] == ["dropped"]


@pytest.mark.usefixtures("shiny")
@pytest.mark.parametrize(
    ("since", "sentence"), [("yesterday", "no moment such as"), ("", "a moment is due")]
)
async def test_a_wrong_moment_is_told_beside_the_form_and_kept(
    console: Console, since: str, sentence: str
) -> None:
    answer = await console.operator.post(f"{SHINY}/rewind", since=since)
    assert answer.status_code == 400
    assert sentence in answer.text
    assert f'name="since" value="{since}"' in answer.text
    assert f'hx-get="{SHINY}"' in answer.text


@pytest.mark.usefixtures("shiny")
async def test_a_partner_is_told_everything_again(console: Console) -> None:
    async def epoch() -> int:
        async with console.context.database.read() as db:
            return (await db.exec(select(PartnerLane))).one().epoch

    before = await epoch()
    answer = await console.operator.post(f"{SHINY}/rewind", everything="yes")
    assert "shiny is told everything again." in await console.operator.after(answer)
    assert await epoch() == before + 1


async def test_drift_is_found_first_and_mended_in_a_second_step(
    console: Console, shiny: Puppet
) -> None:
    async with console.context.database.write() as db:
        lane = (await db.exec(select(PartnerLane))).one()
        lane.cursors = {"money": 99, "state": 99}
    path = "GET /locations/NL/CPO/LOC1"
    shiny.answers[path] = envelope(status_code=2003, message="unknown")
    found = await console.operator.post(f"{SHINY}/verify", module="locations")
    assert found.status_code == 200
    assert "Tell it again what differs or is missing" in found.text
    assert await parked(console) == []
    mended = await console.operator.post(f"{SHINY}/verify", module="locations", repair="yes")
    assert "1 object is told again." in mended.text
    assert [each.kind for each in await parked(console)] == ["late"]
    wrong = await console.operator.post(f"{SHINY}/verify", module="cdrs")
    assert wrong.status_code == 400
    assert "module: can be locations" in wrong.text


@pytest.mark.usefixtures("shiny")
@pytest.mark.parametrize("act", ["retry", "drop", "rewind", "verify"])
async def test_a_viewer_and_another_site_change_nothing(console: Console, act: str) -> None:
    await park(console, "locations/nl*cpo*a")
    form = {"key": "locations/nl*cpo*a", "everything": "yes"}
    refused = await console.viewer.post(f"{SHINY}/{act}", **form)
    assert refused.status_code == 403
    assert "it takes an operator" in refused.text
    foreign = replace(console.operator, csrf="guessed")
    assert "grown old" in (await foreign.post(f"{SHINY}/{act}", **form)).text
    assert [(each.kind, each.next_at) for each in await parked(console)] == [("rejected", None)]


async def test_each_database_answers_what_the_pages_ask(any_console: Console) -> None:
    any_console.network.hosts["emsp.test"] = Puppet()
    wish = NewConnection(name="shiny", versions_url="http://emsp.test/versions", token="a-token")
    await connect(any_console.context, wish)
    async with any_console.context.database.write() as db:
        place = location(country_code="NL", party_id="CPO", id="LOC1")
        await create_own(db, OURS, [place])
    await park(any_console, "locations/nl*cpo*loc2")
    page = (await any_console.viewer.get(f"{SHINY}?audit=yes")).text
    assert "locations/nl*cpo*loc1" in page
    assert "locations/nl*cpo*loc2" in page
    assert "0 should have one, 0 wait" in page
    partner = (await any_console.viewer.get("/console/partners/shiny")).text
    assert "CDRs accepted, with receipt" in partner
    steps = (await any_console.viewer.get("/console/partners/shiny/joining")).text
    assert steps.count('class="done"') == 3
