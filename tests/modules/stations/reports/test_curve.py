"""The power curve of a session: by the meter where it told, else by the charging periods."""

from __future__ import annotations

from decimal import Decimal

from modules.stations.reports.curve import Point, curve_of_periods, curve_of_record
from modules.stations.reports.record import Record
from ocpi.spec.document import decode, encode
from ocpi.testing import samples

START = 1768467600  # 2026-01-15T09:00:00Z


def reading(minute: int, kwh: str, **over: Decimal) -> dict[str, object]:
    return {"at": f"2026-01-15T09:{minute:02}:00Z", "kwh": Decimal(kwh), **over}


def record(*readings: dict[str, object]) -> Record:
    return Record(
        "1", "LOC-1", ["NL", "TNM"], started_at=str(readings[0]["at"]), readings=[*readings]
    )


def test_reported_power_counts_until_the_next_reading_and_else_the_mean_does() -> None:
    found = curve_of_record(
        record(reading(0, "100", power_kw=Decimal(50)), reading(15, "105"), reading(30, "106"))
    )
    assert found == [
        Point(START, 50.0, 0.0),
        Point(START + 900, 4.0, 5.0),
        Point(START + 1800, 4.0, 6.0),
    ]


def test_a_register_that_falls_makes_no_power_below_nothing() -> None:
    found = curve_of_record(record(reading(0, "100"), reading(10, "90"), reading(30, "111")))
    assert found == [Point(START, 22.0, 0.0), Point(START + 1800, 22.0, 11.0)]


def test_of_two_readings_in_one_second_the_last_is_drawn() -> None:
    found = curve_of_record(record(reading(0, "1"), reading(0, "2"), reading(30, "3")))
    assert found == [Point(START, 2.0, 1.0), Point(START + 1800, 2.0, 2.0)]


def test_without_readings_there_is_no_curve() -> None:
    assert (
        curve_of_record(Record("1", "LOC-1", ["NL", "TNM"], started_at="2026-01-15T09:00:00Z"))
        == []
    )
    assert curve_of_periods(samples.session(charging_periods=[])) == []


def test_a_charging_period_has_its_energy_at_an_even_power_until_the_next_one() -> None:
    later = samples.charging_period("2026-01-15T09:15:00Z", kwh=5)
    session = decode(encode(samples.session(charging_periods=[later, samples.charging_period()])))
    assert curve_of_periods(session) == [
        Point(START, 42.0, 0.0),
        Point(START + 900, 20.0, 10.5),
        Point(START + 1800, 20.0, 15.5),
    ]
