"""Paged lists: what a request asks for, and the headers of the answer."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from ocpi.errors import InvalidParameters
from ocpi.forgiving import Habit, forgive
from ocpi.spec.moments import microseconds, parse_moment

# An offset beyond this gives an empty page: nobody but attackers crawls that far (TA-18, PD-10).
DEEPEST = 1_000_000
_LAST = 2**63 - 1


@dataclass(frozen=True)
class Paging:
    """Which objects of a list are wanted; moments in microseconds since 1970 (PG-01 to PG-04)."""

    offset: int
    limit: int
    date_from: int | None = None
    date_to: int | None = None
    after: int | None = None
    """Only what stands behind this position, instead of passing over as many as `offset` says."""

    @property
    def is_dated(self) -> bool:
        """Whether only objects of some moments are wanted."""
        return self.date_from is not None or self.date_to is not None


@dataclass(frozen=True)
class Page:
    """Some objects of a list as JSON texts, and how many match in all."""

    bodies: Sequence[bytes]
    total: int
    last: int = 0
    """The position of its last object, behind which the next page begins."""
    goes_on: bool = False
    """Whether there is an object behind that."""


def read_paging(query: Mapping[str, str], *, cap: int) -> Paging:
    """Read the parameters of a list (PG-12: 2001 for what cannot be read)."""
    after = query.get("after")
    return Paging(
        offset=_number("offset", query.get("offset"), 0),
        # A page of none would look like the end of the list to those who crawl (TA-18).
        limit=max(1, min(_number("limit", query.get("limit"), cap), cap)),
        date_from=_moment("date_from", query.get("date_from")),
        date_to=_moment("date_to", query.get("date_to")),
        after=min(_number("after", after, 0), _LAST) if after else None,
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
    url: str, filters: dict[str, str], paging: Paging, page: Page, *, cap: int
) -> dict[str, str]:
    """Link, X-Total-Count and X-Limit (PG-05 to PG-08).

    `url` is the list's absolute address and `filters` the other parameters of the request, which
    the next link repeats. The link also says behind what the next page begins: to pass over the
    first hundred thousand takes longer each time.
    """
    headers = {"X-Total-Count": str(page.total), "X-Limit": str(cap)}
    # Where some that were shown have been deleted since, the count tells nothing of what is left.
    if page.goes_on:
        following = paging.offset + len(page.bodies)
        dates = f"{urlencode(filters)}&" if filters else ""
        query = f"{dates}offset={following}&limit={paging.limit}&after={page.last}"
        headers["Link"] = f'<{url}?{query}>; rel="next"'
    return headers
