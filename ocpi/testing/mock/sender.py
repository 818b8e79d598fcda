"""What the peer may read of ours: lists by pages, and single objects."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlencode

from ocpi.testing.mock.receiver import find_chain, missing
from ocpi.testing.mock.state import State
from ocpi.testing.mock.wire import TO, Answer, Document, Incoming, Refused, moment, ok

MOST_PER_PAGE = 100


async def list_objects(state: State, incoming: Incoming) -> Answer:
    """A page of what is stored, oldest creation first, with Link and counts (PG-01 to PG-09)."""
    query = incoming.query
    offset, limit = _number(query, "offset", 0), _number(query, "limit", MOST_PER_PAGE)
    limit = min(max(limit, 1), MOST_PER_PAGE)
    found = _between(_shown(state, incoming), query)
    answer = ok(found[offset : offset + limit])
    answer.headers |= {"x-total-count": str(len(found)), "x-limit": str(MOST_PER_PAGE)}
    if offset + limit < len(found):
        following = urlencode({**query, "offset": offset + limit, "limit": limit})
        url = state.url(incoming.interface, incoming.module)
        answer.headers["link"] = f'<{url}?{following}>; rel="next"'
    return answer


async def list_since(state: State, incoming: Incoming) -> Answer:
    """A list that is not given without a `date_from` (SE-01)."""
    if "date_from" not in incoming.query:
        raise Refused(200, 2001, "date_from is missing (SE-01)")
    return await list_objects(state, incoming)


async def get_published(state: State, incoming: Incoming) -> Answer:
    """One object of the addressed party's, or what is inside it."""
    path = (*addressed_party(state, incoming), *incoming.rest)
    chain = find_chain(state, incoming.module, path)
    if len(chain) < len(incoming.rest):
        raise missing(incoming, objection=False)
    return ok(chain[-1])


def addressed_party(state: State, incoming: Incoming) -> tuple[str, str]:
    """Whom of ours the peer speaks to: the first, if it does not say (RT-05, AT-47)."""
    to = incoming.pair(TO)
    return to if all(to) else state.own_party()


def _shown(state: State, incoming: Incoming) -> list[Document]:
    """What is the addressed party's, or everything where none is addressed (RT-05)."""
    to = incoming.pair(TO)
    found = state.objects[incoming.module].items()
    return [document for key, document in found if not all(to) or key[:2] == to]


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdigit()):
        raise Refused(200, 2001, f"{name} is {text!r}, not a number (PG-12)")
    return int(text)


def _between(documents: list[Document], query: Mapping[str, str]) -> list[Document]:
    since, until = _date(query, "date_from"), _date(query, "date_to")
    return [
        document
        for document in documents
        if (since is None or moment(document["last_updated"]) >= since)
        and (until is None or moment(document["last_updated"]) < until)
    ]


def _date(query: Mapping[str, str], name: str) -> datetime | None:
    if name not in query:
        return None
    try:
        return moment(query[name])
    except ValueError as failure:
        raise Refused(200, 2001, f"{name} is {query[name]!r}, not a DateTime (PG-12)") from failure
