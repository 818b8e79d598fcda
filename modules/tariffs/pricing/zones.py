"""Local time: which zone a session is priced in, and where its clock jumps."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from iso3166 import countries

from modules.tariffs.pricing.usage import Note, PricingError

_FIRST_YEAR, _LAST_YEAR = 1900, 9000  # Sums of moments between them are moments, too.
_STRIDE = timedelta(hours=6)  # No zone changes its clock twice within it.


def open_zone(name: str) -> ZoneInfo:
    """Open an IANA time zone by name; raises PricingError for one that does not exist."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise PricingError("unknown_time_zone", f"There is no time zone '{name}'.") from None


def localized(moment: datetime, zone: ZoneInfo | None) -> datetime:
    """Take a moment without offset as local time, or as UTC; raises PricingError far from now."""
    if not _FIRST_YEAR < moment.year < _LAST_YEAR:
        raise PricingError("bad_start", f"Nobody charges in the year {moment.year}.")
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone or UTC)).astimezone(UTC)


def infer_zone(country: str | None, start: datetime, end: datetime) -> tuple[ZoneInfo, Note] | None:
    """Find the zone of a country (ISO 3166-1) all of whose clocks agreed during the session."""
    zones = [ZoneInfo(name) for name in _zones_of(country or "")]
    clocks = {
        (start.astimezone(zone).utcoffset(), end.astimezone(zone).utcoffset()) for zone in zones
    }
    if len(clocks) != 1:
        return None
    sentence = (
        f"The time zone was not told; that of the country {country}, {zones[0].key}, was used."
    )
    return zones[0], Note("time_zone_inferred", sentence)


@cache
def _zones_of(country: str) -> Sequence[str]:
    code = countries[country].alpha2 if country in countries else ""
    table = files("tzdata").joinpath("zoneinfo", "zone.tab").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in table.splitlines() if not line.startswith("#"))
    return [row[2] for row in rows if row[0] == code]


def clock_jumps(zone: ZoneInfo, start: datetime, end: datetime) -> Iterator[datetime]:
    """Yield, in UTC, when the zone's clock was put forward or back between two moments."""
    low = start
    while low < end:
        high = min(low + _STRIDE, end)
        if low.astimezone(zone).utcoffset() != high.astimezone(zone).utcoffset():
            yield _jump_between(zone, low, high)
        low = high


def _jump_between(zone: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """Halve the span down to a second; clocks jump at whole seconds."""
    before = low.astimezone(zone).utcoffset()
    seconds = int(low.timestamp()), -int(-high.timestamp() // 1)
    first, last = seconds
    while last - first > 1:
        middle = (first + last) // 2
        same = datetime.fromtimestamp(middle, UTC).astimezone(zone).utcoffset() == before
        first, last = (middle, last) if same else (first, middle)
    return datetime.fromtimestamp(last, UTC)
