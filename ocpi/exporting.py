"""Exports of stored objects as CSV or JSON lines, page by page: memory and database stay free."""

import csv
import io
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import Executable, bindparam, func
from sqlmodel import col, select

from ocpi.context import Context
from ocpi.database import Database, numbered
from ocpi.directory import AnnouncedParty
from ocpi.errors import InvalidParameters, UnknownObject
from ocpi.parties import Partner, PartnerRole, PlatformID, our_parties
from ocpi.spec.document import decode
from ocpi.spec.moments import microseconds, parse_moment
from ocpi.store import StoredObject

Format = Literal["csv", "jsonl"]
MEDIA: Mapping[str, str] = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson"}
PAGE = 500
# What a spreadsheet would take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True)
class Kind:
    """A kind of object that can be exported."""

    table: type[StoredObject]
    """With an `audience`: whose driver it was."""
    dated_by: str
    """The field whose moment decides whether an object lies in a period."""
    columns: Mapping[str, tuple[str, ...]]
    """The columns of a CSV file, in order, each with the way to its value in the document."""


@dataclass(frozen=True)
class Wanted:
    """What is to be exported."""

    format: Format = "csv"
    since: int | None = None
    until: int | None = None
    """From, and up to but not including, in microseconds since 1970."""
    partner: str | None = None


def read_wanted(form: Format, since: str | None, until: str | None, partner: str | None) -> Wanted:
    """A wish as it was typed; a date alone is its midnight, UTC. Raises ``InvalidParameters``."""
    wanted = Wanted(form, _moment("since", since), _moment("until", until), partner)
    if wanted.since is not None and wanted.until is not None and wanted.since >= wanted.until:
        raise InvalidParameters("until: must be later than since")
    return wanted


def _moment(name: str, given: str | None) -> int | None:
    if given is None:
        return None
    try:
        return microseconds(parse_moment(f"{given}T00:00:00Z" if len(given) <= 10 else given))
    except ValueError:
        raise InvalidParameters(
            f"{name}: {given[:64]!r} is neither a date such as 2026-01-31 nor a moment such as "
            "2026-01-31T12:00:00Z"
        ) from None


async def parties_of(database: Database, wanted: Wanted) -> list[str] | None:
    """The keys of the parties whose drivers are meant; None: everybody's.

    Raises ``UnknownObject`` for a partner that does not exist.
    """
    if wanted.partner is None:
        return None
    async with database.read() as db:
        found = await db.exec(select(Partner.id).where(Partner.name == wanted.partner))
        partner_id = found.first()
        if partner_id is None:
            raise UnknownObject(f"There is no partner {wanted.partner}: see `ocpi partner list`.")
        own = select(PartnerRole.party).where(col(PartnerRole.partner_id) == partner_id)
        behind = select(AnnouncedParty.party).where(col(AnnouncedParty.partner_id) == partner_id)
        return sorted({*(await db.exec(own)), *(await db.exec(behind))})


async def export(
    context: Context,
    kind: Kind,
    wanted: Wanted,
    parties: Sequence[str] | None,
    seen: Callable[[int], None] = lambda _: None,
) -> AsyncIterator[str]:
    """The export in pieces of a page each, oldest creation first.

    Between pages nothing is held, however slow the reader is. `seen` is told how many objects
    were looked at. An object that is made meanwhile is in it or not; none is in it twice.
    """
    owners = [party.key for party in await our_parties(context.database, PlatformID.CPO)]
    if wanted.format == "csv":
        yield _lines([list(kind.columns)])
    if not owners or parties == []:
        return
    position = -1
    given = numbered("owner", owners) | numbered("audience", list(parties or ()))
    query, key = _page(kind, tuple(given)), ("export", kind.table, tuple(given))
    while True:
        rows = await context.database.fetch(key, query, {**given, "position": position})
        if not rows:
            return
        position = rows[-1][0]
        piece = _piece(kind, wanted, [row[1] for row in rows])
        if piece:
            yield piece
        seen(len(rows))


async def count(context: Context, kind: Kind) -> int:
    """How many objects of ours there are to look at."""
    owners = [party.key for party in await our_parties(context.database, PlatformID.CPO)]
    async with context.database.read() as db:
        total = select(func.count()).select_from(kind.table)
        return (await db.exec(total.where(col(kind.table.owner).in_(owners)))).one()


def _page(kind: Kind, names: Sequence[str]) -> Executable:
    table = kind.table
    owners: list[Any] = [bindparam(name) for name in names if name.startswith("owner_")]
    audience: list[Any] = [bindparam(name) for name in names if name.startswith("audience_")]
    query = select(table.position, table.body).where(
        col(table.owner).in_(owners), col(table.position) > bindparam("position")
    )
    if audience:
        query = query.where(table.__table__.c.audience.in_(audience))  # type: ignore[attr-defined]
    return query.order_by(col(table.position)).limit(PAGE)


def _piece(kind: Kind, wanted: Wanted, texts: Sequence[str]) -> str:
    if wanted.format == "jsonl" and wanted.since is None and wanted.until is None:
        # As they are stored, without a look inside.
        return "".join(f"{text}\n" for text in texts)
    found = [(text, decode(text)) for text in texts]
    found = [pair for pair in found if _is_within(kind, wanted, pair[1])]
    if wanted.format == "jsonl":
        return "".join(f"{text}\n" for text, _ in found)
    ways = kind.columns.values()
    return _lines([[_cell(document, way) for way in ways] for _, document in found])


def _is_within(kind: Kind, wanted: Wanted, document: Mapping[str, Any]) -> bool:
    if wanted.since is None and wanted.until is None:
        return True
    moment = microseconds(parse_moment(document[kind.dated_by]))
    return (wanted.since or moment) <= moment and (wanted.until is None or moment < wanted.until)


def _lines(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _cell(document: Any, path: Sequence[str]) -> str:
    value = document
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | Decimal():
            return format(value, "f") if isinstance(value, Decimal) else str(value)
        case _:
            return safe(str(value))


def safe(text: str) -> str:
    """A text that no spreadsheet takes for a formula: an apostrophe stands before it."""
    return f"'{text}" if text.startswith(_FORMULA) else text
