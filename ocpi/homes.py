"""Where a partner is at home: who swaps its endpoints for others must not get our data (TA-27)."""

from collections.abc import Collection, Iterable
from urllib.parse import urlsplit


def foreign_place(url: str, home: str) -> str | None:
    """Where a URL leads that is not at home; None: it is.

    At home are the host of the versions URL and the hosts below it, at any port, and by https
    where that one is https. Its siblings are not: whether `a.example.com` and `b.example.com` are
    of one owner no name tells, and at a provider of clouds they are not. So staff approve a place
    once: a host, or `http://host` where TLS is left away.
    """
    try:
        there, here = urlsplit(url), urlsplit(home)
        host, own = there.hostname or "", here.hostname or ""
    except ValueError:
        return url[:255]
    if here.scheme == "https" != there.scheme:
        return f"http://{host}"
    return None if host == own or host.endswith(f".{own}") else host


def foreign_places(urls: Iterable[str], home: str, approved: Collection[str]) -> list[str]:
    """The places, each once, that are neither at home nor approved."""
    places = {foreign_place(url, home) for url in urls}
    return sorted(place for place in places if place is not None and place not in approved)


def home_of(known: str | None, named: str, approved: Collection[str]) -> str:
    """The versions URL that counts of a partner that names one, and was at home at `known`.

    Who holds its token may name any. So it moves to a host that is not `known` to be its own, or
    below that, once somebody has approved the host.
    """
    return known if known and foreign_places([named], known, approved) else named
