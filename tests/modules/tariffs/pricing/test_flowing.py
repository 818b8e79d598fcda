"""What is known of power, current and energy while a vehicle charges, and while it does not."""

from decimal import Decimal

import pytest

from modules.tariffs.pricing import Reading, State, StateChange, bill_session
from tests.modules.tariffs.pricing.sample import component, element, tariff
from tests.modules.tariffs.pricing.test_splitting import LAST, at, charge, periods


@pytest.mark.req("CD-18", "TA-18")
def test_before_the_first_measured_power_the_mean_of_the_meter_counts() -> None:
    offer = tariff(element(component("ENERGY", "0.8"), min_power=50), LAST)
    told = (("08:00", 0, None), ("08:15", 25, None), ("08:30", 30, 60), ("08:45", 45, 60))
    readings = tuple(
        Reading(at(clock), Decimal(kwh), None if power is None else Decimal(power))
        for clock, kwh, power in told
    )
    bill = bill_session(charge(1, readings=readings), [offer])
    assert [
        (start, volumes["ENERGY"], volumes["MAX_POWER"]) for start, volumes in periods(bill)
    ] == [
        ("08:00", 25, 100),
        ("08:15", 5, 20),
        ("08:30", 15, 60),
    ]
    assert bill.parts["total_energy_cost"].excl == Decimal("34.5")
    assert bill.codes() == ["power_from_energy"]


@pytest.mark.req("CD-18", "TA-18")
def test_a_current_or_power_that_is_told_late_was_so_from_the_start() -> None:
    for kind in ("current", "power"):
        offer = tariff(element(component("ENERGY", "0.8"), **{f"min_{kind}": 32}), LAST)
        name = {"current": "current_a", "power": "power_kw"}[kind]
        readings = (
            Reading(at("08:15"), **{name: Decimal(60)}),
            Reading(at("08:30"), **{name: Decimal(16)}),
        )
        bill = bill_session(charge(1, readings=readings), [offer])
        told = [(start, volumes[f"MIN_{kind.upper()}"]) for start, volumes in periods(bill)]
        assert told == [("08:00", 60), ("08:30", 16)]
        assert bill.codes() == []


@pytest.mark.req("CD-18", "CD-21", "TA-18")
@pytest.mark.parametrize("idle", [State.PARKED, State.PAUSED_BY_STATION])
def test_what_was_told_of_an_idle_vehicle_does_not_hold_once_it_charges_again(idle: State) -> None:
    offer = tariff(
        element(component("ENERGY", "0.8"), min_power=50), element(component("ENERGY", "0.1"))
    )
    readings = (
        Reading(at("08:00"), Decimal(0), Decimal(100)),
        Reading(at("08:15"), Decimal(25), Decimal(0)),
        Reading(at("08:20"), Decimal(25)),
        Reading(at("08:35"), Decimal(50)),
    )
    states = (
        StateChange(at("08:15"), idle),
        StateChange(at("08:17"), idle),
        StateChange(at("08:20"), State.CHARGING),
        StateChange(at("08:30"), State.CHARGING),
    )
    bill = bill_session(charge(1, readings=readings, states=states), [offer])
    powers = [(start, volumes["MAX_POWER"]) for start, volumes in periods(bill)]
    assert powers == [("08:00", 100), ("08:15", 0), ("08:17", 0), ("08:20", 100), ("08:30", 100)]
    assert bill.total.excl == 40


@pytest.mark.req("CD-21", "TA-18")
def test_a_current_from_before_a_pause_holds_on_where_none_is_told_after_it() -> None:
    offer = tariff(element(component("ENERGY", "0.8"), min_current=32), LAST)
    states = (
        StateChange(at("08:30"), State.PARKED),
        StateChange(at("09:00"), State.CHARGING),
    )
    readings = (
        Reading(at("08:00"), Decimal(0), current_a=Decimal(60)),
        Reading(at("08:30"), Decimal(10), current_a=Decimal(0)),
        Reading(at("09:00"), Decimal(10)),
        Reading(at("10:00"), Decimal(20)),
    )
    bill = bill_session(charge(readings=readings, states=states), [offer])
    currents = [(start, volumes["MAX_CURRENT"]) for start, volumes in periods(bill)]
    assert currents == [("08:00", 60), ("08:30", 0), ("09:00", 60)]
    only_idle = (readings[0], Reading(at("08:30"), current_a=Decimal(0)), *readings[2:])
    bill = bill_session(charge(readings=only_idle[1:], states=states), [offer])
    assert "restriction_undecidable" in bill.codes()


@pytest.mark.req("CD-18", "CD-21")
def test_energy_between_two_meter_values_flows_while_it_charges() -> None:
    offer = tariff(
        element(component("ENERGY", "0.8"), min_power=50), element(component("ENERGY", "0.1"))
    )
    states = (
        StateChange(at("08:15"), State.PARKED),
        StateChange(at("08:20"), State.CHARGING),
        StateChange(at("08:35"), State.PARKED),
    )
    readings = (Reading(at("08:00"), Decimal(7)), Reading(at("08:50"), Decimal(57)))
    bill = bill_session(charge(1, readings=readings, states=states), [offer])
    told = [
        (start, volumes.get("ENERGY"), volumes["MAX_POWER"]) for start, volumes in periods(bill)
    ]
    assert told == [("08:00", 25, 100), ("08:15", None, 0), ("08:20", 25, 100), ("08:35", None, 0)]
    assert bill.total.excl == 40


def test_energy_that_the_meter_counted_in_a_pause_is_not_lost() -> None:
    states = (StateChange(at("08:30"), State.PARKED),)
    readings = (
        Reading(at("08:00"), Decimal(7)),
        Reading(at("08:40"), Decimal(17)),
        Reading(at("08:50"), Decimal(18)),
    )
    bill = bill_session(charge(1, readings=readings, states=states), [tariff(LAST)])
    assert [volumes["ENERGY"] for _, volumes in periods(bill)] == [10, 1]
