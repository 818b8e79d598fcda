"""Reservations: their Sessions, who uses them, and what they come to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlmodel import select, update

from modules.commands.reservations import Fate, Reservation
from modules.stations.consequences import expire
from modules.stations.reports.charging import GRACE
from modules.stations.reports.reservations import end
from ocpi.errands import Errand
from ocpi.gateway import Wish
from ocpi.spec.document import decode, encode
from ocpi.spec.moments import format_moment, moment_of
from ocpi.testing import samples
from tests.house import OURS, OWNER
from tests.modules.stations.reports.yard import Document, Receiver, Yard, open_yard, start, stop

MINUTE = 60_000_000
TOKEN = samples.token()
PAID = samples.tariff(
    **OWNER,
    elements=[
        {
            "price_components": [{"type": "FLAT", "price": 2, "vat": 19, "step_size": 1}],
            "restrictions": {"reservation": "RESERVATION"},
        },
        {"price_components": [{"type": "ENERGY", "price": 0.5, "vat": 19, "step_size": 1}]},
    ],
)


@pytest.fixture
async def yard(database_url: str) -> AsyncIterator[Yard]:
    async with open_yard(database_url, tariff=PAID) as opened:
        yield opened


@pytest.fixture
async def local(sqlite_url: str) -> AsyncIterator[Yard]:
    async with open_yard(sqlite_url, tariff=PAID) as opened:
        yield opened


async def ask(yard: Yard, token: Document = TOKEN, **over: Any) -> tuple[str, int]:
    """A partner has asked to reserve; gives the errand's id and our number."""
    now = await yard.now()
    request = {
        "token": token,
        "location_id": "LOC-1",
        "reservation_id": "R",
        "response_url": "https://msp.example/answers",
        "expiry_date": format_moment(moment_of(now + MINUTE)),
        "authorization_reference": "reserved-1",
    }
    errand = await yard.add_errand(Wish.RESERVE_NOW, request, now, deadline=now + MINUTE, **over)
    async with yard.database.write() as db:
        reservation = Reservation(
            partner_id=errand.partner_id,
            asker=errand.asker.key,
            reservation_id="r",
            errand_id=errand.id,
            owner=OURS.key,
            location_id="LOC-1",
            token_key=errand.token_key or "",
            token=encode(token),
            authorization_reference="reserved-1",
            expires_at=now + MINUTE,
            **over,
        )
        db.add(reservation)
        await db.flush()
        stored = await db.get_one(Errand, errand.id)
        stored.reservation = reservation.key
        db.add(stored)
        return errand.id, reservation.key


def accept(errand_id: str, **over: Any) -> Document:
    return {"type": "result", "id": errand_id, "result": "ACCEPTED", **over}


async def ago(yard: Yard, minutes: int) -> str:
    return format_moment(moment_of(await yard.now() - minutes * MINUTE))


async def close(yard: Yard, fate: Fate) -> None:
    async with yard.database.write() as db:
        found = await db.exec(select(Reservation).with_for_update())
        reservation = found.one()
        at = (reservation.held_at or 0) + 10 * MINUTE
        await end(db, OURS, reservation, fate, at)


@pytest.mark.req("SE-16", "SE-18", "SE-19", "SE-20")
async def test_a_reservation_that_is_held_makes_a_session(yard: Yard) -> None:
    errand_id, _ = await ask(yard)
    [outcome] = await yard.report(accept(errand_id))
    assert outcome["result"] == "taken"
    session = await yard.session()
    assert (session["status"], session["kwh"]) == ("RESERVATION", 0)
    assert (session["evse_uid"], session["connector_id"]) == ("#NA", "#NA")
    assert session["authorization_reference"] == "reserved-1"
    assert session["cdr_token"] == samples.cdr_token()
    [again] = await yard.report(accept(errand_id))
    assert again["result"] == "repeated"


@pytest.mark.req("SE-17", "CM-25")
async def test_the_driver_who_comes_turns_the_session_active_and_pays_the_reservation(
    yard: Yard,
) -> None:
    emsp = Receiver(yard)
    errand_id, number = await ask(yard)
    await yard.report(accept(errand_id, evse_uid="evse-1"))
    await emsp.listen()
    reserved = await yard.session()
    assert reserved["evse_uid"] == "EVSE-1"
    later = [format_moment(moment_of(await yard.now() + n * MINUTE)) for n in (2, 3)]
    await yard.report(start(moment=later[0], reservation_id=number))
    await emsp.listen()
    session = await yard.session()
    assert (session["id"], session["status"]) == (reserved["id"], "ACTIVE")
    assert session["start_date_time"] == f"{later[0][:19]}Z"
    await yard.report(stop(moment=later[1], kwh=105))
    await emsp.listen()
    cdr = await yard.cdr()
    assert (cdr["id"], cdr["total_energy"]) == (reserved["id"], 5)
    assert cdr["total_reservation_cost"]["excl_vat"] == 2
    assert cdr["authorization_reference"] == "reserved-1"
    assert cdr["start_date_time"] == reserved["start_date_time"]
    assert [each.fate for each in await yard.reservations()] == ["used"]


@pytest.mark.req("SE-17")
async def test_a_reservation_is_found_by_its_token_at_its_evse_only(local: Yard) -> None:
    errand_id, _ = await ask(local)
    await local.report(accept(errand_id, evse_uid="EVSE-1", connector_id="1"))
    reserved = await local.session()
    await local.report(start("elsewhere", None, evse_uid="EVSE-2"))
    assert [each["status"] for each in await local.sessions()] == ["RESERVATION", "ACTIVE"]
    await local.report(start("there", None))
    sessions = {each["id"]: each["status"] for each in await local.sessions()}
    assert sessions[reserved["id"]] == "ACTIVE"


async def test_a_reservation_of_another_driver_is_not_used(local: Yard) -> None:
    errand_id, number = await ask(local, samples.token(uid="OTHER", contract_id="DE-MSP-O"))
    await local.report(accept(errand_id))
    await local.report(start(moment=None, reservation_id=number))
    assert [each["status"] for each in await local.sessions()] == ["RESERVATION", "ACTIVE"]
    assert [each.fate for each in await local.reservations()] == ["held"]


async def test_a_driver_who_comes_before_the_station_has_answered_uses_the_reservation(
    yard: Yard,
) -> None:
    errand_id, number = await ask(yard)
    await yard.report(start(moment=None, token=None, reservation_id=number), accept(errand_id))
    assert [each.fate for each in await yard.reservations()] == ["used"]
    assert (await yard.session())["status"] == "ACTIVE"
    await yard.report(stop(moment=None, kwh=105))
    assert (await yard.cdr())["authorization_reference"] == "reserved-1"


@pytest.mark.req("SE-17", "SE-19", "CD-15")
async def test_a_reservation_that_was_used_is_no_other_sessions(yard: Yard) -> None:
    errand_id, _ = await ask(yard)
    await yard.report(start(moment=None), accept(errand_id), stop(moment=None, kwh=105))
    await yard.report(start("t2", None), stop("t2", None, kwh=110))
    used, plain = await yard.cdrs()
    assert (used["auth_method"], used["authorization_reference"]) == ("COMMAND", "reserved-1")
    assert (plain["auth_method"], plain.get("authorization_reference")) == ("WHITELIST", None)
    again, _ = await ask(yard)
    await yard.report(accept(again), start("t3", None))
    assert [each.fate for each in await yard.reservations()] == ["used", "used"]
    assert [each["status"] for each in await yard.sessions()][2:] == ["ACTIVE"]


async def test_a_reservation_that_holds_is_used_before_one_that_is_only_asked_for(
    local: Yard,
) -> None:
    await ask(local)
    errand_id, _ = await ask(local)
    await local.report(accept(errand_id), start(moment=None))
    assert [each.fate for each in await local.reservations()] == ["asked", "used"]


@pytest.mark.req("SE-17", "CD-13")
@pytest.mark.parametrize("held", [True, False])
async def test_a_reservation_is_not_of_a_session_that_began_long_before_it(
    yard: Yard, *, held: bool
) -> None:
    errand_id, _ = await ask(yard)
    await yard.report(*[accept(errand_id)] * held)
    old = await ago(yard, 2 * 24 * 60)
    await yard.report(start("old", old), stop("old", old, kwh=105), accept(errand_id))
    assert (await yard.cdr())["auth_method"] == "WHITELIST"
    await yard.report(start("new", None, kwh=105))
    statuses = {each["status"]: each["auth_method"] for each in await yard.sessions()}
    assert statuses == {"COMPLETED": "WHITELIST", "ACTIVE": "COMMAND"}
    assert [each.fate for each in await yard.reservations()] == ["used"]


@pytest.mark.req("CD-13")
async def test_a_driver_whose_station_has_a_slow_clock_is_priced_from_the_start_that_it_tells(
    local: Yard,
) -> None:
    errand_id, _ = await ask(local)
    await local.report(accept(errand_id))
    reserved = await local.session()
    began = await ago(local, 3)
    await local.report(start(moment=began), stop(moment=await ago(local, 1), kwh=105))
    session, cdr = await local.session(), await local.cdr()
    assert (session["id"], session["status"]) == (reserved["id"], "COMPLETED")
    assert cdr["start_date_time"] == f"{began[:19]}Z"
    [charge] = await local.charges()
    assert decode(charge.record)["tariff_changes"] == [{"at": began, "tariff_id": "TARIFF-1"}]


@pytest.mark.req("SE-17", "CM-22")
@pytest.mark.parametrize("fate", [Fate.EXPIRED, Fate.CANCELED])
async def test_a_reservation_that_nobody_uses_is_completed_and_costs_what_its_tariff_says(
    local: Yard, fate: Fate
) -> None:
    errand_id, _ = await ask(local)
    await local.report(accept(errand_id, evse_uid="EVSE-3"))
    await close(local, fate)
    await close(local, Fate.CANCELED)
    session, cdr = await local.session(), await local.cdr()
    assert (session["status"], cdr["total_cost"]["excl_vat"]) == ("COMPLETED", 2)
    assert (cdr["cdr_location"]["evse_uid"], session["connector_id"]) == ("EVSE-3", "#NA")
    assert [each.fate for each in await local.reservations()] == [fate.value]
    [outcome] = await local.report(start(moment=None))
    assert outcome["session_id"] != session["id"]


@pytest.mark.req("CM-23")
async def test_the_emsp_hears_of_a_reservation_that_the_station_drops(yard: Yard) -> None:
    errand_id, number = await ask(yard)
    await yard.report(accept(errand_id))
    drop = {"type": "reservation_dropped", "reservation_id": number, "reason": "Defect"}
    [outcome, again] = await yard.report(drop, drop)
    assert (outcome["result"], again["result"]) == ("taken", "kept")
    assert again["note"] == "It is dropped already."
    assert (await yard.session())["status"] == "COMPLETED"
    async with yard.database.read() as db:
        found = (await db.exec(select(Errand).where(Errand.id != errand_id))).one()
    assert (found.method, found.response_url) == ("POST", "https://msp.example/answers")
    assert decode(found.result or "") == {
        "result": "CANCELED_RESERVATION",
        "message": [{"language": "en", "text": "Defect"}],
    }


@pytest.mark.req("CM-23")
@pytest.mark.parametrize("tariff", [PAID, None])
async def test_a_reservation_that_the_station_drops_costs_nothing(
    sqlite_url: str, tariff: Document | None
) -> None:
    async with open_yard(sqlite_url, tariff=tariff) as yard:
        errand_id, number = await ask(yard)
        await yard.report(accept(errand_id, evse_uid="EVSE-1"))
        await yard.report({"type": "reservation_dropped", "reservation_id": number})
        session = await yard.session()
        assert (session["status"], session["total_cost"]["excl_vat"]) == ("COMPLETED", 0)
        assert await yard.cdrs() == []


async def test_a_station_without_that_evse_keeps_what_was_asked_for(local: Yard) -> None:
    errand_id, _ = await ask(local, evse_uid="EVSE-3")
    await local.report(accept(errand_id, evse_uid="NOWHERE"))
    session = await local.session()
    assert (session["evse_uid"], session["connector_id"]) == ("EVSE-3", "#NA")


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
        [listed] = [each for each in await yard.listed() if each["transaction_id"] == "t1"]
        assert listed["notes"] == ([note] if told else [])
