"""The power curve of a session: from what its station reported, else from its charging periods."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from modules.stations.reports.record import Record
from ocpi.editing import Document
from ocpi.spec.moments import parse_moment

HOUR = 3600


class Point(NamedTuple):
    """The power from a moment on, and the energy charged until then."""

    at: int
    """Seconds since 1970."""
    kw: float | None
    """At the end it is that until then; None where it is not known."""
    kwh: float


def curve_of_record(record: Record) -> list[Point]:
    """By the meter: power as reported, else the mean power until the next value."""
    readings = [each for each in record.used_readings() if each.kwh is not None]
    if not readings:
        return []
    first = readings[0].kwh or Decimal(0)
    known = [(each.at, (each.kwh or first) - first, each.power_kw) for each in readings]
    return _points(known)


def curve_of_periods(session: Document) -> list[Point]:
    """By the Session's or CDR's own periods: each one's energy at an even power."""
    periods = session.get("charging_periods") or []
    known: list[tuple[datetime, Decimal, Decimal | None]] = []
    kwh = Decimal(0)
    for period in sorted(periods, key=lambda each: parse_moment(each["start_date_time"])):
        known.append((parse_moment(period["start_date_time"]), kwh, None))
        kwh += _energy(period)
    end = session.get("end_date_time") or session["last_updated"]
    if known:
        known.append((max(parse_moment(end), known[-1][0]), kwh, None))
    return _points(known)


def _points(known: Sequence[tuple[datetime, Decimal, Decimal | None]]) -> list[Point]:
    return list(_strictly_later(_with_power(known)))


def _with_power(known: Sequence[tuple[datetime, Decimal, Decimal | None]]) -> Iterator[Point]:
    power: Decimal | None = None
    for index, (at, kwh, told) in enumerate(known):
        if told is not None:
            power = told
        elif index + 1 < len(known):
            later, more, _ = known[index + 1]
            seconds = Decimal((later - at).total_seconds())
            power = (more - kwh) * HOUR / seconds if seconds else None
        kw = None if power is None else round(float(power), 3)
        yield Point(int(at.timestamp()), kw, round(float(kwh), 4))


def _strictly_later(points: Iterator[Point]) -> Iterator[Point]:
    """One point a second, the last: a chart knows no two values at once."""
    last: Point | None = None
    for point in points:
        if last is not None and point.at > last.at:
            yield last
        last = point
    if last is not None:
        yield last


def _energy(period: Document) -> Decimal:
    volumes = [each["volume"] for each in period["dimensions"] if each["type"] == "ENERGY"]
    return sum((Decimal(volume) for volume in volumes), Decimal(0))
