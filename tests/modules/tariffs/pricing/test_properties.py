"""What must hold for every tariff and every session."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modules.tariffs.pricing import (
    Bill,
    Measured,
    Reading,
    State,
    StateChange,
    bill_session,
    cdr_fields,
    check_cdr,
    price_cdr,
)
from modules.tariffs.pricing.money import NOTHING, half_up, reaches, times, written
from ocpi.spec.document import decode, encode
from tests.modules.tariffs.pricing.sample import Document, component, element, tariff

ZONES = ("Europe/Amsterdam", "America/New_York", "Australia/Lord_Howe", "Asia/Tokyo")
MINUTE = timedelta(minutes=1)

# A slow machine is no failure.
anyhow = settings(deadline=None)

clocks = st.builds(
    lambda hour, minute: f"{hour:02}:{minute:02}",
    st.integers(0, 23),
    st.sampled_from((0, 15, 30, 59)),
)
days = st.lists(st.sampled_from(("MONDAY", "SATURDAY", "SUNDAY")), min_size=1, unique=True)
restrictions = st.fixed_dictionaries(
    {},
    optional={
        "start_time": clocks,
        "end_time": clocks,
        "day_of_week": days,
        "start_date": st.sampled_from(("2025-03-30", "2025-10-26")),
        "end_date": st.sampled_from(("2025-03-31", "2025-10-27")),
        "min_kwh": st.integers(0, 30),
        "max_kwh": st.integers(0, 30),
        "min_duration": st.integers(0, 300).map(lambda minutes: minutes * 60),
        "max_duration": st.integers(0, 300).map(lambda minutes: minutes * 60),
        "min_power": st.integers(0, 50),
        "max_power": st.integers(0, 50),
        "reservation": st.sampled_from(("RESERVATION", "RESERVATION_EXPIRES")),
    },
)
prices = st.decimals("0", "9.9999", places=4)
components = st.builds(
    component,
    st.sampled_from(("FLAT", "ENERGY", "TIME", "PARKING_TIME")),
    prices.map(str),
    st.sampled_from((0, 1, 60, 300, 600, 900)),
    st.sampled_from((None, "0", "5.5", "21")),
)
elements = st.builds(
    lambda parts, limits: element(*parts, **limits),
    st.lists(components, min_size=1, max_size=3),
    restrictions,
)
limits = st.none() | prices.map(lambda price: {"excl_vat": price, "incl_vat": price * 2})
tariffs = st.builds(
    lambda parts, low, high: tariff(*parts, min_price=low, max_price=high),
    st.lists(elements, min_size=1, max_size=5),
    limits,
    limits,
)
# Nights on which clocks change somewhere, and around them.
starts = st.builds(
    lambda day, minutes: day + minutes * MINUTE,
    st.sampled_from(
        [
            datetime(2025, month, day, tzinfo=UTC)
            for month, day in ((3, 8), (3, 29), (4, 5), (10, 4), (10, 25), (11, 1))
        ]
    ),
    st.integers(0, 36 * 60),
)


@st.composite
def measurements(draw: st.DrawFn) -> Measured:
    """A session of up to ten hours with meter values, power and changes of state."""
    start = draw(starts)
    minutes = draw(st.integers(1, 600))
    marks = sorted(draw(st.sets(st.integers(0, minutes), max_size=6)) | {0, minutes})
    kwh, readings = Decimal(0), []
    for mark in marks:
        power = draw(st.none() | st.integers(0, 60))
        readings.append(
            Reading(start + mark * MINUTE, kwh, None if power is None else Decimal(power))
        )
        kwh += draw(st.decimals("0", "9.999", places=3))
    states = draw(
        st.lists(
            st.builds(
                lambda minute, state: StateChange(start + minute * MINUTE, state),
                st.integers(0, minutes),
                st.sampled_from(State),
            ),
            max_size=4,
        )
    )
    return Measured(start, start + minutes * MINUTE, tuple(readings), tuple(states))


@anyhow
@given(tariffs, measurements(), st.sampled_from(ZONES))
@pytest.mark.req("CD-18", "TA-16")
def test_a_cdr_of_ours_needs_no_further_split_and_agrees_with_its_check(
    offer: Document, measured: Measured, zone: str
) -> None:
    bill = bill_session(measured, [offer], zone)
    document = decode(encode(cdr_fields(bill)))
    check = check_cdr(document, (), zone, expired=bill.usage.expired)
    assert "period_spans_price_change" not in check.bill.codes()
    assert (check.bill.total, check.bill.parts) == (bill.total, bill.parts)
    assert check.agrees
    assert not any(each.difference for each in check.costs)


@anyhow
@given(tariffs, measurements(), st.sampled_from(ZONES))
def test_nothing_is_negative_and_the_lines_add_up(
    offer: Document, measured: Measured, zone: str
) -> None:
    bill = bill_session(measured, [offer], zone)
    assert all(0 <= line.cost.excl <= line.cost.incl for line in bill.lines)
    before = bill.limits[0].before if bill.limits else bill.total
    assert sum((line.cost for line in bill.lines), NOTHING) == before
    assert sum(bill.parts.values(), NOTHING) == before
    assert bill.total.excl >= 0


@anyhow
@given(tariffs, measurements(), st.sampled_from(ZONES), st.integers(1, 599))
def test_a_needless_cut_changes_no_price(
    offer: Document, measured: Measured, zone: str, minute: int
) -> None:
    moment = measured.start + minute * MINUTE
    state = next(
        (each.state for each in reversed(sorted_states(measured)) if each.at <= moment),
        State.CHARGING,
    )
    again = StateChange(moment, state)
    cut = replace(measured, states=(*measured.states, again))
    parts = bill_session(cut, [offer], zone).parts
    assert parts == bill_session(measured, [offer], zone).parts


def sorted_states(measured: Measured) -> list[StateChange]:
    return sorted(measured.states, key=lambda each: each.at)


@anyhow
@given(tariffs, measurements(), st.sampled_from(ZONES), st.data())
def test_a_period_of_a_cdr_may_be_halved_where_no_price_changes(
    offer: Document, measured: Measured, zone: str, data: st.DataObject
) -> None:
    bill = bill_session(measured, [offer], zone)
    document = decode(encode(cdr_fields(bill)))
    index = data.draw(st.integers(0, len(bill.usage.periods) - 1))
    given_period, whole = bill.usage.periods[index], document["charging_periods"][index]
    seconds = int((given_period.end - given_period.start).total_seconds())
    half = given_period.start + timedelta(seconds=seconds // 2)
    if half == given_period.start:
        return
    later = {**whole, "start_date_time": half.isoformat()}
    later["dimensions"], whole["dimensions"] = shared(whole["dimensions"])
    document["charging_periods"].insert(index + 1, later)
    halved = price_cdr(document, None, zone, expired=bill.usage.expired)
    assert halved.parts == bill.parts


def shared(dimensions: list[Document]) -> tuple[list[Document], list[Document]]:
    """Halve the volumes; lowest and highest values stay."""
    halves = [
        each if each["type"].startswith("M") else {**each, "volume": each["volume"] / 2}
        for each in dimensions
    ]
    return halves, halves


@anyhow
@given(
    st.lists(st.tuples(clocks, clocks, st.integers(1, 9)), max_size=4),
    starts,
    st.integers(1, 900),
    st.sampled_from(ZONES),
)
@pytest.mark.req("TA-06", "TA-19")
def test_every_minute_of_any_night_has_the_price_of_its_wall_clock(
    windows: list[tuple[str, str, int]], start: datetime, minutes: int, zone: str
) -> None:
    offer = tariff(
        *(
            element(component("TIME", str(price), 0), start_time=begin, end_time=end)
            for begin, end, price in windows
        ),
        element(component("TIME", "10", 0)),
    )
    bill = bill_session(Measured(start, start + minutes * MINUTE), [offer], zone)
    prices = [
        price_at((start + minute * MINUTE).astimezone(ZoneInfo(zone)).time(), windows)
        for minute in range(minutes)
    ]
    slack = Fraction(len(bill.lines) * 10, 10_000)  # Hours are written with four decimals.
    assert abs(bill.total.excl - Fraction(sum(prices), 60)) <= slack


def price_at(clock: time, windows: list[tuple[str, str, int]]) -> int:
    """The price per hour of a minute, told as naively as can be."""
    minute = clock.hour * 60 + clock.minute
    for begin, end, price in windows:
        first, last = (int(text[:2]) * 60 + int(text[3:]) for text in (begin, end))
        if (minute - first) % 1440 < ((last - first) % 1440 or 1440):
            return price
    return 10


@anyhow
@given(st.lists(components, min_size=1, max_size=4), st.decimals("-50", "50", places=4))
def test_any_energy_has_an_exact_price(parts: list[Any], kwh: Decimal) -> None:
    document = {
        "start_date_time": "2024-01-15T08:00:00Z",
        "end_date_time": "2024-01-15T09:00:00Z",
        "charging_periods": [
            {
                "start_date_time": "2024-01-15T08:00:00Z",
                "dimensions": [{"type": "ENERGY", "volume": kwh}],
            }
        ],
    }
    bill: Bill = price_cdr(document, [tariff(element(*parts))])
    first = next((part for part in parts if part["type"] == "ENERGY"), None)
    if first and (kwh <= 0 or first["step_size"] < 1):
        assert bill.parts["total_energy_cost"].excl == Fraction(first["price"]) * Fraction(kwh)


@given(st.fractions() | st.decimals("-9", "9", places=5).map(Fraction), st.integers(0, 4))
def test_a_number_is_written_as_it_is_rounded(value: Fraction, places: int) -> None:
    rounded = half_up(value, places)
    assert written(value, places) == f"{rounded:.{places}f}"
    away = abs(Fraction(rounded)) - abs(value)
    assert Fraction(-1, 2) < away * 10**places <= Fraction(1, 2)


@given(st.fractions(), st.fractions())
def test_quick_arithmetic_is_that_of_fractions(one: Fraction, other: Fraction) -> None:
    assert times(one, other) == one * other
    assert reaches(one, other) == (one >= other)
    assert reaches(one, one)
