"""Moments in time: read in every form met in the field, written in the one that all take."""

import re
from datetime import UTC, datetime, timedelta, timezone

# The forms the specification shows (TYPES, DateTime); they need no tolerance.
REGULAR = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]([0-9]{2})?)?Z?"
)

_ANY_FORM = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})[Tt ]"
    r"([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?"
    r"(?:[Zz]| ?([+\- ])([0-9]{2}):?([0-9]{2})?)?"
)
_LONGEST = 64
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_moment(text: str) -> datetime:
    """Read a moment as an aware UTC datetime (TY-05..TY-07, AT-24, IP-08).

    No designator means UTC, offsets are converted, fractions finer than microseconds are cut, a
    blank may stand for the T and (as queries garble it) for the plus of an offset, month and day
    may have one digit, seconds may be left out, and a leap second counts as the second before it.
    Raises ValueError.
    """
    try:
        if REGULAR.fullmatch(text) and text[17:19] != "60":
            return _as_utc(datetime.fromisoformat(text))
        match = _ANY_FORM.fullmatch(text) if len(text) <= _LONGEST else None
        if match:
            return _as_utc(_build_moment(match))
    except (ValueError, OverflowError):
        match = None
    raise ValueError(f"'{text[:_LONGEST]}' is no moment such as 2026-01-02T03:04:05Z")


def format_moment(moment: datetime) -> str:
    """Write `2026-01-02T03:04:05Z`, or with three decimals where there are milliseconds."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    utc = moment.astimezone(UTC).replace(tzinfo=None)
    return utc.isoformat(timespec="milliseconds" if utc.microsecond >= 1000 else "seconds") + "Z"


def _as_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _build_moment(match: re.Match[str]) -> datetime:
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    fraction, sign, offset_hours, offset_minutes = match.groups()[6:]
    offset = timedelta(hours=int(offset_hours or 0), minutes=int(offset_minutes or 0))
    return datetime(
        year,
        month,
        day,
        hour,
        minute,
        59 if second == 60 else second,
        int((fraction or "")[:6].ljust(6, "0")),
        tzinfo=timezone(-offset if sign == "-" else offset),
    )


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970, the form in which moments are stored and compared."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment_of(count: int) -> datetime:
    """The moment so many microseconds after the beginning of 1970."""
    return _EPOCH + timedelta(microseconds=count)
