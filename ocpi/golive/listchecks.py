"""Checks of lists: pages, filters, and the objects on them."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from ocpi.egress import same_origin
from ocpi.golive.judging import Check, Problems
from ocpi.golive.recording import MODELS, Asked, Recording
from ocpi.links import next_link
from ocpi.reply import Reply
from ocpi.spec.moments import parse_moment
from ocpi.spec.reading import defects

FUTURE = "2099-01-01T00:00:00Z"
FAR = 900_000
"""An offset that no list reaches."""


def _each_list(judge: Callable[[Recording, str], Iterator[str]]) -> Callable[[Recording], Problems]:
    """A judgement of every list that was read; None where there is none."""

    def all_lists(record: Recording) -> Problems:
        modules = list(record.lists())
        found = [f"{module}: {each}" for module in modules for each in judge(record, module)]
        return found if modules else None

    return all_lists


def _read(record: Recording, module: str) -> Iterator[str]:
    for page in record.starting(f"{module}/page/"):
        if not page.ok:
            yield f"{page}: {page.codes}"
        elif page.reply is not None and not isinstance(page.reply.data, list):
            yield f"{page}: data is no list"


def _pages(record: Recording, module: str) -> Iterator[tuple[Asked, Reply, list[Any]]]:
    asked = [*record.starting(f"{module}/page/"), record.find(f"{module}/limit")]
    for page in asked:
        if page is not None and page.ok and page.reply and isinstance(page.reply.data, list):
            yield page, page.reply, page.reply.data


def _counts(record: Recording, module: str) -> Iterator[str]:
    for page, reply, _ in _pages(record, module):
        for name in ("X-Total-Count", "X-Limit"):
            value = reply.headers.get(name.lower(), "")
            if not value.isdigit():
                yield f"{page}: {name} is {value[:20]!r}, not a number"


def _links(record: Recording, module: str) -> Iterator[str]:
    for page, reply, data in _pages(record, module):
        header = reply.headers.get("link", "")
        try:
            link = next_link(header)
        except ValueError as error:
            yield f"{page}: {error}"
            continue
        total = reply.headers.get("x-total-count", "")
        if link is None:
            if page.step.endswith("/limit") and total.isdigit() and int(total) > len(data):
                yield f"{page}: {len(data)} of {total} objects, and no Link to the next page"
        elif urlsplit(link).scheme not in ("http", "https"):
            yield f"{page}: the Link {link[:100]!r} is not absolute"
        elif not same_origin(link, page.url):
            yield f"{page}: the Link leads to another origin, {urlsplit(link).netloc[:100]}"
    broken = record.find(f"{module}/crawl")
    if broken is not None:
        yield f"{broken}: {broken.failure}"


def _limit(record: Recording, module: str) -> Iterator[str]:
    page = record.find(f"{module}/limit")
    if page is None or page.reply is None:
        return
    if not page.ok:
        yield f"{page}: {page.codes}"
    elif isinstance(page.reply.data, list) and len(page.reply.data) > 1:
        yield f"{page}: {len(page.reply.data)} objects, where 1 was the limit"


def _beyond(record: Recording, module: str) -> Iterator[str]:
    yield from _empty(record.find(f"{module}/beyond"), "an offset past the end")


def _empty(page: Asked | None, why: str) -> Iterator[str]:
    if page is None or page.reply is None:
        return
    if not page.ok or page.reply.data not in ([], None):
        count = len(page.reply.data) if isinstance(page.reply.data, list) else page.codes
        yield f"{page}: {count}, where {why} should give an empty list"


def _dates(record: Recording, module: str) -> Iterator[str]:
    yield from _empty(record.find(f"{module}/future"), "a date_from in the future")
    page = record.find(f"{module}/since")
    if page is None or page.reply is None or not isinstance(page.reply.data, list):
        return
    since = parse_moment(page.step_value)
    for each in page.reply.data:
        moment = _moment(each)
        if moment is not None and moment < since:
            yield f"{page}: an object of {each['last_updated']} is older"


def _moment(document: Any) -> Any:
    try:
        return parse_moment(document["last_updated"])
    except (ValueError, TypeError, KeyError):
        return None


def _bad_parameter(record: Recording, module: str) -> Iterator[str]:
    page = record.find(f"{module}/unreadable")
    if page is not None and page.reply is not None and page.reply.status_code != 2001:
        yield f"{page}: {page.codes}, where 2001 is due"


def _valid(record: Recording, module: str) -> Iterator[str]:
    for document in record.objects(module):
        name = name_of(module, document)
        yield from (f"{name}: {each}" for each in defects(document, MODELS[module]))


def _once(record: Recording, module: str) -> Iterator[str]:
    seen = Counter(name_of(module, document).lower() for document in record.objects(module))
    yield from (f"{name} is there {count} times" for name, count in seen.items() if count > 1)


def name_of(module: str, document: Any) -> str:
    """An object's owner and id, as far as it has them."""
    if not isinstance(document, dict):
        return "what is no object"
    identifier = {"tokens": ("uid", "type"), "hubclientinfo": ("role",)}.get(module, ("id",))
    names = ("country_code", "party_id", *identifier)
    return "*".join(str(document.get(name, "?"))[:40] for name in names)


CHECKS = (
    Check("list.read", ("PG-01",), "Every list can be read", "must", _each_list(_read)),
    Check(
        "list.counts",
        ("PG-07", "PG-08"),
        "Pages tell X-Total-Count and X-Limit",
        "must",
        _each_list(_counts),
    ),
    Check(
        "list.link",
        ("PG-05", "PG-06"),
        "Pages lead to the next one by an absolute Link of the same origin",
        "must",
        _each_list(_links),
    ),
    Check("list.limit", ("PG-04",), "A limit is kept to", "must", _each_list(_limit)),
    Check("list.beyond", ("PG-03",), "Past the end a list is empty", "should", _each_list(_beyond)),
    Check("list.dates", ("PG-02",), "date_from is kept to", "must", _each_list(_dates)),
    Check(
        "list.parameters",
        ("PG-12",),
        "A parameter that cannot be read gets 2001",
        "should",
        _each_list(_bad_parameter),
    ),
    Check(
        "objects.valid",
        ("TY-04", "TY-05", "TY-10", "TR-23"),
        "Objects are as OCPI has them: fields, lengths, dates, rules",
        "must",
        _each_list(_valid),
    ),
    Check(
        "objects.once",
        ("CO-02", "CO-08"),
        "No id is there twice, whatever its case",
        "must",
        _each_list(_once),
    ),
)
