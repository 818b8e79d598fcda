"""When prices may change by themselves: wall clock, days and durations (CD-18)."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from modules.tariffs.pricing.restrictions import LOCAL, MIDNIGHT, Band, Hours, Range, Restriction
from modules.tariffs.pricing.zones import clock_jumps

_DAY = timedelta(days=1)


def clock_boundaries(
    restrictions: Sequence[Restriction], zone: ZoneInfo | None, start: datetime, end: datetime
) -> Iterator[datetime]:
    """Yield each moment, in UTC, at which local time enters or leaves a window.

    A wall clock time that comes twice in a night is met both times; one that the clock leaps over
    is met at the leap, and every leap is a boundary.
    """
    times = {moment for each in restrictions for moment in _times_of(each)}
    if not times or zone is None:
        return
    yield from clock_jumps(zone, start, end)
    day, last = start.astimezone(zone).date(), end.astimezone(zone).date()
    while day <= last:
        for clock in times:
            for fold in (0, 1):
                local = datetime.combine(day, clock, tzinfo=zone).replace(fold=fold)
                moment = local.astimezone(UTC)
                if moment.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
                    yield moment
        day += _DAY


def _times_of(restriction: Restriction) -> set[time]:
    if isinstance(restriction, Hours):
        return {restriction.start or MIDNIGHT, restriction.end or MIDNIGHT}
    return {MIDNIGHT} if isinstance(restriction, LOCAL) else set()


def duration_boundaries(
    restrictions: Sequence[Restriction], since: datetime, end: datetime
) -> Iterator[datetime]:
    """Yield each moment at which so many seconds have passed since the given one."""
    whole = (end - since) // timedelta(seconds=1)
    for threshold in thresholds(restrictions, "duration"):
        if 0 < threshold <= whole:
            yield since + timedelta(seconds=int(threshold))


def thresholds(restrictions: Sequence[Restriction], name: str) -> list[Fraction]:
    """The bounds of all restrictions on `kwh`, `duration`, `power` or `current`, in order."""
    bounds = {
        bound
        for restriction in restrictions
        if isinstance(restriction, (Band, Range)) and restriction.name == name
        for bound in (restriction.low, restriction.high)
        if bound is not None
    }
    return sorted(bounds)
