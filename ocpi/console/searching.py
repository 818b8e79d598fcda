"""What the pages that search have in common: their forms, and the way to what is older."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, TypeVar
from urllib.parse import urlencode

from fastapi import Query

from ocpi.errors import InvalidParameters
from ocpi.spec.moments import microseconds

# What is typed into a search; an empty field does not matter.
Typed = Annotated[str, Query(max_length=255)]
Before = Annotated[int | None, Query(ge=0, le=2**63 - 1)]

Choice = TypeVar("Choice")


def typed(text: str) -> str | None:
    """What was typed; None for an empty field."""
    return text.strip() or None


def day(name: str, text: str, *, after: int = 0) -> int | None:
    """The beginning of a day in UTC, or of one `after` it, in microseconds since 1970.

    None for an empty field; raises ``InvalidParameters``.
    """
    if not text.strip():
        return None
    try:
        begin = datetime.combine(date.fromisoformat(text.strip()), datetime.min.time(), UTC)
        return microseconds(begin + timedelta(days=after))
    except (ValueError, OverflowError):
        raise InvalidParameters(f"{name}: {text!r} is no day such as 2026-01-31.") from None


def one_of(name: str, text: str, choices: Mapping[str, Choice]) -> Choice | None:
    """What was chosen; None for an empty field. Raises ``InvalidParameters``."""
    if not text:
        return None
    if text not in choices:
        raise InvalidParameters(f"{name}: {text!r} is none of {', '.join(choices)}.")
    return choices[text]


def address(path: str, form: Mapping[str, str], older: int | None) -> str | None:
    """Where the search goes on; None: nothing is older."""
    if older is None:
        return None
    given = {name: text for name, text in form.items() if text}
    return f"{path}?{urlencode({**given, 'before': older})}"
