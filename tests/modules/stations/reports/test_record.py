"""What a record makes of reports: order does not matter, the register never falls, nothing is lost.

The notes are for staff; what is used is told by the energy.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import permutations

import pytest

from modules.stations.reports.record import Record, Taken
from modules.tariffs.pricing import State
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


def test_of_more_values_than_a_session_has_only_the_stop_is_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("modules.stations.reports.record.MOST_VALUES", 3)
    once = begun()
    assert once.measure(after(1), kwh(101), "CHARGING") == (Taken.TAKEN, None)
    beyond = "Values beyond the first 3 are not used."
    assert once.measure(after(2), kwh(102), None) == (Taken.KEPT, beyond)
    assert once.end(after(30), kwh(107), None) == (Taken.TAKEN, None)
    assert (once.kwh, once.notes) == (Decimal(7), [beyond])


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


TOO_HIGH = "The 106000 kWh of 2026-03-01T10:10:00Z are more than the meter had later: not used."


def test_a_late_value_that_is_above_later_ones_is_noted_and_not_used() -> None:
    spiked = begun()
    spiked.measure(after(20), kwh(110), None)
    assert spiked.measure(after(10), kwh(106_000), None) == (Taken.KEPT, TOO_HIGH)
    assert spiked.kwh == 10


@pytest.mark.parametrize("meant", [110, 105])
def test_a_value_that_was_too_high_is_not_used_once_the_next_one_tells(meant: int) -> None:
    spiked = begun()
    spiked.measure(after(5), kwh(105), None)
    assert spiked.measure(after(10), kwh(106_000), None) == (Taken.TAKEN, None)
    assert spiked.measure(after(15), kwh(meant), None) == (Taken.TAKEN, TOO_HIGH)
    assert (spiked.kwh, spiked.notes) == (Decimal(meant - 100), [TOO_HIGH])
    assert spiked.end(after(30), kwh(115), None) == (Taken.TAKEN, None)
    assert (spiked.kwh, spiked.notes) == (Decimal(15), [TOO_HIGH])
    assert spiked.measure(after(10), kwh(106_000), None) == (Taken.REPEATED, None)


def test_the_order_in_which_a_value_that_was_too_high_arrives_does_not_matter() -> None:
    steps: tuple[Callable[[Record], object], ...] = (
        lambda record: record.begin(START, "EVSE-1", kwh(100)),
        lambda record: record.measure(after(5), kwh(105), None),
        lambda record: record.measure(after(10), kwh(106_000), None),
        lambda record: record.measure(after(15), kwh(110), None),
        lambda record: record.end(after(30), kwh(115), None),
    )
    for order in permutations(steps):
        fresh = record()
        for step in order:
            step(fresh)
        assert (fresh.kwh, fresh.notes) == (Decimal(15), [TOO_HIGH])


@pytest.mark.parametrize(
    ("values", "energy", "notes"),
    [
        # As many values speak for either end: the higher one was wrong.
        (["105", "1000", "110"], 10, 1),
        (["110", "105"], 5, 1),
        # A single low one among many is not believed, though it is above the first.
        (["110", "120", "105"], 20, 1),
        (["110", "120", "105", "125"], 25, 1),
        # Several high ones, and more that agree.
        (["1000", "1010", "105", "106", "107"], 7, 2),
        # A meter that was reset.
        (["110", "3", "5", "8"], 10, 3),
        (["110", "3", "112"], 12, 1),
        (["105", "105", "105"], 5, 0),
    ],
)
def test_the_most_values_that_never_fall_count(values: list[str], energy: int, notes: int) -> None:
    made = begun()
    for minute, value in enumerate(values, start=1):
        made.measure(after(minute), kwh(value), None)
    assert (made.kwh, len(made.notes)) == (Decimal(energy), notes)


def test_a_note_goes_when_more_values_agree_with_what_it_said_was_wrong() -> None:
    made = begun()
    for minute, value in enumerate((500, 510, 105), start=1):
        made.measure(after(minute), kwh(value), None)
    assert made.notes == ["The meter fell to 105 kWh at 2026-03-01T10:03:00Z: not used."]
    made.measure(after(4), kwh(106), None)
    assert made.kwh == 6
    assert [note[:20] for note in made.notes] == ["The 510 kWh of 2026-", "The 500 kWh of 2026-"]


@pytest.mark.parametrize(
    ("values", "known"),
    [
        (["105", "110"], False),
        (["105", "103", "110"], False),
        (["105"], True),  # One may itself be wrong.
        (["105", "105"], True),
        (["105", "103"], True),
        (["105", "110", "1000"], True),
        ([], True),
    ],
)
def test_the_energy_is_not_known_where_the_meter_counts_on_below_its_start(
    values: list[str], *, known: bool
) -> None:
    made = begun(1000)
    for minute, value in enumerate(values, start=1):
        made.measure(after(minute), kwh(value), None)
    assert (made.doubt is None) is known
    assert made.kwh == 0


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


@pytest.mark.parametrize("start_first", [True, False])
def test_the_state_before_the_start_does_not_price_the_session(*, start_first: bool) -> None:
    kept = begun() if start_first else record()
    assert kept.measure(after(-60), {}, "PARKED")[0] is Taken.KEPT
    if not start_first:
        kept.begin(START, "EVSE-1", kwh(100))
    kept.measure(after(5), {}, "PAUSED_BY_STATION")
    kept.end(after(30), kwh(107), None)
    states = [(each.at, each.state) for each in kept.measured(told=False).states]
    assert states == [(START, State.CHARGING), (after(5), State.PAUSED_BY_STATION)]
    assert len(kept.notes) == 1
    assert "before the start" in kept.notes[0]


def test_what_comes_after_the_end_was_told_is_noted_with_its_values() -> None:
    told = begun()
    told.end(after(30), kwh(107), None)
    told.completed = True
    assert told.measure(after(20), kwh(105), "PARKED")[0] is Taken.KEPT
    assert (len(told.readings), told.states) == (2, [])
    assert told.measure(after(25), {}, "CHARGING")[0] is Taken.KEPT
    assert told.notes == [
        "What came of 2026-03-01T10:20:00Z after the end is not used: kwh 105, state PARKED.",
        "What came of 2026-03-01T10:25:00Z after the end is not used: state CHARGING.",
    ]


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
