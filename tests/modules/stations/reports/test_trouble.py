"""What cannot be told or billed is kept, said, and mended by trying again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal

import pytest
from sqlmodel import select

from modules.cdrs.own import post_own
from modules.sessions.own import patch_own as patch_session
from modules.stations.charges import Charge
from modules.stations.reports.charging import prefer_tariff
from modules.tokens.store import hub_tokens
from ocpi.headers import Party
from ocpi.spec.moments import format_moment, moment_of
from ocpi.testing import samples
from tests.house import (
    OURS,
    OWNER,
)
from tests.modules.stations.reports.yard import (
    TARIFF,
    UID,
    Yard,
    at,
    energy_of,
    meter,
    open_yard,
    start,
    station,
    stop,
)


@pytest.fixture
async def yard(database_url: str) -> AsyncIterator[Yard]:
    async with open_yard(database_url) as opened:
        yield opened


@pytest.fixture
async def local(sqlite_url: str) -> AsyncIterator[Yard]:
    async with open_yard(sqlite_url) as opened:
        yield opened


async def test_the_id_of_a_charge_that_there_is_not_is_refused(local: Yard) -> None:
    for number, status in (("1", 404), ("0", 400), (str(2**31), 400), ("x", 400)):
        answer = await local.service.admin.post(f"/admin/charges/{number}/bill")
        assert answer.status_code == status, number
        assert answer.json()["error"]


async def test_an_unknown_token_is_kept_and_billed_once_it_is_known(yard: Yard) -> None:
    outcomes = await yard.report(start(token={"uid": "NEW"}), meter(kwh=103), stop(kwh=105))
    assert [each["result"] for each in outcomes] == ["taken"] * 3
    assert "The token NEW is not known" in outcomes[0]["note"]
    assert await yard.sessions() == []
    [listed] = await yard.listed(trouble=True)
    again = await yard.bill(listed["id"])
    assert (again["result"], again["note"]) == ("kept", listed["trouble"])
    await yard.add_token(uid="NEW")
    outcome = await yard.bill(listed["id"])
    cdr = await yard.cdr()
    assert (outcome["result"], outcome["cdr_id"], cdr["total_energy"]) == ("taken", cdr["id"], 5)
    assert await yard.listed(trouble=True) == []
    assert (await yard.bill(listed["id"]))["result"] == "repeated"
    assert len(await yard.cdrs()) == 1


@pytest.mark.parametrize("wrong", [None, {"uid": "TYPO"}])
@pytest.mark.parametrize("ended", [False, True])
async def test_a_start_that_comes_again_with_the_right_token_is_taken(
    local: Yard, wrong: dict[str, str] | None, *, ended: bool
) -> None:
    reports = [start(token=wrong), start(), stop(kwh=105)]
    outcomes = await local.report(*(reports[each] for each in ((0, 2, 1) if ended else (0, 1, 2))))
    assert [each["result"] for each in outcomes] == ["taken"] * 3
    cdr = await local.cdr()
    assert (cdr["total_energy"], outcomes[2]["cdr_id"]) == (5, cdr["id"])
    assert cdr["cdr_token"] == samples.cdr_token()
    assert await local.listed(trouble=True) == []
    [outcome] = await local.report(start(token=wrong))
    assert outcome["result"] == "repeated"


async def test_a_start_that_comes_again_and_names_nobody_changes_nothing(local: Yard) -> None:
    outcomes = await local.report(*(start(token=each) for each in ({"uid": "NEW"}, None)))
    assert [each["result"] for each in outcomes] == ["taken", "repeated"]
    outcomes = await local.report(start(token={"uid": "NEW"}))
    assert outcomes[0]["result"] == "repeated"
    await local.add_token(uid="NEW")
    [listed] = await local.listed(trouble=True)
    await local.bill(listed["id"])
    assert (await local.session())["cdr_token"]["uid"] == "NEW"


async def test_a_session_under_the_id_of_one_that_has_ended_is_kept_for_staff(yard: Yard) -> None:
    await yard.report(start(), stop(kwh=120))
    again = start(moment=at(120), kwh=120)
    later = [again, meter(moment=at(130), kwh=130), stop(moment=at(150), kwh=160)]
    assert [each["result"] for each in await yard.report(*later)] == ["kept"] * 3
    [listed] = await yard.listed(trouble=True)
    assert listed["trouble"].startswith(
        "A session of 2026-03-01T12:00:00Z at EVSE-1 was reported under the transaction_id of this "
        "one, which had ended. It is neither told nor billed"
    )
    assert "kwh 160" in listed["notes"][-1]
    assert (await yard.bill(listed["id"]))["result"] == "repeated"
    # What is a mere repetition stays one.
    await yard.report(*later, start(), stop(kwh=120))
    assert await yard.listed(trouble=True) == []
    assert (await yard.cdr())["total_energy"] == 20


async def test_a_session_that_is_billed_late_tells_then_of_the_other_one_under_its_id(
    database_url: str,
) -> None:
    async with open_yard(database_url, tariff=None) as yard:
        await yard.report(start(), stop(kwh=120), start(moment=at(120), kwh=120))
        [listed] = await yard.listed(trouble=True)
        assert listed["trouble"].startswith("None of the Connector's Tariffs is known")
        await yard.put_tariff(TARIFF)
        outcome = await yard.bill(listed["id"])
        assert (outcome["result"], outcome["cdr_id"]) == ("taken", (await yard.cdr())["id"])
        assert outcome["note"].startswith("A session of 2026-03-01T12:00:00Z")
        assert len(await yard.listed(trouble=True)) == 1
        await yard.bill(listed["id"])
        assert await yard.listed(trouble=True) == []


async def test_a_token_that_two_emsps_have_is_nobodys(local: Yard) -> None:
    await local.add_token(country_code="FR", party_id="OTH")
    [outcome] = await local.report(start())
    [listed] = await local.listed(trouble=True)
    assert outcome["note"] == listed["trouble"]
    assert listed["trouble"].startswith(f"The token {UID} is one of DE*MSP and one of FR*OTH, so")
    assert "Ask them whose driver it was, and bill it by POST /admin/cdrs" in listed["trouble"]
    assert await local.sessions() == []


async def test_a_token_that_our_cpo_and_the_hub_were_told_is_one(local: Yard) -> None:
    """AT-44."""
    newer = samples.token(contract_id="NEWER", last_updated="2026-06-01T00:00:00Z")
    owner = Party(newer["country_code"], newer["party_id"])
    async with local.database.write() as db:
        await hub_tokens.put(db, owner, hub_tokens.identify(newer), newer)
    await local.report(start())
    assert (await local.session())["cdr_token"]["contract_id"] == "NEWER"


@pytest.mark.req("SE-21")
async def test_a_session_without_its_tariff_is_told_without_price_and_billed_later(
    database_url: str,
) -> None:
    async with open_yard(database_url, tariff=None) as yard:
        await yard.report(start(), meter(kwh=103))
        running = await yard.session()
        assert (running["kwh"], "total_cost" in running) == (3, False)
        [outcome] = await yard.report(stop(kwh=105))
        assert outcome["note"] == "None of the Connector's Tariffs is known: TARIFF-1."
        assert (await yard.session())["status"] == "COMPLETED"
        assert await yard.cdrs() == []
        [outcome] = await yard.report(meter(moment=at(20), kwh=104))
        assert outcome["result"] == "kept"
        await yard.put_tariff(TARIFF)
        [listed] = await yard.listed(trouble=True)
        await yard.bill(listed["id"])
        cdr = await yard.cdr()
        assert (cdr["total_energy"], cdr["total_cost"]["excl_vat"]) == (5, Decimal("3.50"))
        assert cdr["id"] == running["id"]
        assert await yard.listed(trouble=True) == []


async def test_a_session_without_a_tariff_for_its_driver_is_billed_later_to_whom_it_was_told(
    database_url: str,
) -> None:
    ad_hoc = samples.tariff(**OWNER, type="AD_HOC_PAYMENT")
    async with open_yard(database_url, tariff=ad_hoc) as yard:
        [_, outcome] = await yard.report(start(), stop(kwh=105))
        assert outcome["note"] == (
            "No Tariff of the Connector is for REGULAR at 2026-03-01T10:00:00Z: TARIFF-1."
        )
        assert await yard.cdrs() == []
        await yard.add_token(contract_id="ANOTHER", last_updated="2099-01-01T00:00:00Z")
        await yard.put_tariff(TARIFF)
        [listed] = await yard.listed(trouble=True)
        await yard.bill(listed["id"])
        told, billed = (await yard.session())["cdr_token"], (await yard.cdr())["cdr_token"]
        assert billed == told
        assert billed["contract_id"] == samples.token()["contract_id"]


@pytest.mark.req("TA-09", "CD-13")
async def test_a_session_before_its_tariff_is_valid_is_not_billed_by_it(database_url: str) -> None:
    yet_to_come = {**TARIFF, "start_date_time": at(60)}
    async with open_yard(database_url, tariff=yet_to_come) as yard:
        [_, outcome] = await yard.report(start(), stop(kwh=105))
        assert outcome["note"] == (
            "No Tariff of the Connector is for REGULAR at 2026-03-01T10:00:00Z: TARIFF-1."
        )
        assert await yard.cdrs() == []
        await yard.put_tariff(TARIFF)
        [listed] = await yard.listed(trouble=True)
        await yard.bill(listed["id"])
        assert (await yard.cdr())["total_energy"] == 5


@pytest.mark.req("TA-09")
async def test_staff_are_told_of_a_session_that_is_priced_by_a_tariff_that_is_over(
    sqlite_url: str,
) -> None:
    over = {**TARIFF, "end_date_time": "2026-02-01T00:00:00Z"}
    async with open_yard(sqlite_url, tariff=over) as yard:
        await yard.report(start(), stop(kwh=105))
        assert (await yard.cdr())["total_energy"] == 5
        [[note]] = [listed["notes"] for listed in await yard.listed()]
        assert note == (
            "The Tariff TARIFF-1 ended on 2026-02-01T00:00:00Z: it prices the session from "
            "2026-03-01T10:00:00Z on, since none was valid then."
        )


@pytest.mark.req("SE-24")
async def test_a_session_whose_meter_counts_on_below_its_start_is_not_billed_by_itself(
    local: Yard,
) -> None:
    await local.report(start(kwh=106_000), meter(kwh=103), meter(moment=at(20), kwh=104))
    await local.report(stop(kwh=105))
    [listed] = await local.listed(trouble=True)
    assert listed["trouble"] == (
        "The meter began at 106000 kWh and counted from 103 to 105 kWh then, so its energy is not "
        "known. Find out what was charged, and bill it by POST /admin/cdrs under the session_id; "
        "then bill this one again, to have it listed no more."
    )
    session = await local.session()
    assert (session["status"], session["kwh"], "total_cost" in session) == ("COMPLETED", 0, False)
    assert await local.cdrs() == []


@pytest.mark.req("SE-24")
async def test_a_running_session_corrects_itself_after_a_value_that_was_too_high(
    local: Yard,
) -> None:
    known = []
    await local.report(start())
    for minute, kwh in ((10, 105), (20, 106_000), (30, 110)):
        await local.report(meter(moment=at(minute), kwh=kwh))
        session = await local.session()
        assert session["kwh"] == energy_of(session)
        known.append(session["kwh"])
    assert known == [5, 105_900, 10]
    await local.report(stop(moment=at(40), kwh=115))
    cdr = await local.cdr()
    assert (await local.session())["kwh"] == cdr["total_energy"] == energy_of(cdr) == 15
    assert await local.listed(trouble=True) == []
    [listed] = await local.listed()
    assert listed["notes"] == [
        "The 106000 kWh of 2026-03-01T10:20:00Z are more than the meter had later: not used."
    ]


async def test_a_bill_of_somebody_else_under_the_same_id_costs_no_report(local: Yard) -> None:
    await local.report(start())
    session = await local.session()
    other = samples.cdr(**OWNER, id=session["id"], session_id=session["id"])
    await post_own(local.database, OURS, other)
    [outcome] = await local.report(stop(kwh=105))
    assert outcome["result"] == "taken"
    assert "Somebody else billed it" in outcome["note"]
    assert ((await local.session())["status"], len(await local.cdrs())) == ("COMPLETED", 1)


@pytest.mark.req("SE-14")
async def test_a_session_that_staff_made_invalid_is_not_billed(local: Yard) -> None:
    await local.report(start())
    session = await local.session()
    await patch_session(local.database, OURS, session["id"], {"status": "INVALID"})
    invalid = await local.session()
    await local.report(meter(kwh=103))
    [outcome] = await local.report(stop(kwh=105))
    assert outcome["note"] == "Its Session is INVALID: it is not billed."
    assert (await local.session(), await local.cdrs()) == (invalid, [])


@pytest.mark.req("CD-18")
async def test_another_tariff_prices_a_running_session_from_the_moment_it_was_wished(
    sqlite_url: str,
) -> None:
    # By one price at all hours: the report is about now, which may be the hour of another one.
    regular, fast = (
        samples.tariff(**OWNER, **each) for each in ({}, {"id": "FAST", "type": "PROFILE_FAST"})
    )
    evse = samples.evse(1, connectors=[samples.connector(1, tariff_ids=["TARIFF-1", "FAST"])])
    async with open_yard(sqlite_url, tariff=regular, location=station(evses=[evse])) as yard:
        await yard.put_tariff(fast)
        since = format_moment(moment_of(await yard.now()) - timedelta(minutes=10))
        await yard.report(start(moment=since))
        async with yard.database.write() as db:
            charge = (await db.exec(select(Charge).with_for_update())).one()
            for _ in range(2):
                await prefer_tariff(db, yard.service.context.settings, charge, "PROFILE_FAST")
        later = format_moment(moment_of(await yard.now()) + timedelta(minutes=2))
        await yard.report(stop(moment=later, kwh=112))
        cdr = await yard.cdr()
        assert [each["tariff_id"] for each in cdr["charging_periods"]] == ["TARIFF-1", "FAST"]
        assert (cdr["total_energy"], (await yard.session())["kwh"]) == (12, 12)


async def test_a_session_that_staff_have_billed_is_not_billed_again(database_url: str) -> None:
    async with open_yard(database_url, tariff=None) as yard:
        await yard.report(start(), stop(kwh=120))
        [listed] = await yard.listed(trouble=True)
        by_staff = samples.cdr(**OWNER, id="MANUAL-1", session_id=listed["session_id"])
        await post_own(yard.database, OURS, by_staff)
        await yard.put_tariff(TARIFF)
        outcome = await yard.bill(listed["id"])
        assert (outcome["result"], outcome["cdr_id"]) == ("kept", None)
        assert outcome["note"] == "Somebody else billed it: CDR MANUAL-1."
        assert [each["id"] for each in await yard.cdrs()] == ["MANUAL-1"]
        assert await yard.listed(trouble=True) == []
        [listed] = await yard.listed()
        assert listed["notes"] == [outcome["note"]]


async def test_a_stop_without_a_value_of_the_meter_is_billed_once_that_comes(
    database_url: str,
) -> None:
    async with open_yard(database_url) as yard:
        [_, outcome] = await yard.report(start(), stop())
        assert outcome["note"].startswith("Its meter told no two values")
        assert await yard.cdrs() == []
        [listed] = await yard.listed(trouble=True)
        assert (await yard.bill(listed["id"]))["result"] == "kept"
        [outcome] = await yard.report(stop(kwh=142.5))
        cdr = await yard.cdr()
        assert (outcome["result"], outcome["cdr_id"]) == ("taken", cdr["id"])
        assert cdr["total_energy"] == Decimal("42.5")
        assert await yard.listed(trouble=True) == []
        [outcome] = await yard.report(stop(kwh=150))
        assert outcome["result"] == "kept"


async def test_what_the_meter_said_before_a_stop_without_value_may_come_after_it(
    local: Yard,
) -> None:
    await local.report(start(), stop())
    [outcome] = await local.report(meter(moment=at(20), kwh=142.5))
    assert outcome["result"] == "taken"
    assert (await local.cdr())["total_energy"] == Decimal("42.5")


async def test_a_station_without_a_meter_is_billed_by_the_time_and_not_by_energy(
    sqlite_url: str,
) -> None:
    hourly = [{"price_components": [{"type": "TIME", "price": 2, "step_size": 1}]}]
    async with open_yard(sqlite_url, tariff=samples.tariff(**OWNER, elements=hourly)) as yard:
        await yard.report(start(kwh=None), stop())
        assert (await yard.cdr())["total_cost"]["excl_vat"] == 1
        await yard.put_tariff(TARIFF)
        now = moment_of(await yard.now())
        since, until = format_moment(now), format_moment(now + timedelta(minutes=2))
        [_, outcome] = await yard.report(start("t2", since, kwh=None), stop("t2", until))
        assert outcome["note"].startswith("Its meter told no two values")
