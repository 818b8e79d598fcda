"""When a tariff element applies: one class for each sort of restriction (TA-16..TA-19)."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple, TypeVar

from modules.tariffs.pricing.money import plain, reaches
from modules.tariffs.pricing.policy import OvernightDay, Policy, RangeRule
from modules.tariffs.pricing.usage import Note
from ocpi.spec.tariffs import TariffRestrictions

MIDNIGHT = time(0)
WEEKDAYS = ("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY")
_CLOCK = re.compile(r"[0-9]{2}:[0-9]{2}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
Parsed = TypeVar("Parsed")
_BOUNDS = {"power": ("MIN_POWER", "MAX_POWER"), "current": ("MIN_CURRENT", "MAX_CURRENT")}
_UNITS = {"kwh": "kWh", "duration": "s", "power": "kW", "current": "A"}


class Situation(NamedTuple):
    """What restrictions are held against: the state of a session at one instant."""

    local: datetime | None
    kwh: Fraction
    seconds: Fraction
    ranges: Mapping[str, Fraction]

    def wall_clock(self) -> datetime:
        """Local time; pricing makes sure beforehand that it is known where it is asked for."""
        assert self.local is not None
        return self.local


@dataclass(frozen=True)
class Hours:
    """start_time and end_time: a window of local time, each day anew."""

    start: time | None
    end: time | None
    name = "time of day"
    remark = None  # Nobody doubts what it means.

    def holds(self, now: Situation, policy: Policy) -> bool:
        """An end before or at the start passes midnight, and 00:00 ends the day."""
        del policy
        at, start = now.wall_clock().time(), self.start or MIDNIGHT
        if self.end is None or self.end == MIDNIGHT:
            return at >= start
        if start < self.end:
            return start <= at < self.end
        return at >= start or at < self.end

    def overnight(self) -> bool:
        return self.end is not None and MIDNIGHT < self.end < (self.start or MIDNIGHT)

    @cached_property
    def words(self) -> str:
        return f"from {self.start or MIDNIGHT:%H:%M} to {self.end or MIDNIGHT:%H:%M}"

    def saw(self, now: Situation) -> str:
        return f"it was {hour_and_minute(now.wall_clock())}"


@dataclass(frozen=True)
class Dates:
    """start_date and end_date: local dates, the second exclusive."""

    start: date | None
    end: date | None
    name = "date"
    remark = None  # As with Hours.

    def holds(self, now: Situation, policy: Policy) -> bool:
        del policy
        today = now.wall_clock().date()
        return (self.start is None or today >= self.start) and (
            self.end is None or today < self.end
        )

    @cached_property
    def words(self) -> str:
        return _span(self.start, self.end, "until before", "before")

    def saw(self, now: Situation) -> str:
        return f"it was {now.wall_clock():%Y-%m-%d}"


@dataclass(frozen=True)
class Weekdays:
    """day_of_week, and the end of the same element's window if that passes midnight."""

    days: frozenset[int]
    overnight_until: time | None
    name = "day of the week"

    def holds(self, now: Situation, policy: Policy) -> bool:
        moment = now.wall_clock()
        if policy.overnight_day == OvernightDay.WINDOW_START:
            moment = self._window_start(moment)
        return moment.weekday() in self.days

    def _window_start(self, moment: datetime) -> datetime:
        if self.overnight_until is None or moment.time() >= self.overnight_until:
            return moment
        return moment - timedelta(days=1)

    def remark(self, now: Situation, policy: Policy) -> Note | None:
        moment = now.wall_clock()
        if (moment.weekday() in self.days) == (self._window_start(moment).weekday() in self.days):
            return None
        sentence = (
            f"{_day(moment)} {moment:%H:%M} lies in a window that began the day before; OCPI does "
            "not say whether the day of its beginning or that of the moment counts."
        )
        return Note("overnight_weekday", sentence, policy=policy.setting("overnight_day"))

    @cached_property
    def words(self) -> str:
        return "on " + ", ".join(WEEKDAYS[day].capitalize() for day in sorted(self.days))

    def saw(self, now: Situation) -> str:
        return f"it was a {_day(now.wall_clock())}"


@dataclass(frozen=True)
class Band:
    """Energy or seconds since the session began: the lower bound inclusive, the upper not."""

    name: str
    low: Fraction | None
    high: Fraction | None
    remark = None  # As with Hours.

    def holds(self, now: Situation, policy: Policy) -> bool:
        del policy
        value = self.value(now)
        return (self.low is None or reaches(value, self.low)) and (
            self.high is None or not reaches(value, self.high)
        )

    def value(self, now: Situation) -> Fraction:
        return now.kwh if self.name == "kwh" else now.seconds

    @cached_property
    def words(self) -> str:
        unit = _UNITS[self.name]
        return _span(_amount(self.low, unit), _amount(self.high, unit))

    def saw(self, now: Situation) -> str:
        return f"there had been {_amount(self.value(now), _UNITS[self.name])}"


@dataclass(frozen=True)
class Range:
    """Current or power during the period; a bound that was not measured lets nothing match."""

    name: str
    low: Fraction | None
    high: Fraction | None

    def holds(self, now: Situation, policy: Policy) -> bool:
        return bool(self._verdict(now, policy.range_rule))

    def _measured(self, now: Situation) -> tuple[Fraction | None, Fraction | None]:
        lowest, highest = _BOUNDS[self.name]
        return now.ranges.get(lowest), now.ranges.get(highest)

    def _verdict(self, now: Situation, rule: RangeRule) -> bool | None:
        trough, peak = self._measured(now)
        for_low, for_high = (peak, trough) if rule == RangeRule.PEAK else (trough, peak)
        enough = self.low is None or (None if for_low is None else reaches(for_low, self.low))
        within = self.high is None or (
            None if for_high is None else not reaches(for_high, self.high)
        )
        return False if False in (enough, within) else None if None in (enough, within) else True

    def remark(self, now: Situation, policy: Policy) -> Note | None:
        if self._verdict(now, policy.range_rule) is None:
            sentence = (
                f"The price for a {self.name} {self.words} could not be judged, because the "
                f"{self.name} of the period was not told; it was taken not to apply."
            )
            return Note("restriction_undecidable", sentence)
        verdicts = {self._verdict(now, rule) for rule in RangeRule}
        if verdicts != {True, False}:
            return None
        sentence = f"The {self.name} crossed a bound within one period; {self.saw(now)}."
        return Note("range_straddles", sentence, policy=policy.setting("range_rule"))

    @cached_property
    def words(self) -> str:
        unit = _UNITS[self.name]
        return _span(_amount(self.low, unit), _amount(self.high, unit))

    def saw(self, now: Situation) -> str:
        unit = _UNITS[self.name]
        texts = [_amount(bound, unit) or "unknown" for bound in self._measured(now)]
        return f"the {self.name} was {' to '.join(dict.fromkeys(texts))}"


Restriction = Hours | Dates | Weekdays | Band | Range
LOCAL = (Hours, Dates, Weekdays)


class UnreadableRestriction(ValueError):
    """The restriction is unknown or malformed, so its element must not apply to anyone."""


def read_restrictions(given: TariffRestrictions) -> tuple[Restriction, ...]:
    """Compile all but `reservation`; those that need measured ranges come last."""
    for name, value in (given.__pydantic_extra__ or {}).items():
        if value is not None:
            raise UnreadableRestriction(name)
    return (*_of_moments(given), *_of_amounts(given))


def _of_moments(given: TariffRestrictions) -> Iterator[Restriction]:
    hours = Hours(_clock(given.start_time), _clock(given.end_time))
    if given.start_time or given.end_time:
        yield hours
    if given.start_date or given.end_date:
        yield Dates(_date(given.start_date), _date(given.end_date))
    if given.day_of_week:
        yield Weekdays(_days(given.day_of_week), hours.end if hours.overnight() else None)


def _of_amounts(given: TariffRestrictions) -> Iterator[Restriction]:
    for sort, name in ((Band, "kwh"), (Band, "duration"), (Range, "current"), (Range, "power")):
        low, high = getattr(given, f"min_{name}"), getattr(given, f"max_{name}")
        if low is not None or high is not None:
            yield sort(name, _exact(low), _exact(high))


def _clock(text: str | None) -> time | None:
    return None if text is None else _parsed(time.fromisoformat, _CLOCK, text)


def _date(text: str | None) -> date | None:
    return None if text is None else _parsed(date.fromisoformat, _DATE, text)


def _parsed(parse: Callable[[str], Parsed], form: re.Pattern[str], text: str) -> Parsed:
    if not form.fullmatch(text):
        raise UnreadableRestriction(f"'{text}'")
    try:
        return parse(text)
    except ValueError:
        raise UnreadableRestriction(f"'{text}'") from None


def _days(names: Sequence[str]) -> frozenset[int]:
    for name in names:
        if name not in WEEKDAYS:
            raise UnreadableRestriction(f"day_of_week '{name}'")
    return frozenset(WEEKDAYS.index(name) for name in names)


def _exact(number: Decimal | int | None) -> Fraction | None:
    return None if number is None else Fraction(number)


def hour_and_minute(moment: datetime) -> str:
    """Write `08:30`, which strftime takes several times longer for."""
    return moment.time().isoformat("minutes")


def _day(moment: datetime) -> str:
    return WEEKDAYS[moment.weekday()].capitalize()


def _amount(value: Fraction | None, unit: str) -> str | None:
    return None if value is None else f"{plain(value)} {unit}"


def _span(low: object, high: object, upto: str = "to below", below: str = "below") -> str:
    """Say a range of which one end may be open."""
    if high is None:
        return f"from {low}"
    return f"{below} {high}" if low is None else f"from {low} {upto} {high}"
