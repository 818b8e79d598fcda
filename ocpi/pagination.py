"""Paged lists: what a request asks for, and the headers of the answer."""

import re
from dataclasses import dataclass
from urllib.parse import urlencode

from ocpi.errors import InvalidParameters
from ocpi.forgiving import Habit, forgive
from ocpi.spec.moments import microseconds, parse_moment

# An offset beyond this gives an empty page: nobody but attackers crawls that far (TA-18, PD-10).
DEEPEST = 1_000_000


@dataclass(frozen=True)
class Paging:
    """Which objects of a list are wanted; moments in microseconds since 1970 (PG-01 to PG-04)."""

    offset: int
    limit: int
    date_from: int | None = None
    date_to: int | None = None


def read_paging(
    date_from: str | None, date_to: str | None, offset: str | None, limit: str | None, *, cap: int
) -> Paging:
    """Read the four parameters as they stand in the query (PG-12: 2001 for what cannot be read)."""
    return Paging(
        offset=_number("offset", offset, 0),
        # A page of none would look like the end of the list to those who crawl (TA-18).
        limit=max(1, min(_number("limit", limit, cap), cap)),
        date_from=_moment("date_from", date_from),
        date_to=_moment("date_to", date_to),
    )


def _number(name: str, text: str | None, default: int) -> int:
    if text is None or text == "":
        return default
    if not re.fullmatch(r"[0-9]{1,20}", text):
        raise InvalidParameters(f"{name}: a whole number from 0 is due, not {text[:40]!r}")
    return int(text)


def _moment(name: str, text: str | None) -> int | None:
    if text is None or text == "":
        return None
    # An unencoded + of a time offset arrives as a blank (IP-08).
    repaired = re.sub(r" (\d{2}:?\d{2})$", r"+\1", text)
    if repaired != text:
        forgive(Habit.BLANK_FOR_PLUS, name)
    try:
        return microseconds(parse_moment(repaired))
    except ValueError as error:
        raise InvalidParameters(f"{name}: {error}") from None


def page_headers(
    url: str, filters: dict[str, str], paging: Paging, *, total: int, shown: int, cap: int
) -> dict[str, str]:
    """Link, X-Total-Count and X-Limit (PG-05 to PG-08).

    `url` is the list's absolute address and `filters` the other parameters of the request, which
    the next link repeats.
    """
    headers = {"X-Total-Count": str(total), "X-Limit": str(cap)}
    following = paging.offset + shown
    if shown and following < min(total, DEEPEST):
        dates = f"{urlencode(filters)}&" if filters else ""
        query = f"{dates}offset={following}&limit={paging.limit}"
        headers["Link"] = f'<{url}?{query}>; rel="next"'
    return headers
