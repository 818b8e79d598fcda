"""Lints of restrictions: what can't hold, and what holds otherwise than one would think."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

from modules.tariffs.pricing.lint.findings import Finding, Subject, error, info, warning
from modules.tariffs.pricing.restrictions import WEEKDAYS
from modules.tariffs.pricing.zones import clock_jumps, open_zone
from ocpi.spec.tariffs import TariffElement, TariffRestrictions

_BOUNDED = ("kwh", "current", "power", "duration")
_NOT_USED = {"unknown_restriction": "unusable_element", "unknown_dimension": "unknown_dimension"}
_UNLIKELY = {"current": Decimal(500), "power": Decimal(1000)}
_UNITS = {"current": "A", "power": "kW"}


def lint_restrictions(subject: Subject) -> Iterator[Finding]:
    for note in subject.terms.notes:
        yield error(_NOT_USED[note.code], f"/elements/{note.element}", note.sentence)
    for index, element in enumerate(subject.tariff.elements):
        given, pointer = element.restrictions, f"/elements/{index}/restrictions"
        if given:
            yield from _bounds(given, pointer)
            yield from _window(subject, given, pointer)
            yield from _days(subject, given, pointer)
            yield from _measured(given, pointer)
            yield from _parking(element, given, pointer)


def _bounds(given: TariffRestrictions, pointer: str) -> Iterator[Finding]:
    for name in _BOUNDED:
        low, high = getattr(given, f"min_{name}"), getattr(given, f"max_{name}")
        if high is not None and high <= (low or 0):
            sentence = f"No {name} is at least {low or 0} and less than {high}."
            yield error("impossible", f"{pointer}/max_{name}", sentence)
        if low == 0:
            sentence = f"min_{name} 0 restricts nothing."
            yield info("idle_bound", f"{pointer}/min_{name}", sentence)
    if given.start_date and given.end_date and given.start_date >= given.end_date:
        sentence = "end_date is not after start_date, and it is exclusive."
        yield error("impossible", f"{pointer}/end_date", sentence)


def _window(subject: Subject, given: TariffRestrictions, pointer: str) -> Iterator[Finding]:
    start, end = given.start_time, given.end_time
    if start and start == end:
        sentence = "A window that ends when it starts is undefined; it is taken for the whole day."
        yield warning("equal_times", f"{pointer}/end_time", sentence)
    if not start and end == "00:00":
        sentence = "end_time 00:00 alone is taken for the whole day; others take it for never."
        yield warning("midnight_alone", f"{pointer}/end_time", sentence)
    if end == "23:59":
        sentence = "end_time is exclusive, so the last minute of the day is not covered."
        yield warning("lost_minute", f"{pointer}/end_time", sentence)
    if (
        start
        and end
        and "00:00" < end < start
        and (given.day_of_week or given.start_date or given.end_date)
    ):
        sentence = (
            "The window passes midnight, but each restriction holds for the moment itself: "
            "after midnight it is the next day."
        )
        yield warning("overnight_day", pointer, sentence)
    at_night = any(text and text[:3] == "02:" for text in (start, end))
    if at_night and subject.zone and _changes_clock(subject.zone):
        sentence = "Between 02:00 and 03:00 local time is skipped or repeated once a year."
        yield warning("clock_change", pointer, sentence)


def _changes_clock(name: str) -> bool:
    start, end = datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
    return any(clock_jumps(open_zone(name), start, end))


def _days(subject: Subject, given: TariffRestrictions, pointer: str) -> Iterator[Finding]:
    days = [str(day) for day in given.day_of_week]
    if len(set(days)) < len(days) or set(days) >= set(WEEKDAYS):
        sentence = "day_of_week repeats a day, or lists all seven, which restricts nothing."
        yield warning("idle_days", f"{pointer}/day_of_week", sentence)
    if (given.start_date or given.end_date) and len(subject.tariff.elements) == 1:
        sentence = "The dates bound the only element; the tariff's own times would say it better."
        yield warning("dates_of_tariff", pointer, sentence)
    if subject.now and given.end_date and given.end_date <= f"{subject.now:%Y-%m-%d}":
        sentence = "The dates are past, so the element will not apply again."
        yield warning("past_dates", f"{pointer}/end_date", sentence)


def _measured(given: TariffRestrictions, pointer: str) -> Iterator[Finding]:
    for name, most in _UNLIKELY.items():
        for field in (f"min_{name}", f"max_{name}"):
            value = getattr(given, field)
            if value is not None and value > most:
                sentence = f"{value} {_UNITS[name]} is unlikely; the unit is {_UNITS[name]}."
                yield warning("unlikely_unit", f"{pointer}/{field}", sentence)


def _parking(element: TariffElement, given: TariffRestrictions, pointer: str) -> Iterator[Finding]:
    parks = any(each.type == "PARKING_TIME" for each in element.price_components)
    if parks and given.min_duration:
        sentence = "min_duration counts from the start of the session, not of the parking."
        yield warning("parking_duration", f"{pointer}/min_duration", sentence)
