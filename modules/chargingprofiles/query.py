"""Reads what a GET or DELETE asks in its query, as partners write it (CP-03, AT-69)."""

from collections.abc import Iterable
from urllib.parse import unquote_plus

from ocpi.editing import Document
from ocpi.paths import url_in

_URL, _DURATION = "response_url=", "duration="


def read_query(query: str) -> Document:
    """The `duration` and `response_url` that a query has, unjudged."""
    parts = query.split("&")
    place = next((n for n, part in enumerate(parts) if part.startswith(_URL)), None)
    if place is None:
        return _durations(parts)
    before = parts[:place]
    url, after = url_in(before, parts[place].removeprefix(_URL), parts[place + 1 :])
    return _durations([*before, *after]) | {"response_url": url}


def _durations(parts: Iterable[str]) -> Document:
    found = [part for part in parts if part.startswith(_DURATION)]
    return {"duration": unquote_plus(found[0].removeprefix(_DURATION))} if found else {}
