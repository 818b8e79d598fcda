"""The message log in the database: written in batches, searched, purged, and never in the way."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlmodel
from sqlalchemy import insert, select, text
from sqlmodel import col
from structlog.testing import capture_logs

from ocpi.database import Database, clock
from ocpi.errors import InvalidParameters
from ocpi.journal import writing
from ocpi.journal.curl import curl_of
from ocpi.journal.notes import MOST_BYTES, Note, Notes
from ocpi.journal.reading import status_code_of
from ocpi.journal.searching import Wanted, find_messages, is_known, numbers_of, read_message
from ocpi.journal.table import ROWS_A_SHEET, MessageRow, MessageSubject
from ocpi.journal.writing import DAY, purge, store_notes
from tests.house import add_partner, open_database
from tests.ocpi.journal.test_redaction import HUB, SEAL, UID, note


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url) as opened:
        yield opened


async def store(database: Database, *given: dict[str, Any]) -> None:
    notes = Notes()
    for each in given:
        notes.add(note(**each))
    await store_notes(database, SEAL, notes)


async def test_messages_are_found_by_what_they_are_about(database: Database) -> None:
    await store(
        database,
        {"at": 1_000_000},
        {"at": 2_000_000, "url": f"{HUB}/sender/sessions/S1", "method": "GET"},
        {"at": 3_000_000, "url": f"{HUB}/receiver/tokens/DE/MSP/{UID.replace('/', '%2F')}"},
        {"at": 4_000_000, "partner": "other", "http_status": 404, "response": b"gone"},
    )

    async def times(**wanted: Any) -> list[str]:
        return [each.at[17:19] for each in await find_messages(database, SEAL, Wanted(**wanted))]

    assert await times() == ["04", "03", "02", "01"]
    assert await times(object="sessions/DE/CPO/S1") == ["04", "02", "01"]
    assert await times(object="s1") == ["04", "02", "01"]
    assert await times(object="sessions/DE/XXX/S1") == ["02"]
    assert await times(token=UID.lower()) == ["03"]
    assert await times(partner="other", failed=True) == ["04"]
    assert await times(since="1970-01-01T00:00:02Z", until="1970-01-01T00:00:04Z") == ["03", "02"]
    assert await times(direction="out") == []
    assert await times(module="sessions", limit=1) == ["04"]
    assert await times(correlation="c") == ["04", "03", "02", "01"]


async def test_a_cdr_is_found_where_it_is_got_at_the_place_that_its_post_was_answered_with(
    database: Database,
) -> None:
    url = f"{HUB}/receiver/cdrs/FR/SRC/AADB"
    await store(database, {"url": url, "method": "GET"})
    for wanted in ("cdrs/FR/SRC/AADB", "aadb"):
        (found,) = await find_messages(database, SEAL, Wanted(object=wanted))
        assert found.object == "cdrs/fr/src/aadb"


async def test_what_comes_by_a_link_nobody_knows_is_of_the_module_that_metrics_call_it(
    database: Database,
) -> None:
    url = f"{HUB}/links/0123456789abcdef"
    await store(database, {"url": url, "method": "POST"})
    assert len(await find_messages(database, SEAL, Wanted(module="links"))) == 1


async def test_a_direction_that_there_is_not_is_refused(database: Database) -> None:
    with pytest.raises(InvalidParameters, match="direction: 'x' is none of IN, OUT, LOST"):
        await find_messages(database, SEAL, Wanted(direction="x"))


async def test_a_partner_is_known_that_is_there_or_of_which_there_are_messages(
    database: Database,
) -> None:
    await add_partner(database, "shiny", "token-of-shiny")
    await store(database, {"partner": "removed"})
    names = ("shiny", "removed", "nobody")
    assert [await is_known(database, each) for each in names] == [True, True, False]


async def test_messages_are_found_on_every_sheet_of_the_log(database: Database) -> None:
    await store(database, {"at": 1_000_000, "request": b'{"uid":"CANARY-1"}'})
    async with database.write() as db:
        (row,) = (await db.exec(sqlmodel.select(MessageRow))).all()
        correlation = row.correlation_id
        far = row.model_dump() | {"id": 3 * ROWS_A_SHEET, "at": 2_000_000}
        marks = (await db.exec(sqlmodel.select(MessageSubject.mark))).all()
        await db.exec(insert(MessageRow), params=[far])
        db.add_all(MessageSubject(message_id=far["id"], mark=each) for each in marks)
    for wanted in (
        Wanted(correlation=correlation),
        Wanted(object="sessions/DE/CPO/S1"),
        Wanted(token="CANARY-1"),
    ):
        assert [each.id for each in await find_messages(database, SEAL, wanted)] == [far["id"], 1]
    message = await read_message(database, 1)
    assert [each.id for each in message.related] == [far["id"]]


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (Wanted(correlation="c"), "ix_message_correlation"),
        (Wanted(object="sessions/DE/CPO/S1"), "ix_message_object"),
        (Wanted(token=UID), "ix_message_subject_mark"),
        (Wanted(partner="acme"), "ix_message_partner"),
        (Wanted(failed=True), "ix_message_failed"),
        (Wanted(), "ix_message_at"),
    ],
)
async def test_messages_are_found_in_an_index(tmp_path: Path, wanted: Wanted, index: str) -> None:
    """On SQLite, which goes by the query alone; PostgreSQL looks at how many rows there are."""
    async with open_database(f"sqlite+aiosqlite:///{tmp_path}/ocpi.db") as database:
        query = numbers_of(SEAL, wanted, range(100)).compile(
            dialect=database.engine.dialect, compile_kwargs={"literal_binds": True}
        )
        plan = await database.fetch(index, text(f"EXPLAIN QUERY PLAN {query}"), {})
    assert f"INDEX {index}" in str(plan)


async def test_what_the_database_does_not_take_is_stored_later(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = Notes()
    notes.add(note())

    async def refuse(*_: Any) -> None:
        raise OSError("the database is away")

    with monkeypatch.context() as patch:
        patch.setattr(writing, "_insert", refuse)
        with pytest.raises(OSError, match="away"):
            await store_notes(database, SEAL, notes)
    notes.add(note(at=2))
    await store_notes(database, SEAL, notes)
    assert len(await find_messages(database, SEAL, Wanted())) == 2


async def test_what_there_is_no_room_for_is_counted(database: Database) -> None:
    notes = Notes()
    count = MOST_BYTES // 65_536
    for _ in range(count):
        notes.add(note(request=b"x" * 100_000))
    taken, lost = notes.take()
    assert 0 < lost < count / 10
    assert sum(len(each.request) for each in taken) <= MOST_BYTES
    notes.put_back(taken[:1], lost)
    await store_notes(database, SEAL, notes)
    first, second = await find_messages(database, SEAL, Wanted())
    gap = first if first.direction == "LOST" else second
    assert gap.failure is not None
    assert gap.failure.startswith(f"{lost} messages are missing here: more came than could be")


async def test_a_message_that_cannot_be_read_is_lost_alone_and_counted(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(given: Note) -> int | None:
        if given.at == 2:
            raise ArithmeticError("a number that no reader foresaw")
        return status_code_of(given)

    monkeypatch.setattr(writing, "status_code_of", read)
    with capture_logs() as lines:
        await store(database, {"at": 1}, {"at": 2}, {"at": 3})
    found = await find_messages(database, SEAL, Wanted())
    assert sorted(each.direction for each in found) == ["IN", "IN", "LOST"]
    (lost,) = await find_messages(database, SEAL, Wanted(direction="LOST"))
    assert lost.failure is not None
    assert lost.failure.startswith("1 messages are missing here")
    assert "message not read" in [line["event"] for line in lines]


async def test_old_messages_are_deleted_with_their_marks(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "AT_ONCE", 2)
    async with database.read() as db:
        now = await clock(db)
    old = {"at": now - 31 * DAY, "request": b'{"uid":"CANARY-1"}'}
    await store(database, old, old, old, {"at": now - 29 * DAY})
    assert await purge(database, 30) == 3
    async with database.read() as db:
        assert len((await db.exec(select(col(MessageRow.id)))).all()) == 1  # type: ignore[call-overload]
        assert (await db.exec(select(MessageSubject))).all() == []  # type: ignore[call-overload]
    assert await purge(database, 0) == 1


async def test_a_message_becomes_a_curl_command_that_no_body_breaks_out_of(
    database: Database,
) -> None:
    body = b"""{"id":"S1'; $(touch /tmp/x) `id`","uid":"CANARY-12345"}"""
    url = f"{HUB}/receiver/sessions/DE/CPO/S'1"
    headers = {"ocpi-to-country-code": "DE", "ocpi-to-party-id": "M'P"}
    long = b'{"x":"' + b"x" * 5000 + b'"}'
    await store(database, {"request": body, "url": url, "headers": headers}, {"request": long})
    command = curl_of(await read_message(database, 1), "https://hub.example")
    lines = command.splitlines()
    assert lines[0].startswith("# TOKEN is the token presented")
    assert lines[1].startswith("# Drivers' ids and tokens are replaced")
    assert lines[2].startswith("curl -X PUT 'https://hub.example/ocpi/hub/2.2.1/receiver/sessions")
    assert '-H "Authorization: Token $TOKEN" \\' in lines[3]
    assert "'OCPI-to-party-id: M'\"'\"'P'" in command
    assert "$(touch" not in command.replace('\'{"id":"S1\'"\'"\'; $(touch', "")
    cut = curl_of(await read_message(database, 2), "https://hub.example")
    assert f"# The body is an excerpt: it had {len(long)} bytes." in cut.splitlines()
