"""Opening hours in OpenStreetMap's style become OCPI's Hours (LO-25, LO-26)."""

import re
from typing import Any

_DAYS = ("mo", "tu", "we", "th", "fr", "sa", "su")
_WEEK = range(1, 8)
_DAY = "(?:" + "|".join(_DAYS) + ")"
_LAST_MINUTE = 23 * 60 + 59  # OCPI can't write 24:00 (AT-72).
_MIDNIGHT = 24 * 60
_LONGEST = 1000

_RANGE = re.compile(r"([0-9]{1,2}):([0-9]{2})\s*-\s*([0-9]{1,2}):([0-9]{2})")
_DAY_SPAN = re.compile(rf"({_DAY})(?:\s*-\s*({_DAY}))?")
_PART = re.compile(r"([a-z][a-z \-]*?)?\s*([0-9][0-9:\s\-]*|off|closed)?")

Period = tuple[int, int]  # minutes since midnight; an end on the next day is beyond 24 hours
Week = dict[int, list[Period]]


def parse_hours(text: str) -> dict[str, Any] | None:
    """Return OCPI Hours, or None when the text can't be understood as a whole.

    A comma adds to what was said, a semicolon overrides it for the days that follow. Periods that
    overlap are joined; one that passes midnight is split at 23:59 and 00:00 (AT-72).
    """
    try:
        week = _parse_week(text.strip().lower()) if len(text) <= _LONGEST else {}
    except ValueError:
        return None
    periods = _within_days(week)
    if all(periods[day] == [(0, _LAST_MINUTE)] for day in _WEEK):
        return {"twentyfourseven": True}
    hours = [
        {"weekday": day, "period_begin": _clock(begin), "period_end": _clock(end)}
        for day in _WEEK
        for begin, end in periods[day]
    ]
    return {"twentyfourseven": False, "regular_hours": hours} if hours else None


def _parse_week(text: str) -> Week:
    if text == "24/7":
        return {day: [(0, _MIDNIGHT)] for day in _WEEK}
    week: Week = {}
    for rule in filter(None, (part.strip() for part in text.split(";"))):
        week |= _parse_rule(rule)
    return week


def _parse_rule(rule: str) -> Week:
    """Return what one rule says; days without a time await the next one (`Mo,We 08:00-12:00`)."""
    week: Week = {}
    days: list[int] = []
    waiting = False
    for part in (part.strip() for part in rule.split(",")):
        match = _PART.fullmatch(part)
        if not part or not match:
            raise ValueError(part)
        named, times = match.groups()
        if named:
            days = (days if waiting else []) + _days(named.strip())
        waiting = times is None
        if times:
            _add(week, days or list(_WEEK), times)
    if waiting:
        raise ValueError(rule)
    return week


def _days(text: str) -> list[int]:
    match = _DAY_SPAN.fullmatch(text)
    if not match:
        raise ValueError(text)
    first = _DAYS.index(match[1])
    last = _DAYS.index(match[2] or match[1])
    return [(first + step) % 7 + 1 for step in range((last - first) % 7 + 1)]


def _add(week: Week, days: list[int], times: str) -> None:
    if times in ("off", "closed"):
        week.update({day: [] for day in days})
        return
    match = _RANGE.fullmatch(times.strip())
    if not match:
        raise ValueError(times)
    begin, end = _minutes(match[1], match[2]), _minutes(match[3], match[4])
    for day in days:
        week.setdefault(day, []).append((begin, end if begin < end else end + _MIDNIGHT))


def _minutes(hour: str, minute: str) -> int:
    minutes = int(hour) * 60 + int(minute)
    if int(minute) > 59 or minutes > _MIDNIGHT:
        raise ValueError(f"{hour}:{minute}")
    return minutes


def _within_days(week: Week) -> Week:
    """Return the periods of each day as OCPI can write them, what passes midnight split in two."""
    days: Week = {day: [] for day in _WEEK}
    for day, periods in week.items():
        for begin, end in periods:
            days[day].append((begin, min(end, _LAST_MINUTE)))
            days[day % 7 + 1].append((0, end - _MIDNIGHT))
    return {day: _join(periods) for day, periods in days.items()}


def _join(periods: list[Period]) -> list[Period]:
    """Return the periods in order, those that overlap or touch as one."""
    joined: list[Period] = []
    for begin, end in sorted(period for period in periods if period[0] < period[1]):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"


def minutes_open(hours: dict[str, Any]) -> int:
    """Return how many minutes a week Hours are open."""
    if hours["twentyfourseven"]:
        return 7 * _MIDNIGHT
    return sum(
        _minutes(*period["period_end"].split(":")) - _minutes(*period["period_begin"].split(":"))
        for period in hours["regular_hours"]
    )
