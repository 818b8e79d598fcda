"""Sessions of which no stop is reported: when they end, and when they do not."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlmodel import col, update

from modules.locations.own import put_own
from modules.locations.parts import Place
from modules.stations.charges import Charge
from tests.house import (
    OURS,
)
from tests.modules.stations.reports.yard import (
    Yard,
    at,
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


@pytest.mark.req("LO-27")
async def test_an_evse_has_one_session_and_the_older_one_ends_after_an_hour(yard: Yard) -> None:
    await yard.report(start("old"), meter("old", at(10), kwh=104), start("new", at(20), kwh=105))
    waiting = {each.transaction_key: each.closing_at for each in await yard.charges()}
    assert waiting["loc-1*new"] is None
    assert abs((waiting["loc-1*old"] or 0) - await yard.now() - 3600_000_000) < 60_000_000
    assert await yard.pass_grace() == 1
    cdr = await yard.cdr()
    assert (cdr["total_energy"], cdr["end_date_time"]) == (4, at(10))
    [old] = [each for each in await yard.listed() if each["transaction_id"] == "old"]
    assert old["notes"] == ["No stop was reported; it ends at the last that is known of it."]
    [late] = await yard.report(stop("old", at(15), kwh=106))
    assert late["result"] == "kept"
    await yard.report(stop("new", kwh=109))
    assert [each["total_energy"] for each in await yard.cdrs()] == [4, 4]


async def test_a_stop_that_comes_within_the_hour_ends_the_older_session(local: Yard) -> None:
    await local.report(start("old"), start("new", at(20)), stop("old", at(15), kwh=106))
    assert await local.pass_grace() == 0
    assert (await local.cdr())["total_energy"] == 6


async def test_an_old_start_that_comes_late_lets_no_newer_session_close(local: Yard) -> None:
    await local.report(start("new", at(20)), start("old", at(0)))
    waiting = {each.transaction_key: each.closing_at for each in await local.charges()}
    assert waiting["loc-1*new"] is None
    assert waiting["loc-1*old"] is not None


async def test_a_boot_lets_sessions_close_that_it_does_not_list_and_that_began_before(
    yard: Yard,
) -> None:
    await yard.report(
        start("lost", evse_uid="EVSE-1"),
        start("kept", evse_uid="EVSE-2"),
        start("newer", at(20), evse_uid="EVSE-3", connector_id="1"),
    )
    [outcome] = await yard.report({"type": "boot", "at": at(15), "running": ["KEPT"]})
    assert outcome["note"] == "1 sessions end in an hour unless their stop is reported."
    assert await yard.pass_grace() == 1
    assert [each["status"] for each in await yard.sessions()] == ["COMPLETED", "ACTIVE", "ACTIVE"]


async def test_a_session_that_goes_on_after_a_boot_is_not_closed_meanwhile(local: Yard) -> None:
    await local.report(start(), {"type": "boot"})
    async with local.database.write() as db:
        await db.exec(update(Charge).where(col(Charge.open).is_(True)).values(closing_at=1))
    await local.report(meter(kwh=103))
    [charge] = await local.charges()
    assert (charge.closing_at or 0) > await local.now()


async def test_a_location_whose_id_begins_like_another_is_another_station(local: Yard) -> None:
    async with local.database.write() as db:
        await put_own(db, OURS, Place("LOC-1*X"), station(id="LOC-1*X"))
    answer = await local.service.admin.post(
        "/admin/stations/LOC-1*X/reports", json=[start("Y"), start("Z", evse_uid="EVSE-2")]
    )
    assert [each["result"] for each in answer.json()["results"]] == ["taken", "taken"]
    [outcome] = await local.report({"type": "boot"})
    assert "note" not in outcome
    assert [each["result"] for each in await local.report(start("X*Y"))] == ["taken"]
    assert len(await local.sessions()) == 3
