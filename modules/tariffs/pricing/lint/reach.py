"""Lints of reach: prices that never apply, and cases for which there is no price.

All cases that a tariff tells apart are tried: one moment, energy, duration, power and current
from each stretch between the bounds that it names.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from itertools import pairwise, product

from modules.tariffs.pricing.boundaries import thresholds
from modules.tariffs.pricing.choosing import choose
from modules.tariffs.pricing.lint.findings import Finding, Subject, error, info, warning
from modules.tariffs.pricing.money import plain
from modules.tariffs.pricing.policy import DEFAULT
from modules.tariffs.pricing.remarks import WORDS
from modules.tariffs.pricing.restrictions import (
    MIDNIGHT,
    WEEKDAYS,
    Dates,
    Hours,
    Restriction,
    Situation,
    Weekdays,
)
from modules.tariffs.pricing.terms import Component
from modules.tariffs.pricing.usage import Kind

_MOST_CASES = 50_000
_A_MONDAY = date(2024, 1, 1)
_AMOUNTS = ("kwh", "duration", "power", "current")
_FIRST_YEAR, _LAST_YEAR = 1900, 9000  # Beyond lies the end of the calendar.
_AN_HOUR = timedelta(hours=1)


def lint_reach(subject: Subject) -> Iterator[Finding]:
    """Yield prices that are never used, and dimensions that are not always priced."""
    for kind, components in subject.terms.candidates.items():
        always = next((each for each in components if not each.restrictions), None)
        last = components.index(always) + 1 if always else len(components)
        for each in components[last:]:
            sentence = "An earlier element always applies, so this price is never used."
            yield error("shadowed", _pointer(each), sentence)
        if components:
            yield from _try_all(kind, components[:last])
    yield from _hourly(subject)


def _try_all(kind: Kind, components: Sequence[Component]) -> Iterator[Finding]:
    cases = _Cases([each for component in components for each in component.restrictions])
    if cases.count() > _MOST_CASES:
        sentence = f"The prices for {WORDS[kind]} tell too many cases apart to try them all."
        yield info("too_many_cases", "/elements", sentence)
        return
    found = [(now, choose(components, now, DEFAULT, []).component) for now in cases]
    reached = {component for _, component in found}
    for each in components:
        if each not in reached:
            sentence = "It never applies: earlier prices or its own restrictions leave it no case."
            yield warning("never_reached", _pointer(each), sentence)
    if None in reached and kind in {Kind.ENERGY, Kind.TIME, Kind.PARKING_TIME}:
        gap = next(now for now, component in found if component is None)
        yield warning("gap", "/elements", _gap(kind, gap, cases))


@dataclass(frozen=True)
class _Cases:
    """Every combination of what the restrictions tell apart."""

    restrictions: Sequence[Restriction]

    def days(self) -> list[date]:
        """A day from each stretch between two dates, or a week of them where weekdays count."""
        bounds = {
            bound
            for each in self.restrictions
            if isinstance(each, Dates)
            for bound in (each.start, each.end)
            if bound and _FIRST_YEAR < bound.year < _LAST_YEAR
        }
        wanted = 7 if any(isinstance(each, Weekdays) for each in self.restrictions) else 1
        firsts = sorted(bounds) or [_A_MONDAY]
        before = [firsts[0] - timedelta(days=day + 1) for day in range(wanted if bounds else 0)]
        stretches = [*pairwise(firsts), (firsts[-1], date.max)]
        return before + [
            first + timedelta(days=day)
            for first, end in stretches
            for day in range(wanted)
            if first + timedelta(days=day) < end
        ]

    def clocks(self) -> list[time]:
        bounds = {
            bound or MIDNIGHT
            for each in self.restrictions
            if isinstance(each, Hours)
            for bound in (each.start, each.end)
        }
        return sorted(bounds | {MIDNIGHT})

    def amounts(self, name: str) -> list[Fraction]:
        return sorted({Fraction(0), *thresholds(self.restrictions, name)})

    def count(self) -> int:
        count = len(self.days()) * len(self.clocks())
        for name in _AMOUNTS:
            count *= len(self.amounts(name))
        return count

    def __iter__(self) -> Iterator[Situation]:
        amounts = product(*(self.amounts(name) for name in _AMOUNTS))
        moments = product(self.days(), self.clocks())
        for (day, clock), (kwh, seconds, power, current) in product(moments, amounts):
            ranges = {f"{end}_POWER": power for end in ("MIN", "MAX")}
            ranges |= {f"{end}_CURRENT": current for end in ("MIN", "MAX")}
            yield Situation(datetime.combine(day, clock, UTC), kwh, seconds, ranges)


def _gap(kind: Kind, now: Situation, cases: _Cases) -> str:
    """Name the case, leaving out what the tariff does not ask about."""
    moment = now.wall_clock()
    told = [f"{WEEKDAYS[moment.weekday()].capitalize()} {moment:%H:%M}"]
    amounts = {
        "kwh": f"after {plain(now.kwh)} kWh",
        "duration": f"after {plain(now.seconds)} s",
        "power": f"at {plain(now.ranges['MIN_POWER'])} kW",
        "current": f"at {plain(now.ranges['MIN_CURRENT'])} A",
    }
    told += [words for name, words in amounts.items() if len(cases.amounts(name)) > 1]
    return (
        f"There is not always a price for {WORDS[kind]}, for example {', '.join(told)}; "
        "then it is free. An unrestricted element at the end would price the rest."
    )


def _hourly(subject: Subject) -> Iterator[Finding]:
    """Remark elements that could be one, and tariffs that are really a table of hours."""
    elements = subject.tariff.elements
    for index, (first, second) in enumerate(pairwise(elements)):
        mine, next_ones = first.restrictions, second.restrictions
        if not mine or not next_ones or first.price_components != second.price_components:
            continue
        rest = {"start_time": None, "end_time": None}
        same = mine.model_copy(update=rest) == next_ones.model_copy(update=rest)
        if same and mine.end_time and mine.end_time == next_ones.start_time:
            sentence = "It goes on with the prices of the element before it; they could be one."
            yield warning("mergeable", f"/elements/{index + 1}", sentence)
    if sum(_lasts_an_hour(each) for each in _windows(subject)) >= 24:
        yield info("hourly_prices", "/elements", "This is a table of hourly prices.")


def _windows(subject: Subject) -> Iterator[Hours]:
    for components in subject.terms.candidates.values():
        for component in components:
            yield from (each for each in component.restrictions if isinstance(each, Hours))


def _lasts_an_hour(window: Hours) -> bool:
    start = datetime.combine(_A_MONDAY, window.start or MIDNIGHT, UTC) + _AN_HOUR
    return start.time() == (window.end or MIDNIGHT)


def _pointer(component: Component) -> str:
    return f"/elements/{component.element}/price_components/{component.position}"
