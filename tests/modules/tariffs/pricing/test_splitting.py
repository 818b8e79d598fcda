"""What a station measured is cut wherever a price may change, and nowhere loses anything."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from modules.tariffs.pricing import (
    Bill,
    Measured,
    Policy,
    PricingError,
    Reading,
    State,
    StateChange,
    TariffChange,
    bill_session,
    cdr_fields,
    check_cdr,
)
from modules.tariffs.pricing.policy import ChargerPause
from tests.modules.tariffs.pricing.sample import (
    MONDAY,
    Document,
    component,
    element,
    outcome,
    tariff,
)

HOUR = timedelta(hours=1)
LAST = element(component("ENERGY", "0.5"), component("TIME", "1"), component("PARKING_TIME", "2"))


def at(clock: str, day: int = 15) -> datetime:
    return datetime.fromisoformat(f"2024-01-{day:02}T{clock}:00Z")


def charge(hours: int = 2, kwh: str = "20", **members: Any) -> Measured:
    """Charging at an even pace from 08:00 UTC on a Monday."""
    end = MONDAY + hours * HOUR
    readings = (Reading(MONDAY, Decimal("100.5")), Reading(end, Decimal("100.5") + Decimal(kwh)))
    return Measured(MONDAY, end, **{"readings": readings, **members})


def periods(bill: Bill) -> list[tuple[str, Document]]:
    return [
        (
            period["start_date_time"][11:16],
            {each["type"]: each["volume"] for each in period["dimensions"]},
        )
        for period in cdr_fields(bill)["charging_periods"]
    ]


@pytest.mark.req("CD-17", "CD-18")
@pytest.mark.parametrize(
    ("restrictions", "cuts"),
    [
        ({}, ["08:00"]),
        ({"start_time": "09:00", "end_time": "10:30"}, ["08:00", "09:30"]),  # Amsterdam's clock.
        ({"end_time": "10:00"}, ["08:00", "09:00"]),
        ({"day_of_week": ["TUESDAY"]}, ["08:00"]),
        ({"max_kwh": 5, "min_kwh": 1}, ["08:00", "08:06", "08:30"]),
        ({"min_duration": 600, "max_duration": 1200}, ["08:00", "08:10", "08:20"]),
        ({"min_duration": 7200, "max_kwh": 20}, ["08:00"]),
    ],
)
def test_a_session_is_cut_where_a_restriction_begins_or_ends(
    restrictions: Document, cuts: list[str]
) -> None:
    offer = tariff(element(component("ENERGY", "0.1"), **restrictions), LAST)
    bill = bill_session(charge(), [offer], "Europe/Amsterdam")
    assert [start for start, _ in periods(bill)] == cuts
    assert bill.codes() == []


@pytest.mark.req("CD-17", "CD-20")
def test_the_pricing_part_of_a_cdr_is_whole() -> None:
    offer = tariff(element(component("ENERGY", "0.1"), max_kwh=5), LAST)
    states = (StateChange(at("09:00"), State.PARKED),)
    readings = (Reading(at("08:00"), Decimal(7)), Reading(at("09:00"), Decimal(17)))
    bill = bill_session(charge(readings=readings, states=states), [offer])
    hour, half = Decimal(1), Decimal("0.5")
    assert cdr_fields(bill) == {
        "start_date_time": "2024-01-15T08:00:00Z",
        "end_date_time": "2024-01-15T10:00:00Z",
        "currency": "EUR",
        "tariffs": [offer],
        "charging_periods": [
            {
                "start_date_time": f"2024-01-15T{start}:00Z",
                "dimensions": [{"type": kind, "volume": volume} for kind, volume in volumes],
                "tariff_id": "T1",
            }
            for start, volumes in (
                ("08:00", [("ENERGY", 5), ("TIME", half)]),
                ("08:30", [("ENERGY", 5), ("TIME", half)]),
                ("09:00", [("PARKING_TIME", hour)]),
            )
        ],
        "total_cost": {"excl_vat": Decimal(6), "incl_vat": Decimal(6)},
        "total_energy_cost": {"excl_vat": Decimal(3), "incl_vat": Decimal(3)},
        "total_time_cost": {"excl_vat": Decimal(1), "incl_vat": Decimal(1)},
        "total_parking_cost": {"excl_vat": Decimal(2), "incl_vat": Decimal(2)},
        "total_energy": Decimal(10),
        "total_time": Decimal(2),
        "total_parking_time": hour,
    }


@pytest.mark.req("CD-22")
def test_a_tariff_that_is_free_of_charge_is_listed() -> None:
    free = tariff(element(component("FLAT", "0.00", 0)))
    fields = cdr_fields(bill_session(charge(), [free]))
    assert (fields["tariffs"], fields["total_cost"]["excl_vat"]) == ([free], 0)


@pytest.mark.req("CD-18", "TA-18", "CD-19")
def test_a_session_is_cut_where_measured_power_crosses_a_bound() -> None:
    offer = tariff(element(component("ENERGY", "0.1"), max_power=11, max_current=40), LAST)
    powers = (("08:00", 22, 32), ("08:20", 20, 32), ("08:40", 11, 16), ("09:00", 10, 50))
    readings = tuple(
        Reading(at(clock), Decimal(index), Decimal(power), Decimal(current))
        for index, (clock, power, current) in enumerate(powers)
    )
    bill = bill_session(charge(readings=readings), [offer])
    dimensions = [
        (start, volumes["MIN_POWER"], volumes["MAX_POWER"], volumes["MAX_CURRENT"])
        for start, volumes in periods(bill)
    ]
    assert dimensions == [("08:00", 11, 22, 32), ("09:00", 10, 10, 50)]
    named = {name for _, volumes in periods(bill) for name in volumes}
    assert named == {"ENERGY", "TIME", "MIN_POWER", "MAX_POWER", "MIN_CURRENT", "MAX_CURRENT"}


def test_without_measured_power_the_mean_between_meter_values_counts() -> None:
    offer = tariff(element(component("ENERGY", "0.1"), max_power=11), LAST)
    bill = bill_session(charge(), [offer])
    assert periods(bill) == [("08:00", {"ENERGY": 20, "TIME": 2, "MIN_POWER": 10, "MAX_POWER": 10})]
    assert outcome(bill) == (4, ["power_from_energy"])


@pytest.mark.req("CD-21")
@pytest.mark.parametrize(
    ("pause", "parking"), [(ChargerPause.TIME, None), (ChargerPause.PARKING_TIME, Decimal("0.5"))]
)
def test_only_time_without_demand_is_parking(pause: ChargerPause, parking: Decimal | None) -> None:
    states = (
        StateChange(at("08:30"), State.PAUSED_BY_STATION),
        StateChange(at("09:00"), State.CHARGING),
    )
    policy = Policy(charger_pause=pause)
    bill = bill_session(charge(states=states), [tariff(LAST)], policy=policy)
    assert cdr_fields(bill).get("total_parking_time") == parking
    assert [note.policy for note in bill.notes] == [f"charger_pause={pause}"]


@pytest.mark.req("CD-18", "CD-20", "TA-20")
def test_a_reservation_is_kept_apart_from_the_session() -> None:
    offer = tariff(
        element(component("TIME", "4"), reservation="RESERVATION"),
        element(component("ENERGY", "0.1"), max_duration=1800),
        LAST,
    )
    states = (StateChange(at("08:00"), State.RESERVED), StateChange(at("08:15"), State.CHARGING))
    readings = (Reading(at("08:15"), Decimal(0)), Reading(at("10:00"), Decimal(21)))
    bill = bill_session(charge(states=states, readings=readings), [offer])
    assert periods(bill) == [
        ("08:00", {"RESERVATION_TIME": Decimal("0.25")}),
        ("08:15", {"ENERGY": 3, "TIME": Decimal("0.25")}),
        ("08:30", {"ENERGY": 3, "TIME": Decimal("0.25")}),
        ("08:45", {"ENERGY": 15, "TIME": Decimal("1.25")}),
    ]
    assert bill.parts["total_reservation_cost"].excl == 1
    fields = cdr_fields(bill)
    assert (fields["start_date_time"], fields["total_time"]) == (
        "2024-01-15T08:00:00Z",
        Decimal("1.75"),
    )


@pytest.mark.req("TA-21")
def test_a_reservation_that_ran_out_is_priced_as_expired() -> None:
    offer = tariff(
        element(component("TIME", "4"), reservation="RESERVATION"),
        element(component("TIME", "6"), reservation="RESERVATION_EXPIRES"),
    )
    only = charge(states=(StateChange(MONDAY, State.RESERVED),), readings=())
    assert bill_session(only, [offer]).total.excl == 12
    assert bill_session(only, [offer], expired=False).total.excl == 8


@pytest.mark.req("CD-18", "CD-25")
def test_a_change_of_tariff_is_a_cut_without_rounding() -> None:
    first = tariff(element(component("ENERGY", "0.1", 10_000)))
    second = tariff(element(component("ENERGY", "0.2", 1)), id="T2")
    changes = (TariffChange(at("09:30"), "T2"),)
    bill = bill_session(charge(tariff_changes=changes), [first, second])
    fields = cdr_fields(bill)
    assert [each["tariff_id"] for each in fields["charging_periods"]] == ["T1", "T2"]
    assert fields["tariffs"] == [first, second]
    assert bill.total.excl == Decimal("2.5")


def test_readings_in_any_order_and_within_one_second_are_understood() -> None:
    moments = (timedelta(0), HOUR, HOUR + timedelta(microseconds=5), 2 * HOUR)
    readings = tuple(
        Reading(MONDAY + moment, Decimal(kwh))
        for moment, kwh in zip(moments, ("1", "2", "3", "4"), strict=True)
    )
    offer = tariff(element(component("ENERGY", "0.1"), max_duration=3600), LAST)
    bill = bill_session(charge(readings=readings[::-1]), [offer])
    assert [volumes["ENERGY"] for _, volumes in periods(bill)] == [2, 1]


def test_meter_values_from_before_and_after_the_session_do_not_count() -> None:
    readings = (Reading(at("07:00"), Decimal(50)), Reading(at("11:00"), Decimal(90)))
    offer = tariff(element(component("ENERGY", "0.1"), max_kwh=5), LAST)
    bill = bill_session(charge(readings=readings), [offer])
    assert [(start, volumes["ENERGY"]) for start, volumes in periods(bill)] == [
        ("08:00", Decimal(5)),
        ("08:30", Decimal(15)),
    ]


def test_a_session_without_meter_values_is_priced_by_time() -> None:
    assert bill_session(charge(readings=()), [tariff(LAST)]).total.excl == 2


def test_a_session_that_does_not_last_is_refused() -> None:
    with pytest.raises(PricingError, match="does not last a second"):
        bill_session(Measured(MONDAY, MONDAY), [tariff(LAST)])


@pytest.mark.req("TA-19", "CD-18")
@pytest.mark.parametrize(
    ("night", "window", "starts"),
    [
        # The clock leaps from 02:00 to 03:00 at 01:00 UTC, and falls back at the same hour.
        ("2025-03-30", ("02:00", "03:00"), ["23:00", "01:00"]),
        ("2025-03-30", ("02:30", "04:00"), ["23:00", "01:00", "02:00"]),
        ("2025-10-26", ("02:00", "03:00"), ["23:00", "00:00", "01:00", "02:00"]),
        ("2025-10-26", ("02:30", "04:00"), ["23:00", "00:30", "01:00", "01:30", "03:00"]),
    ],
)
def test_local_windows_are_met_on_the_nights_when_clocks_change(
    night: str, window: tuple[str, str], starts: list[str]
) -> None:
    start = datetime.fromisoformat(f"{night}T00:00:00+00:00") - HOUR
    offer = tariff(element(component("TIME", "6"), start_time=window[0], end_time=window[1]), LAST)
    bill = bill_session(Measured(start, start + 6 * HOUR), [offer], "Europe/Amsterdam")
    assert [start for start, _ in periods(bill)] == starts
    assert bill.codes() == []


def test_the_end_of_a_day_is_met_in_local_time() -> None:
    offer = tariff(element(component("TIME", "6"), day_of_week=["TUESDAY"]), LAST)
    start = datetime(2024, 1, 15, 20, tzinfo=UTC)
    bill = bill_session(Measured(start, start + 6 * HOUR), [offer], "Europe/Amsterdam")
    assert [start for start, _ in periods(bill)] == ["20:00", "23:00"]
    assert bill.total.excl == 3 + 18


@pytest.mark.req("CD-23", "CD-24", "TA-15")
@pytest.mark.parametrize(
    ("kind", "step", "restrictions"),
    [
        ("TIME", 1200, {"start_time": "09:20", "end_time": "20:00"}),  # Amsterdam's clock.
        ("TIME", 60, {"start_time": "09:20", "end_time": "20:00"}),
        ("TIME", 600, {"min_duration": 1200}),
        ("PARKING_TIME", 600, {"min_duration": 1200}),
    ],
)
def test_time_that_nothing_priced_before_begins_no_further_step(
    kind: str, step: int, restrictions: Document
) -> None:
    """The priced 20 minutes are written as 0.3334 h, since 0.3333 h were written before."""
    offer = tariff(element(component(kind, "6", step), **restrictions))
    states = (StateChange(MONDAY, State.PARKED if kind == "PARKING_TIME" else State.CHARGING),)
    stay = Measured(MONDAY, MONDAY + timedelta(minutes=40), states=states)
    bill = bill_session(stay, [offer], "Europe/Amsterdam")
    fields = cdr_fields(bill)
    assert periods(bill)[1] == ("08:20", {kind: Decimal("0.3334")})
    assert fields["total_cost"]["excl_vat"] == 2
    assert bill.codes() == ["no_price_component", "step_tolerance"]
    check = check_cdr(fields, (), "Europe/Amsterdam")
    assert (check.bill.total, check.agrees) == (bill.total, True)


@pytest.mark.req("CD-24", "TA-15")
def test_whole_steps_after_any_minutes_without_price_are_billed_as_they_are() -> None:
    for free in range(60, 7200, 60):
        offer = tariff(element(component("TIME", "6", 600), min_duration=free))
        for priced in range(600, 7201, 600):
            stay = Measured(MONDAY, MONDAY + timedelta(seconds=free + priced))
            [step] = bill_session(stay, [offer]).steps
            assert round(step.billed) == priced
            longer = Measured(MONDAY, stay.end + timedelta(seconds=1))
            [step] = bill_session(longer, [offer]).steps
            assert step.billed == priced + 600
