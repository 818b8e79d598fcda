"""Paths of URLs: what a segment means, and what leads elsewhere than it seems to."""

import re
from urllib.parse import unquote

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
