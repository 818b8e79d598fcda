"""The message log and the alarms at the console."""

from typing import Any

import pytest

from credentials.partners import add_partner
from ocpi.alarms.alarm import Alarm, AlarmNotice
from ocpi.headers import Party
from ocpi.journal.notes import Notes
from ocpi.journal.writing import store_notes
from ocpi.parties import PlatformID
from tests.ocpi.console.browsing import Console
from tests.ocpi.journal.test_redaction import HUB, UID, note

MESSAGES = "/console/messages"
ENCODED = UID.replace("/", "%2F")


async def store(console: Console, *given: dict[str, Any]) -> None:
    notes = Notes()
    for each in given:
        notes.add(note(**each))
    await store_notes(console.context.database, console.context.seal, notes)


async def rows(console: Console, query: str = "") -> int:
    """How many messages the list shows."""
    return (await console.viewer.get(f"{MESSAGES}{query}")).text.count(f'<td><a href="{MESSAGES}/')


async def test_without_messages_the_list_says_so(console: Console) -> None:
    assert "There are no such messages." in (await console.viewer.get(MESSAGES)).text


async def test_messages_are_found_by_each_field(any_console: Console) -> None:
    token = {"url": f"{HUB}/receiver/tokens/DE/MSP/{ENCODED}"}
    well = {"response": b'{"status_code":1000,"timestamp":"2026-01-01T00:00:00Z"}'}
    gone = {"partner": "other", "http_status": 404, "response": b"gone"}
    await store(
        any_console,
        {"at": 1_000_000, **well},
        {"at": 2_000_000, **gone},
        {"at": 3_000_000, **token, **well},
    )
    expected = {
        "": 3,
        "?partner=other": 1,
        "?failed=yes": 1,
        "?direction=OUT": 0,
        "?module=tokens": 1,
        "?object=s1": 2,
        "?correlation=c": 3,
        f"?token={ENCODED}": 1,
        "?since=1970-01-01T00:00:02": 2,
        "?since=1970-01-01T00:01": 0,
        "?until=1970-01-01T00:00:02": 1,
    }
    assert {query: await rows(any_console, query) for query in expected} == expected


async def test_the_list_goes_on_behind_a_message_also_where_moments_are_equal(
    any_console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocpi.console.messages.PAGE", 2)
    await store(any_console, *[{"at": 1_000_000}] * 3, *[{"at": 2_000_000}] * 2)
    seen, query = [], ""
    while True:
        page = (await any_console.viewer.get(f"{MESSAGES}{query}")).text
        parts = page.split(f'<td><a href="{MESSAGES}/')[1:]
        seen += [int(part.partition('"')[0]) for part in parts]
        _, found, rest = page.partition(f'href="{MESSAGES}?before=')
        if not found:
            break
        query = f"?before={rest.partition(chr(34))[0]}"
    assert seen == [5, 4, 3, 2, 1]


async def test_what_cannot_be_looked_for_is_said_and_kept(console: Console) -> None:
    for query, sentence in {
        "?since=yesterday": "since: &#39;yesterday&#39; is no moment",
        "?direction=UP": "direction: &#39;UP&#39; is none of IN, OUT, LOST.",
        "?module=x": "module: &#39;x&#39; is none of cdrs",
    }.items():
        answer = await console.viewer.get(f"{MESSAGES}{query}&partner=kept")
        assert answer.status_code == 400
        assert sentence in answer.text.replace("&#34;", "")
        assert 'value="kept"' in answer.text


async def test_a_message_shows_both_legs_as_text_each_with_its_curl_command(
    any_console: Console,
) -> None:
    body = b'{"id": "<b>S1</b>", "cdr_token": {"uid": "%s"}}' % UID.encode()
    await store(any_console, {"at": 1_000_000, "request": body}, {"at": 2_000_000, "partner": "p2"})
    page = (await any_console.admin.get(f"{MESSAGES}/1")).text
    assert "These 2 belong together" in page
    assert page.index('id="leg-1"') < page.index('id="leg-2"')
    assert "&lt;b&gt;S1&lt;/b&gt;" in page
    assert "<b>S1" not in page
    assert UID not in page
    assert "curl -X" in page
    assert 'data-copy="curl-1"' in page
    assert 'data-copy="curl-2"' in page


async def test_a_message_that_is_not_there_is_not_found(console: Console) -> None:
    answer = await console.viewer.get(f"{MESSAGES}/7")
    assert answer.status_code == 404
    assert "There is no message 7" in answer.text
    for wrong in ("0", "x", str(2**63)):
        assert (await console.viewer.get(f"{MESSAGES}/{wrong}")).status_code == 400


async def test_alarms_are_shown_with_how_far_each_was_told(any_console: Console) -> None:
    page = (await any_console.viewer.get("/console/alarms")).text
    assert "Nothing is wrong that we know of." in page
    async with any_console.context.database.write() as db:
        raised = Alarm(
            kind="partner_down", subject="shiny", sentence="shiny is down.", raised_at=1, seen_at=1
        )
        past = Alarm(kind="database", subject="", sentence="Too full.", raised_at=1, seen_at=1)
        past.cleared_at = 2_000_000
        db.add_all([raised, past])
        await db.flush()
        assert raised.id is not None
        for channel, told in (("email", {"told_at": 3}), ("webhook", {"error": "HTTP 500"})):
            about = {"alarm_id": raised.id, "event": "raised", "channel": channel, "next_at": 9}
            db.add(AlarmNotice.model_validate({**about, "attempts": 2, **told}))
    page = (await any_console.viewer.get("/console/alarms")).text
    now, past_ones = page.split("<h2>Past</h2>")
    assert "shiny is down." in now
    assert "failed 2 times: HTTP 500" in now
    assert "/console/partners/shiny" in now
    assert "Too full." in past_ones
    assert "/console/alarms" in (await any_console.viewer.get("/console")).text


async def test_a_name_that_no_partner_has_is_told_as_such(console: Console) -> None:
    await store(console, {"at": 1_000_000, "partner": "gone"})
    await add_partner(console.context, "quiet", PlatformID.CPO, [("EMSP", Party("DE", "MSP"))])
    answer = await console.viewer.get(f"{MESSAGES}?partner=nobody")
    assert answer.status_code == 400
    assert "No partner is named nobody, and no message is of one." in answer.text
    for name, count in (("gone", 1), ("quiet", 0)):
        assert await rows(console, f"?partner={name}") == count
        assert "No partner" not in (await console.viewer.get(f"{MESSAGES}?partner={name}")).text
