"""Reservations that meet what was not foreseen: other prices, other EVSEs, news that come late."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from sqlmodel import select

from modules.cdrs.own import post_own
from modules.commands.reservations import Fate, Reservation
from modules.stations.reports.reservations import end
from ocpi.spec.moments import format_moment, moment_of
from ocpi.testing import samples
from tests.house import OURS, OWNER
from tests.modules.stations.reports.test_reservations import (
    MINUTE,
    PAID,
    accept,
    ago,
    ask,
    close,
    hold,
    pass_by,
)
from tests.modules.stations.reports.yard import Document, Yard, open_yard, start, station, stop


@pytest.fixture
async def local(sqlite_url: str) -> AsyncIterator[Yard]:
    async with open_yard(sqlite_url, tariff=PAID) as opened:
        yield opened


def reserving(fee: int, energy: float, **over: Any) -> Document:
    """A Tariff that asks for so much for a reservation, and for so much for a kWh."""
    charged = {"price_components": [{"type": "ENERGY", "price": energy, "step_size": 1}]}
    once = {
        "price_components": [{"type": "FLAT", "price": fee, "step_size": 1}],
        "restrictions": {"reservation": "RESERVATION"},
    }
    return samples.tariff(**OWNER, elements=[once, charged], **over)


async def come(yard: Yard, **over: Any) -> Document:
    """The driver comes two minutes after now and charges 5 kWh; gives the CDR."""
    now = await yard.now()
    later = [format_moment(moment_of(now + n * MINUTE)) for n in (2, 3)]
    await yard.report(start(moment=later[0], **over), stop(moment=later[1], kwh=105))
    return await yard.cdr()


@pytest.mark.req("CD-13", "SE-17")
async def test_a_reservation_that_is_used_costs_what_it_did_when_it_began(local: Yard) -> None:
    errand_id, number = await ask(local)
    await local.report(accept(errand_id, evse_uid="EVSE-1", connector_id="1"))
    await local.put_tariff(reserving(9, 0.7, last_updated="2026-11-01T00:00:00Z"))
    cdr = await come(local, reservation_id=number)
    assert cdr["total_reservation_cost"]["excl_vat"] == 2
    assert [each["elements"] for each in cdr["tariffs"]] == [PAID["elements"]]
    [listed] = await local.listed()
    assert listed["notes"] == []


@pytest.mark.req("CD-13", "SE-17")
async def test_a_driver_who_reserved_charges_by_the_tariff_that_the_connector_has_then(
    local: Yard,
) -> None:
    errand_id, number = await ask(local)
    await local.report(accept(errand_id, evse_uid="EVSE-1", connector_id="1"))
    meanwhile = format_moment(moment_of(await local.now() + MINUTE))
    await local.put_tariff(reserving(9, 0.7, id="DEARER", last_updated=meanwhile))
    connector = {"tariff_ids": ["DEARER"]}
    place = "/admin/locations/NL/TNM/LOC-1/EVSE-1/1"
    assert (await local.service.admin.patch(place, json=connector)).status_code == 200
    cdr = await come(local, reservation_id=number)
    assert cdr["total_reservation_cost"]["excl_vat"] == 2
    assert cdr["total_energy_cost"]["excl_vat"] == Decimal("3.5")
    assert [each["id"] for each in cdr["tariffs"]] == ["TARIFF-1", "DEARER"]
    [listed] = await local.listed()
    assert listed["notes"] == []


async def test_a_reservation_that_was_free_of_charge_stays_so(sqlite_url: str) -> None:
    free = station()
    for connector in free["evses"][0]["connectors"]:
        connector["tariff_ids"] = []
    async with open_yard(sqlite_url, tariff=PAID, location=free) as yard:
        errand_id, number = await ask(yard)
        await yard.report(accept(errand_id, evse_uid="EVSE-1", connector_id="1"))
        place = "/admin/locations/NL/TNM/LOC-1/EVSE-1/1"
        connector = {"tariff_ids": ["TARIFF-1"]}
        assert (await yard.service.admin.patch(place, json=connector)).status_code == 200
        cdr = await come(yard, reservation_id=number)
        assert (cdr["total_cost"]["excl_vat"], "total_reservation_cost" in cdr) == (2.5, False)


@pytest.mark.req("SE-17")
async def test_a_driver_who_is_sent_to_another_evse_uses_the_reservation_that_the_start_names(
    local: Yard,
) -> None:
    errand_id, number = await ask(local)
    await local.report(accept(errand_id, evse_uid="EVSE-1", connector_id="1"))
    reserved = await local.session()
    cdr = await come(local, evse_uid="EVSE-2", reservation_id=number)
    session = await local.session()
    assert (session["id"], session["evse_uid"]) == (reserved["id"], "EVSE-2")
    assert [each.fate for each in await local.reservations()] == ["used"]
    assert (cdr["id"], cdr["total_reservation_cost"]["excl_vat"]) == (reserved["id"], 2)
    assert cdr["cdr_location"]["evse_uid"] == "EVSE-2"


@pytest.mark.req("CM-23")
async def test_a_reservation_that_was_dropped_in_time_costs_nothing_though_it_is_reported_late(
    local: Yard,
) -> None:
    number = await hold(local, expired=20 * MINUTE)
    assert await pass_by(local, number) == "lapsed"
    late = {"type": "reservation_dropped", "reservation_id": number, "at": await ago(local, 5)}
    [outcome] = await local.report(late)
    assert (outcome["result"], outcome["note"]) == ("kept", "It is lapsed already.")
    in_time = await ago(local, 30)
    [outcome] = await local.report({**late, "at": in_time})
    assert outcome["result"] == "taken"
    assert await pass_by(local, number) == "dropped"
    session = await local.session()
    assert (session["status"], session["end_date_time"]) == ("COMPLETED", f"{in_time[:19]}Z")
    assert await local.cdrs() == []


async def test_a_reservation_that_is_billed_is_not_dropped_and_its_bill_is_named(
    local: Yard,
) -> None:
    number = await hold(local, expired=2 * 60 * MINUTE)
    assert await pass_by(local, number) == "expired"
    dropped = {"type": "reservation_dropped", "reservation_id": number}
    [outcome] = await local.report({**dropped, "at": await ago(local, 130)})
    cdr = await local.cdr()
    assert outcome["result"] == "kept"
    assert outcome["note"] == f"It is expired already. Its bill is CDR {cdr['id']}."


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(("minutes", "told"), [(5, True), (1, False)])
async def test_staff_are_told_of_a_reservation_that_was_canceled_while_its_driver_charged(
    local: Yard, minutes: int, *, named: bool, told: bool
) -> None:
    number = await hold(local, expired=-10 * MINUTE)
    canceled_at = await local.now() - 3 * MINUTE
    async with local.database.write() as db:
        reservation = (await db.exec(select(Reservation).with_for_update())).one()
        await end(db, OURS, reservation, Fate.CANCELED, canceled_at)
    bill = await local.cdr()
    began = await ago(local, minutes)
    await local.report(start(moment=began, reservation_id=number if named else None))
    note = "Its start was reported after its reservation was billed as unused: see CDR "
    [listed] = await local.listed()
    assert listed["notes"] == ([f"{note}{bill['id']}."] if told else [])
    assert [each.fate for each in await local.reservations()] == ["canceled"]


@pytest.mark.req("CM-22")
@pytest.mark.parametrize("fate", [Fate.EXPIRED, Fate.CANCELED])
async def test_a_reservation_without_a_known_tariff_is_kept_and_billed_once_there_is_one(
    database_url: str, fate: Fate
) -> None:
    async with open_yard(database_url, tariff=None) as yard:
        errand_id, number = await ask(yard)
        await yard.report(accept(errand_id, evse_uid="EVSE-1", connector_id="1"))
        await close(yard, fate)
        session = await yard.session()
        [listed] = await yard.listed(trouble=True)
        assert listed["trouble"] == "None of the Connector's Tariffs is known: TARIFF-1."
        assert (listed["session_id"], listed["evse_uid"]) == (session["id"], "EVSE-1")
        assert listed["transaction_id"] == f"reservation {number}"
        again = await yard.bill(listed["id"])
        assert (again["result"], again["note"]) == ("kept", listed["trouble"])
        await yard.put_tariff(PAID)
        outcome = await yard.bill(listed["id"])
        cdr = await yard.cdr()
        assert (outcome["result"], outcome["cdr_id"]) == ("taken", cdr["id"])
        assert (cdr["total_cost"]["excl_vat"], cdr["id"]) == (2, session["id"])
        assert await yard.listed(trouble=True) == []
        assert (await yard.bill(listed["id"]))["result"] == "repeated"
        assert len(await yard.cdrs()) == 1


async def test_a_reservation_that_staff_have_billed_is_not_billed_again(sqlite_url: str) -> None:
    async with open_yard(sqlite_url, tariff=PAID) as yard:
        errand_id, _ = await ask(yard)
        await yard.report(accept(errand_id, evse_uid="EVSE-1", connector_id="1"))
        session = await yard.session()
        by_staff = samples.cdr(**OWNER, id="MANUAL-1", session_id=session["id"])
        await post_own(yard.database, OURS, by_staff)
        await close(yard, Fate.EXPIRED)
        assert [each.fate for each in await yard.reservations()] == ["expired"]
        [listed] = await yard.listed(trouble=True)
        assert "Somebody else billed it" in listed["trouble"]
        assert (await yard.bill(listed["id"]))["result"] == "kept"
        assert await yard.listed(trouble=True) == []
        assert [each["id"] for each in await yard.cdrs()] == ["MANUAL-1"]
