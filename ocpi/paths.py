"""Paths and queries of URLs: what is meant by them, and what leads elsewhere than it seems to."""

import re
from collections.abc import Sequence
from urllib.parse import unquote, unquote_plus

_DOTS = re.compile(r"(?:^|[/\\])\.{1,2}(?:[/\\;]|$)")


def decode_segment(segment: str) -> str:
    """A path segment as it was meant; no id holds NUL, and PostgreSQL cannot compare with it."""
    return unquote(segment).replace("\0", "\ufffd") if "%" in segment else segment


def readable_query(query: bytes) -> bytes:
    """A query or a form without NUL, for the same reason."""
    return query.replace(b"%00", b"%EF%BF%BD")


def climbs(path: str) -> bool:
    """Whether some server may take a segment of a path for the folder above it.

    Clients resolve `..`, proxies `%2e%2e` and `..%2f`, and some servers `..;` as well: below an
    endpoint that is a way to others beside it, such as credentials.
    """
    return _DOTS.search(unquote(path)) is not None


_OWN_QUERY = re.compile(r"\?[^&]*=")


def url_in(before: Sequence[str], value: str, after: Sequence[str]) -> tuple[str, list[str]]:
    """The URL that a parameter holds, and the parameters behind it that are not its own (AT-69).

    `before` and `after` are the other parameters of the query, as they are written. OCPI's own
    example has a response_url that is not encoded, with a query of its own: then all that follows
    belongs to it, as it stands, but for a `duration` that is not found before.
    """
    if _OWN_QUERY.search(value) is None:
        return unquote_plus(value), [*after]
    asked = any(each.startswith("duration=") for each in before)
    others = [] if asked else [each for each in after if each.startswith("duration=")]
    return "&".join([value, *(each for each in after if each not in others)]), others
