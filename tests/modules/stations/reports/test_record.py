"""What a record makes of reports: order does not matter, the register never falls, nothing is lost.

The notes are for staff; what is used is told by the energy.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import permutations

import pytest

from modules.stations.reports.record import Record, Taken
from ocpi.spec.document import decode, encode
from ocpi.spec.moments import parse_moment

START = parse_moment("2026-03-01T10:00:00Z")


def after(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def kwh(value: str | int) -> dict[str, Decimal]:
    return {"kwh": Decimal(value)}


def record(**over: object) -> Record:
    return Record("t1", "LOC-1", ["NL", "TNM"], **over)  # type: ignore[arg-type]


def begun(value: str | int = 100) -> Record:
    fresh = record()
    assert fresh.begin(START, "EVSE-1", kwh(value)) == (Taken.TAKEN, None)
    return fresh


def test_the_order_in_which_reports_arrive_does_not_matter() -> None:
    steps: tuple[Callable[[Record], object], ...] = (
        lambda record: record.begin(START, "EVSE-1", kwh(100)),
        lambda record: record.measure(after(10), kwh(104), "CHARGING"),
        lambda record: record.measure(after(20), kwh(106), "PARKED"),
        lambda record: record.end(after(30), kwh(107), None),
    )
    energies, notes = set(), set()
    for order in permutations(steps):
        fresh = record()
        for step in order:
            step(fresh)
        energies.add(fresh.kwh)
        notes.update(fresh.notes)
        assert [each["at"] for each in fresh.states] == sorted(each["at"] for each in fresh.states)
    assert (energies, notes) == ({Decimal(7)}, set())


def test_a_report_that_comes_again_changes_nothing() -> None:
    once = begun()
    once.measure(after(10), kwh(104), "PARKED")
    once.end(after(30), kwh(107), None)
    once.completed = True
    before = once.dump()
    assert once.begin(START, "evse-1", kwh(100))[0] is Taken.REPEATED
    assert once.measure(after(10), kwh(104), "PARKED")[0] is Taken.REPEATED
    assert once.end(after(30), kwh(107), None)[0] is Taken.REPEATED
    assert once.dump() == before


def test_a_record_comes_back_as_it_was_stored() -> None:
    kept = begun()
    kept.measure(after(10.01), {"kwh": Decimal("104.25"), "power_kw": Decimal(7)}, "PARKED")
    assert Record.load(decode(encode(kept.dump()))) == kept
    kept.end(after(30), kwh(107), {"encoding_method": "OCMF"})
    assert Record.load(decode(encode(kept.dump()))) == kept


def test_a_register_that_falls_is_kept_and_noted_and_not_used() -> None:
    fallen = begun()
    fallen.measure(after(10), kwh(110), None)
    taken, note = fallen.measure(after(20), kwh(3), None)
    assert (taken, note) == (
        Taken.KEPT,
        "The meter fell to 3 kWh at 2026-03-01T10:20:00Z: not used.",
    )
    assert len(fallen.readings) == 3
    assert fallen.kwh == 10
    fallen.measure(after(25), kwh(112), None)
    assert fallen.kwh == 12


def test_a_late_value_that_makes_later_ones_fall_is_noted() -> None:
    spiked = begun()
    spiked.measure(after(20), kwh(110), None)
    taken, note = spiked.measure(after(10), kwh(999), None)
    assert taken is Taken.KEPT
    assert note == "Values below the 999 kWh of 2026-03-01T10:10:00Z came later: not used."


def test_two_values_of_one_moment_are_both_used() -> None:
    for first, second in ((100, 101), (101, 100)):
        fresh = record()
        fresh.measure(START, kwh(first), None)
        fresh.begin(START, "EVSE-1", kwh(second))
        fresh.end(after(0), {}, None)
        assert fresh.kwh == 1


@pytest.mark.parametrize("stop_first", [True, False])
def test_a_stop_before_the_start_makes_a_session_of_no_length_that_keeps_its_energy(
    *, stop_first: bool
) -> None:
    fresh = record()
    if stop_first:
        fresh.end(after(-5), kwh(102), None)
    fresh.begin(START, "EVSE-1", kwh(100))
    if not stop_first:
        fresh.end(after(-5), kwh(102), None)
    assert fresh.ended_at == fresh.started_at
    assert fresh.kwh == 2
    assert fresh.notes == [
        "The stop of 2026-03-01T09:55:00Z lies before the start of 2026-03-01T10:00:00Z."
    ]
    measured = fresh.measured(told=False)
    assert measured.end - measured.start == timedelta(seconds=1)


def test_the_first_start_and_the_first_stop_count() -> None:
    kept = begun()
    taken, note = kept.begin(after(5), "EVSE-2", kwh(102))
    assert taken is Taken.KEPT
    assert "the first counts" in str(note)
    kept.end(after(30), kwh(107), None)
    taken, note = kept.end(after(40), kwh(108), None)
    assert taken is Taken.KEPT
    assert "2026-03-01T10:40:00Z" in str(note)
    assert "kwh 108" in str(note)
    assert (kept.evse_uid, kept.ended_at) == ("EVSE-1", "2026-03-01T10:30:00Z")
    assert kept.kwh == 7


def test_values_outside_the_session_are_noted_and_not_used() -> None:
    kept = record()
    kept.measure(after(-5), kwh(90), None)
    kept.measure(after(40), kwh(120), None)
    kept.begin(START, "EVSE-1", kwh(100))
    _, note = kept.end(after(30), kwh(107), None)
    assert kept.kwh == 7
    assert kept.notes == [
        "Meter values from before the start are not used.",
        "Meter values from behind the stop are not used.",
    ]
    assert note == kept.notes[1]
    for minutes, where in ((-6, "before the start"), (41, "behind the end")):
        taken, note = kept.measure(after(minutes), kwh(101), None)
        assert taken is Taken.KEPT
        assert where in str(note)
    assert kept.kwh == 7


def test_what_comes_after_the_end_was_told_is_noted_with_its_values() -> None:
    told = begun()
    told.end(after(30), kwh(107), None)
    told.completed = True
    assert told.measure(after(20), kwh(105), "PARKED")[0] is Taken.KEPT
    assert (len(told.readings), told.states) == (2, [])
    assert told.notes == ["What came of 2026-03-01T10:20:00Z after the end is not used: kwh 105."]


def test_a_station_that_goes_on_reporting_for_ever_does_not_fill_the_record() -> None:
    told = begun()
    told.end(after(30), kwh(107), None)
    told.completed = True
    for minute in range(1000):
        told.measure(after(60 + minute), kwh(107), None)
    assert len(told.notes) == 100


def test_a_session_without_stop_is_closed_at_the_last_that_is_known() -> None:
    lost = begun()
    lost.measure(after(10), kwh(104), None)
    lost.measure(after(12.5), {}, "PARKED")
    lost.close("gone")
    assert (lost.ended_at, lost.notes) == ("2026-03-01T10:12:30Z", ["gone"])
    assert lost.kwh == 4
    silent = begun()
    silent.measure(after(-10), kwh(90), None)
    silent.close("gone")
    assert silent.ended_at == silent.started_at


def test_energy_is_told_with_the_decimals_of_charging_periods() -> None:
    fine = begun("100.00001")
    fine.end(after(30), kwh("101.23456789"), None)
    assert str(fine.kwh) == "1.2346"


def test_milliseconds_order_reports_of_one_second() -> None:
    quick = begun()
    quick.measure(START + timedelta(milliseconds=900), kwh(102), None)
    quick.measure(START + timedelta(milliseconds=500), kwh(101), None)
    assert [each["kwh"] for each in quick.readings] == [100, 101, 102]
    assert quick.kwh == 2


def test_a_reservation_that_began_by_our_clock_after_the_start_costs_no_energy() -> None:
    skewed = begun()
    skewed.reserved_at = "2026-03-01T10:20:00Z"
    skewed.end(after(30), kwh(107), None)
    assert skewed.measured(told=False).start == START
