"""Pulling Tokens: page by page, each judged for itself, and merged into what was pushed."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from sqlalchemy import update
from sqlmodel import col

from modules.tokens.store import find_tokens, tokens
from ocpi.catalogue import PULLABLES
from ocpi.database import Database
from ocpi.errors import Conflict, InvalidParameters, PeerUnusable, UnknownObject
from ocpi.headers import Party
from ocpi.pull.asking import Pulled
from ocpi.pull.issuers import TheirList, read_lists
from ocpi.pull.merging import Found, PageRead, merge, read_page
from ocpi.pull.syncs import FULL_EVERY, OVERLAP, PartnerSync
from ocpi.spec.document import encode
from ocpi.spec.moments import format_moment, microseconds, parse_moment
from ocpi.testing.emsp import Match, MockEMSP, Rule
from tests.ocpi.pull.world import ABC, World, open_world, token

XYZ = Party("FR", "XYZ")
T1 = "2026-02-01T00:00:00Z"


@pytest.fixture
async def world(sqlite_url: str) -> AsyncIterator[World]:
    async with open_world(sqlite_url) as opened:
        yield opened


@pytest.fixture
async def each_world(database_url: str) -> AsyncIterator[World]:
    async with open_world(database_url) as opened:
        yield opened


async def pull(world: World, name: str = "acme", *, full: bool = False) -> Pulled:
    """Pull from a partner that has a single list."""
    (pulled,) = await world.pull(name, full=full)
    return pulled


async def stored(world: World) -> list[dict[str, Any]]:
    """Give what is stored, the oldest first."""
    return (await find_tokens(world.context.database, "", 0, 1000))[::-1]


def counts(pulled: Pulled) -> dict[str, int]:
    return {str(fate): count for fate, count in pulled.counts.items()}


def queries(emsp: MockEMSP) -> list[dict[str, list[str]]]:
    return [parse_qs(message.path.partition("?")[2]) for message in emsp.messages]


def page(tokens: list[Any], following: str | None = None) -> httpx.Response:
    headers = {} if following is None else {"Link": f'<{following}>; rel="next"'}
    body = encode({"status_code": 1000, "data": tokens})
    return httpx.Response(200, headers=headers, content=body)


@pytest.mark.req("TK-13", "PG-10")
async def test_a_first_pull_brings_everything_over_all_pages(each_world: World) -> None:
    emsp = await each_world.add_emsp()
    theirs = [token(uid=f"T{number}", x_unknown=number) for number in range(250)]
    for each in theirs:
        emsp.issue_token(each)
    pulled = await pull(each_world)
    assert (pulled.full, counts(pulled), pulled.refused) == (True, {"new": 250}, [])
    assert await stored(each_world) == theirs
    assert len(emsp.messages) == 3
    assert emsp.violations == []
    again = await pull(each_world, full=True)
    assert counts(again) == {"unchanged": 250}


@pytest.mark.req("TK-13")
async def test_a_pull_updates_known_tokens_adds_new_ones_and_removes_none(
    each_world: World,
) -> None:
    """AT-62: a list may have its gaps, and `valid` is how a Token ends."""
    emsp = await each_world.add_emsp()
    newer = token(uid="NEWER", last_updated="2026-03-01T00:00:00Z")
    kept = token(uid="ABSENT")
    await each_world.store(token(uid="OLDER"), newer, kept)
    changed = token(uid="OLDER", valid=False, last_updated=T1)
    for each in (changed, token(uid="NEWER", valid=False, last_updated=T1), token(uid="NEW")):
        emsp.issue_token(each)
    pulled = await pull(each_world)
    assert counts(pulled) == {"new": 1, "changed": 1, "unchanged": 1}
    assert await stored(each_world) == [changed, newer, kept, token(uid="NEW")]


@pytest.mark.req("TK-13")
@pytest.mark.pitfall("IP-24")
async def test_the_next_pull_asks_for_what_changed_since_with_an_overlap(world: World) -> None:
    emsp = await world.add_emsp()
    await pull(world)
    first = await world.sync()
    assert first is not None
    assert first.synced_at is not None
    assert first.full_at == first.synced_at
    pulled = await pull(world)
    assert not pulled.full
    since = queries(emsp)[1]["date_from"][0]
    assert abs(microseconds(parse_moment(since)) - (first.synced_at - OVERLAP)) < 1_000_000
    second = await world.sync()
    assert second is not None
    assert (second.full_at, second.note) == (first.full_at, "Recent Tokens: none.")
    assert second.synced_at is not None
    assert second.synced_at > first.synced_at
    await pull(world, full=True)
    assert "date_from" not in queries(emsp)[2]


@pytest.mark.pitfall("IP-24")
@pytest.mark.parametrize(
    ("slow", "believed"), [(timedelta(hours=3), True), (timedelta(days=300), False), (None, False)]
)
async def test_a_partner_whose_clock_is_slow_is_asked_by_its_clock(
    world: World, slow: timedelta | None, *, believed: bool
) -> None:
    """It dates a change of today before our last pull; who knows no time is asked by ours."""
    await world.add_emsp()
    began = datetime.now(UTC)
    timestamp = "now" if slow is None else format_moment(began - slow)
    body = encode({"status_code": 1000, "data": [], "timestamp": timestamp})
    asked = world.serve("acme", body.encode())
    await pull(world)
    await pull(world)
    since = parse_moment(parse_qs(asked[1].url.query.decode())["date_from"][0])
    expected = began - slow if slow and believed else began
    assert abs(expected - timedelta(microseconds=OVERLAP) - since) < timedelta(minutes=1)


@pytest.mark.pitfall("IP-24")
async def test_everything_is_asked_for_again_after_a_week(world: World) -> None:
    emsp = await world.add_emsp()
    await pull(world)
    async with world.context.database.write() as db:
        await db.exec(update(PartnerSync).values(full_at=col(PartnerSync.full_at) - FULL_EVERY))
    assert (await pull(world)).full
    assert [set(query) for query in queries(emsp)] == [{"limit"}, {"limit"}]


@pytest.mark.req("TR-23", "CO-07")
@pytest.mark.pitfall("IP-09")
async def test_bad_objects_are_passed_over_one_by_one(each_world: World) -> None:
    await each_world.add_emsp()
    await each_world.add_emsp("other", [XYZ])
    good = [token(uid="GOOD"), token(uid="ALSO", type="NEWTYPE", whitelist="SOMETIMES")]
    bad = [
        None,
        5,
        {},
        {"uid": "X"},
        token(uid="NO-FLAG", valid="yes"),
        token(uid="NO-DATE", last_updated="yesterday"),
        token(XYZ, uid="FOREIGN"),
        token(uid="BAD\u0007"),
    ]
    each_world.serve("acme", [good[0], *bad, good[1]])
    pulled = await pull(each_world)
    assert counts(pulled) == {"new": 2, "refused": 8}
    assert await stored(each_world) == good
    assert len(pulled.refused) == 8
    assert pulled.refused[6] == "Token FOREIGN: FR*XYZ is no party of this partner"
    sync = await each_world.sync()
    assert sync is not None
    assert sync.note == "All Tokens: 2 new, 8 refused."


@pytest.mark.req("TR-23")
async def test_a_token_with_an_asterisk_in_its_type_spoils_no_other(each_world: World) -> None:
    await each_world.add_emsp()
    each_world.serve("acme", [token(uid="A*B"), token(uid="C", type="X*Y"), token(uid="D")])
    pulled = await pull(each_world)
    assert (pulled.is_complete, counts(pulled)) == (True, {"new": 2, "refused": 1})
    assert pulled.refused == ["Token C: C*X*Y is ambiguous"]
    assert await stored(each_world) == [token(uid="A*B"), token(uid="D")]


@pytest.mark.req("TR-23")
async def test_an_object_that_cannot_be_stored_spoils_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.add_emsp()
    await world.store(token(uid="A"), token(uid="B"))
    theirs = [token(uid=uid, last_updated=T1) for uid in "ABC"]
    world.serve("acme", theirs)

    def settle(_stored: Any, document: Any) -> Any:
        if document["uid"] == "A":
            raise InvalidParameters
        return document

    monkeypatch.setattr(tokens, "settled", settle)
    assert counts(await pull(world)) == {"new": 1, "changed": 1, "refused": 1}
    assert await stored(world) == [token(uid="A"), *theirs[1:]]


async def test_of_many_bad_objects_the_first_are_told(world: World) -> None:
    await world.add_emsp()
    world.serve("acme", [{}] * 50)
    pulled = await pull(world)
    assert (counts(pulled), len(pulled.refused)) == ({"refused": 50}, 20)


async def test_of_a_token_told_twice_the_newest_counts(world: World) -> None:
    await world.add_emsp()
    newest = token(last_updated=T1)
    world.serve(
        "acme", [token(), newest, token(visual_number="1"), token(uid=newest["uid"].lower())]
    )
    assert counts(await pull(world)) == {"new": 1}
    assert await stored(world) == [newest]


@pytest.mark.req("PG-10")
async def test_the_lists_of_all_emsps_of_a_partner_are_pulled(world: World) -> None:
    await world.add_emsp("acme", [ABC, XYZ])
    lists = {"ABC": [token()], "XYZ": [token(XYZ)]}

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["ocpi-from-party-id"] == "TNM"
        return page(lists[request.headers["ocpi-to-party-id"]])

    world.serve("acme", answer)
    assert counts(await pull(world)) == {"new": 2}


BROKEN: list[tuple[Any, str]] = [
    (httpx.Response(500), "acme answered HTTP 500 with status code None."),
    (httpx.Response(200, content=b"<html>"), "acme answered HTTP 200 with status code None."),
    (
        httpx.Response(200, content=b'{"status_code":2001}'),
        "acme answered HTTP 200 with status code 2001.",
    ),
    (
        httpx.Response(200, content=b'{"status_code":1000,"data":{}}'),
        "acme answered with something else than a list.",
    ),
    (page([token(uid="P2")], "http://evil.test/"), "leads to a foreign origin"),
    (page([token(uid="P2")], "http://acme.test/2"), "lead in a circle"),
    (httpx.ConnectError("gone"), "acme: no connection."),
]


@pytest.mark.req("TK-13")
@pytest.mark.parametrize(("second", "problem"), BROKEN)
async def test_a_list_that_breaks_off_is_not_taken_for_whole(
    world: World, second: Any, problem: str
) -> None:
    """What came is kept, and the next pull asks for everything again."""
    await world.add_emsp()

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path != "/2":
            return page([token(uid="P1")], "http://acme.test/2")
        if isinstance(second, Exception):
            raise second
        return httpx.Response(second.status_code, headers=second.headers, content=second.content)

    world.serve("acme", answer)
    with pytest.raises(PeerUnusable) as caught:
        await pull(world)
    assert "Not complete: " in caught.value.message
    assert problem in caught.value.message
    assert (await stored(world))[0] == token(uid="P1")
    sync = await world.sync()
    assert sync is not None
    assert (sync.synced_at, sync.note) == (None, caught.value.message)
    world.serve("acme", [token(uid="P1"), token(uid="P3")])
    pulled = await pull(world)
    assert (pulled.full, counts(pulled)["new"]) == (True, 1)


@pytest.mark.pitfall("IP-40")
async def test_only_partners_with_a_list_are_pulled_from(world: World) -> None:
    await world.add_emsp("mute", sender=False)
    refusals = {"mute offers no list": Conflict, "Newcomer": Conflict, "nobody": UnknownObject}
    for sentence, refusal in refusals.items():
        with pytest.raises(refusal, match=sentence):
            await pull(world, sentence.split()[0])


async def test_no_connection_to_the_database_is_held_while_a_page_is_awaited(
    each_world: World,
) -> None:
    await each_world.add_emsp()
    held = []

    def answer(request: httpx.Request) -> httpx.Response:
        held.append(each_world.context.database.engine.pool.checkedout())  # type: ignore[attr-defined]
        number = len(held)
        return page([token(uid=f"T{number}")], f"{request.url.copy_with(query=None)}?{number}")

    each_world.serve("acme", lambda request: answer(request) if len(held) < 3 else page([]))
    await pull(each_world)
    assert held == [0, 0, 0]


async def test_a_push_during_the_pull_is_not_lost(each_world: World) -> None:
    """Pages and pushes of the same Tokens at once: all succeed, and the newest state stays."""
    await each_world.add_emsp()
    (listed,) = await read_lists(each_world.context, PULLABLES)
    pushed = [token(uid=f"T{number}", valid=False, last_updated=T1) for number in range(20)]
    pulled = [token(uid=f"T{number}") for number in range(20)]
    page = read_page(listed.pullable, pulled, {ABC.key})
    assert page.refused == []
    parties = {ABC.key: ABC}
    await asyncio.gather(
        *(each_world.store(each) for each in pushed),
        *(merge(each_world.context.database, listed, page.found, parties) for _ in range(3)),
    )
    assert sorted(await stored(each_world), key=lambda each: int(each["uid"][1:])) == pushed


async def test_a_slow_page_is_waited_for(world: World) -> None:
    emsp = await world.add_emsp()
    emsp.issue_token(token())
    emsp.rules.append(Rule("slow", seconds=3, match=Match(method="GET")))
    assert counts(await pull(world)) == {"new": 1}


@pytest.mark.pitfall("IP-23")
@pytest.mark.threat("TA-18")
async def test_a_page_far_larger_than_asked_for_is_taken_in_slices(
    each_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than 32,767 keys are too many for one query of PostgreSQL."""
    slices = []

    async def note(
        database: Database, listed: TheirList, found: Found, parties: Mapping[str, Party]
    ) -> Any:
        slices.append([len(each) for each in found.values()])
        return await merge(database, listed, found, parties)

    monkeypatch.setattr("ocpi.pull.pulling.merge", note)
    await each_world.add_emsp()
    theirs = [*(token(uid=f"T{number}") for number in range(1100)), None]
    each_world.serve("acme", theirs)
    pulled = await pull(each_world)
    assert slices == [[500], [500], [100]]
    assert counts(pulled) == {"new": 1100, "refused": 1}
    assert pulled.refused[0].startswith("item 1100: ")


async def test_the_loop_turns_while_a_large_page_is_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = 0
    seen = []

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def note(*args: Any) -> PageRead:
        seen.append(turns)
        return read_page(*args)

    monkeypatch.setattr("ocpi.pull.pulling.read_page", note)
    await world.add_emsp()
    world.serve("acme", [None] * 1500)
    turning = asyncio.create_task(turn())
    await pull(world)
    turning.cancel()
    assert seen[0] < seen[1] < seen[2]


async def test_whatever_fails_ends_the_pull_with_its_note(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_args: Any) -> Any:
        raise RuntimeError("some reason")

    await world.add_emsp()
    world.serve("acme", [token()])
    with monkeypatch.context() as patched:
        patched.setattr("ocpi.pull.pulling.merge", fail)
        with pytest.raises(PeerUnusable, match="RuntimeError"):
            await pull(world)
    sync = await world.sync()
    assert sync is not None
    told = "All Tokens: none. Not complete: it failed here, with RuntimeError."
    assert (sync.synced_at, sync.note) == (None, told)
    assert counts(await pull(world)) == {"new": 1}
