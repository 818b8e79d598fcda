"""Reservations whose time is over: a start within it may be reported late, and is billed once."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlmodel import update

from modules.commands.reservations import Reservation
from modules.stations.consequences import expire
from modules.stations.reports.charging import GRACE
from tests.modules.stations.reports.test_reservations import MINUTE, PAID, accept, ago, ask
from tests.modules.stations.reports.yard import Document, Yard, open_yard, start, stop


@pytest.fixture
async def yard(database_url: str) -> AsyncIterator[Yard]:
    async with open_yard(database_url, tariff=PAID) as opened:
        yield opened


@pytest.fixture
async def local(sqlite_url: str) -> AsyncIterator[Yard]:
    async with open_yard(sqlite_url, tariff=PAID) as opened:
        yield opened


async def hold(yard: Yard, *, expired: int) -> int:
    """A reservation of half an hour that expired so many microseconds ago; gives our number."""
    errand_id, number = await ask(yard)
    await yard.report(accept(errand_id, evse_uid="EVSE-1"))
    until = await yard.now() - expired
    async with yard.database.write() as db:
        moments = {"held_at": until - 30 * MINUTE, "expires_at": until}
        await db.exec(update(Reservation).values(moments))
    return number


async def pass_by(yard: Yard, number: int) -> str:
    """Have done what is due; gives what has become of the reservation."""
    for _ in range(3):
        async with yard.database.write() as db:
            await expire(db, number)
    [reservation] = await yard.reservations()
    return reservation.fate


@pytest.mark.req("SE-17")
@pytest.mark.parametrize("named", [True, False])
async def test_a_start_in_time_that_is_reported_late_uses_the_reservation_and_is_billed_once(
    yard: Yard, *, named: bool
) -> None:
    number = await hold(yard, expired=20 * MINUTE)
    assert await pass_by(yard, number) == "lapsed"
    reserved = await yard.session()
    began, ended = await ago(yard, 30), await ago(yard, 10)
    begun = start(moment=began, reservation_id=number if named else None)
    await yard.report(begun, stop(moment=ended, kwh=105))
    cdr = await yard.cdr()
    assert cdr["id"] == reserved["id"]
    assert (cdr["total_energy"], cdr["total_reservation_cost"]["excl_vat"]) == (5, 2)
    assert await pass_by(yard, number) == "used"
    assert ((await yard.session())["status"], len(await yard.cdrs())) == ("COMPLETED", 1)


async def test_a_start_that_comes_with_its_stop_uses_the_reservation_too(local: Yard) -> None:
    number = await hold(local, expired=20 * MINUTE)
    await pass_by(local, number)
    offline = start(moment=await ago(local, 30))
    for each in ("type", "transaction_id"):
        del offline[each]
    await local.report(stop(moment=await ago(local, 10), kwh=105, start=offline))
    assert (await local.cdr())["total_reservation_cost"]["excl_vat"] == 2


@pytest.mark.req("SE-17")
async def test_a_start_after_its_time_does_not_use_a_reservation(local: Yard) -> None:
    number = await hold(local, expired=20 * MINUTE)
    await pass_by(local, number)
    await local.report(start(moment=await ago(local, 10)))
    assert [each["status"] for each in await local.sessions()] == ["RESERVATION", "ACTIVE"]
    assert await pass_by(local, number) == "lapsed"


@pytest.mark.req("SE-17")
async def test_a_reservation_that_nobody_used_is_billed_once_no_start_is_waited_for(
    yard: Yard,
) -> None:
    number = await hold(yard, expired=GRACE)
    assert await pass_by(yard, number) == "expired"
    session, cdr = await yard.session(), await yard.cdr()
    [reservation] = await yard.reservations()
    assert (session["status"], cdr["total_cost"]["excl_vat"]) == ("COMPLETED", 2)
    assert cdr["id"] == reservation.session_id


async def test_what_lapsed_is_neither_dropped_nor_held_any_more(local: Yard) -> None:
    number = await hold(local, expired=MINUTE)
    await pass_by(local, number)
    [outcome] = await local.report({"type": "reservation_dropped", "reservation_id": number})
    assert (outcome["result"], outcome["note"]) == ("kept", "It is lapsed already.")


@pytest.mark.parametrize(("tariff", "told"), [(PAID, True), (None, False)])
async def test_staff_are_told_where_a_start_is_reported_after_its_reservation_was_billed(
    sqlite_url: str, tariff: Document | None, *, told: bool
) -> None:
    async with open_yard(sqlite_url, tariff=tariff) as yard:
        number = await hold(yard, expired=GRACE + MINUTE)
        await pass_by(yard, number)
        [reserved] = await yard.sessions()
        began = await ago(yard, 70)
        [outcome] = await yard.report(start(moment=began, reservation_id=number))
        note = "Its start was reported after its reservation was billed as unused: see CDR "
        note += f"{reserved['id']}."
        assert outcome["session_id"] != reserved["id"]
        assert outcome.get("note") == (note if told else None)
        [listed] = await yard.listed()
        assert listed["notes"] == ([note] if told else [])
