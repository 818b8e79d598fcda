"""Reads what a GET or DELETE asks in its query, as partners write it (CP-03, AT-69)."""

import re
from urllib.parse import unquote_plus

from ocpi.editing import Document

_RESPONSE_URL = re.compile(r"(?:^|&)response_url=(.*)")
_DURATION = re.compile(r"(?:^|&)duration=([^&]*)")


def read_query(query: str) -> Document:
    """The `duration` and `response_url` that a query has, unjudged.

    OCPI's own example has a response_url that is not encoded, with a query of its own: then all
    that follows belongs to it, as it stands, but for a `duration` that is not found before.
    """
    found = _RESPONSE_URL.search(query)
    if found is None:
        return _durations(query)
    before, url = query[: found.start()], found[1]
    value, _, after = url.partition("&")
    asked = _durations(before)
    if not re.search(r"\?[^&]*=", value):
        return _durations(after) | asked | {"response_url": unquote_plus(value)}
    if not asked:
        asked, url = _durations(url), _DURATION.sub("", url)
    return asked | {"response_url": url}


def _durations(query: str) -> Document:
    found = _DURATION.search(query)
    return {} if found is None else {"duration": unquote_plus(found[1])}
