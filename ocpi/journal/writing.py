"""From notes to rows: redacted, and stored a second later, apart from what they tell of."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, CursorResult, Dialect, Table, delete, insert
from sqlmodel import col, select

from ocpi.database import DATABASE_ERRORS, Database, clock
from ocpi.journal.notes import Note, Notes
from ocpi.journal.reading import (
    LONGEST,
    Endpoint,
    object_of,
    party_of,
    status_code_of,
    subject_of,
)
from ocpi.journal.redaction import EXCERPT, Redactor, is_json
from ocpi.journal.table import MessageRow, MessageSubject
from ocpi.messages import log
from ocpi.parties import Partner, PartnerEndpoint
from ocpi.sealing import Seal

NOT_STORED = "messages were not logged"
AT_ONCE = 500
"""How many rows one transaction writes or deletes, so that nobody waits long for it."""
LONGEST_URL = 2048
# Cut when what is secret is out of them: half a token would not be found.
_MOST = {
    "url": LONGEST_URL,
    "object_key": LONGEST_URL,
    **dict.fromkeys(("object_id", "module", "from_party", "to_party"), LONGEST),
}
DAY = 24 * 3600 * 1_000_000
_PAUSE = 0.05

# By the table, since the ORM would look at each row, for nothing.
_TABLE: Table = MessageRow.__table__  # type: ignore[attr-defined]
_INSERT = insert(_TABLE)
_NUMBERED = _INSERT.returning(_TABLE.c.id, sort_by_parameter_order=True)

Endpoints = Mapping[str, Sequence[Endpoint]]


async def store_notes(database: Database, seal: Seal, notes: Notes | None) -> None:
    """Store what this process has noted; what the database does not take is kept for next time."""
    if notes is not None:
        async with notes.storing:
            await _store_all(database, seal, notes)


async def _store_all(database: Database, seal: Seal, notes: Notes) -> None:
    taken, lost = notes.take()
    if not taken and not lost:
        return
    done = 0
    try:
        endpoints = await _endpoints(database, {each.partner for each in taken if each.partner})
        while done < len(taken):
            chunk = taken[done : done + AT_ONCE]
            # Beside the event loop, whose requests need not wait for it.
            rows = await asyncio.to_thread(rows_of, chunk, endpoints, seal)
            await _insert(database, rows)
            done += len(chunk)
            lost += len(chunk) - len(rows)
        if lost:
            await _store_loss(database, lost)
    except DATABASE_ERRORS:
        notes.put_back(taken[done:], lost)
        raise


async def _endpoints(database: Database, names: set[str]) -> Endpoints:
    """Where partners are called, by their names."""
    query = (
        select(
            col(Partner.name),
            col(PartnerEndpoint.identifier),
            col(PartnerEndpoint.role),
            col(PartnerEndpoint.url),
        )
        .join(PartnerEndpoint, col(PartnerEndpoint.partner_id) == col(Partner.id))
        .where(col(Partner.name).in_(names))
    )
    found: dict[str, list[Endpoint]] = {}
    async with database.read() as db:
        for name, module, interface, url in await db.exec(query):
            found.setdefault(name, []).append(Endpoint(module, interface, url))
    return found


async def _store_loss(database: Database, lost: int) -> None:
    sentence = (
        f"{lost} messages are missing here: more came than could be stored in time, or they could "
        "not be read."
    )
    log.error(NOT_STORED, lost=lost)
    async with database.write() as db:
        row: dict[str, Any] = dict.fromkeys(("method", "url", "request", "response"), "")
        row |= {"direction": "LOST", "failed": True, "failure": sentence, "ms": 0.0}
        row |= dict.fromkeys(("request_id", "correlation_id"), "")
        row |= dict.fromkeys(("request_bytes", "response_bytes"), 0)
        row |= dict.fromkeys(("request_cut", "response_cut"), False)
        await db.exec(insert(MessageRow), params=[row | {"at": await clock(db)}])


async def _insert(
    database: Database, rows: Sequence[tuple[Mapping[str, Any], frozenset[str]]]
) -> None:
    """Rows that speak of nobody need not be known by their numbers, which cost most of it."""
    silent = [row for row, marks in rows if not marks]
    telling = [(dict(row), marks) for row, marks in rows if marks]
    async with database.write() as db:
        if telling:
            found = await db.exec(_NUMBERED, params=[row for row, _ in telling])
            subjects = [
                {"mark": mark, "message_id": number}
                for number, (_, marks) in zip(found.scalars(), telling, strict=True)
                for mark in marks
            ]
            await db.exec(insert(MessageSubject), params=subjects)
        if silent:
            # To the driver as they are: SQLAlchemy's look at each value costs as much as the rest.
            connection = await db.connection()
            statement, names = _plain_insert(database.engine.dialect)
            values = [tuple(map(row.__getitem__, names)) for row in silent]
            await connection.run_sync(Connection.exec_driver_sql, statement, values)


@lru_cache(maxsize=2)
def _plain_insert(dialect: Dialect) -> tuple[str, Sequence[str]]:
    """The statement as the driver takes it, and the columns in its order."""
    columns = [each.name for each in _TABLE.columns if each.name != "id"]
    compiled = _INSERT.compile(dialect=dialect, column_keys=columns)
    return str(compiled), compiled.positiontup or columns


def rows_of(
    notes: Sequence[Note], endpoints: Endpoints, seal: Seal
) -> Sequence[tuple[Mapping[str, Any], frozenset[str]]]:
    """The rows to store, each with the marks of the drivers' ids that it speaks of.

    There is none of a message that fails here: it shall not take those of others with it.
    """
    rows = []
    for note in notes:
        try:
            rows.append(_row_of(note, endpoints.get(note.partner or "", ()), seal))
        except Exception:  # noqa: BLE001 - Partners wrote what is read here.
            log.exception("message not read", partner=note.partner, request_id=note.ids.request_id)
    return rows


def _row_of(
    note: Note, endpoints: Sequence[Endpoint], seal: Seal
) -> tuple[Mapping[str, Any], frozenset[str]]:
    subject = subject_of(note, endpoints)
    redactor = Redactor(seal, note.secret, subject.module)
    segments = list(subject.segments)
    for n in subject.uid_at:
        segments[n] = redactor.segment(segments[n])
    url = subject.url(segments, redactor.query(subject.query))
    key, identifier = object_of(subject, note, seal)
    code = status_code_of(note)
    texts: Mapping[str, str | None] = {
        "url": _clean(url),
        "object_key": key and _clean(key),
        "object_id": identifier and _clean(identifier),
        "module": subject.module,
        "from_party": party_of(note.headers, "from"),
        "to_party": party_of(note.headers, "to"),
        "request_id": note.ids.request_id,
        "correlation_id": note.ids.correlation_id,
        "failure": note.failure,
        "request": _request_of(note, redactor),
        "response": redactor.body(note.response),
    }
    sizes = {"request": note.request_bytes, "response": note.response_bytes}
    cut = {name for name, size in sizes.items() if size > EXCERPT}
    texts = redactor.everywhere(texts, cut)
    row = {
        **{name: text and text[: _MOST.get(name)] for name, text in texts.items()},
        "at": note.at,
        "direction": note.direction,
        "partner": note.partner,
        "interface": subject.interface,
        "method": note.method[:LONGEST],
        "http_status": note.http_status,
        "status_code": code,
        "failed": not (200 <= (note.http_status or 0) < 300 and 1000 <= (code or 0) < 2000),
        "ms": round(note.ms, 1),
        "request_bytes": note.request_bytes,
        "response_bytes": note.response_bytes,
        "request_cut": "request" in cut,
        "response_cut": "response" in cut,
    }
    return row, frozenset(redactor.marks.values())


def _request_of(note: Note, redactor: Redactor) -> str:
    """The begin of the request; what is no JSON may hold a driver's id anywhere."""
    whole = note.request_bytes == len(note.request)
    if note.request and whole and not is_json(note.request):
        return f"(not JSON: {note.request_bytes} bytes)"
    return redactor.body(note.request)


def _clean(text: str) -> str:
    # PostgreSQL's text holds no NUL.
    return text.replace("\0", "\ufffd")


async def purge(database: Database, days: int) -> int:
    """Delete messages that are older than some days; gives how many."""
    total = 0
    while True:
        async with database.write() as db:
            oldest = await clock(db) - days * DAY
            old = (
                select(col(MessageRow.id))
                .where(col(MessageRow.at) < oldest)
                .order_by(col(MessageRow.at))
                .limit(AT_ONCE)
            )
            done: CursorResult[Any] = await db.exec(
                delete(MessageRow).where(col(MessageRow.id).in_(old))
            )
        total += done.rowcount
        if done.rowcount < AT_ONCE:
            return total
        # Others write meanwhile.
        await asyncio.sleep(_PAUSE)
