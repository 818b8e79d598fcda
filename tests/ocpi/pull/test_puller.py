"""The puller: at the start, of new partners, every few hours, by one process, and for ever."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import update
from sqlmodel import col

from modules.tokens.store import find_tokens
from ocpi.catalogue import PULLABLES
from ocpi.database import clock
from ocpi.headers import Party
from ocpi.parties import PlatformID
from ocpi.pull import syncs
from ocpi.pull.issuers import read_lists
from ocpi.pull.puller import Puller
from ocpi.pull.syncs import AT_ONCE, HOUR, LEASE, MINUTE, PartnerSync
from ocpi.spec.document import encode
from ocpi.testing.emsp import Rule
from tests.house import RECEIVING
from tests.ocpi.pull.world import ABC, World, open_world, token

XYZ = Party("FR", "XYZ")


@pytest.fixture
async def world(sqlite_url: str) -> AsyncIterator[World]:
    async with open_world(sqlite_url) as opened:
        yield opened


@pytest.fixture
async def each_world(database_url: str) -> AsyncIterator[World]:
    async with open_world(database_url) as opened:
        yield opened


@asynccontextmanager
async def pulling(world: World, count: int = 1, look: float = 0.02) -> AsyncIterator[None]:
    """So many processes' pullers run while the block does."""
    pullers = [Puller(world.context, PULLABLES, look=look) for _ in range(count)]
    running = [asyncio.create_task(each.run()) for each in pullers]
    try:
        yield
    finally:
        for each in pullers:
            await each.stop()
        await asyncio.wait_for(asyncio.gather(*running), 5)


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while True:
            if condition():
                return
            await asyncio.sleep(0.01)


async def noted(world: World, name: str = "acme", module: str = "tokens") -> PartnerSync:
    """Give the row of a partner's list once a pull has ended."""
    async with asyncio.timeout(10):
        while True:
            row = await world.sync(name, module)
            if row is not None and row.note is not None:
                return row
            await asyncio.sleep(0.01)


async def now(world: World) -> int:
    async with world.context.database.read() as db:
        return await clock(db)


async def change(world: World, module: str = "tokens", **values: Any) -> None:
    async with world.context.database.write() as db:
        await db.exec(update(PartnerSync).where(col(PartnerSync.module) == module).values(**values))


@pytest.mark.req("TK-13", "TR-18")
async def test_each_partner_is_pulled_from_once_and_then_after_hours(each_world: World) -> None:
    emsps = [await each_world.add_emsp(), await each_world.add_emsp("other", [XYZ])]
    await each_world.add_emsp("mute", [Party("BE", "MUT")], sender=False)
    emsps[0].issue_token(token())
    async with pulling(each_world, 3):
        await until(lambda: all(emsp.messages for emsp in emsps))
        rows = [await noted(each_world), await noted(each_world, "other")]
        await asyncio.sleep(0.2)
    assert [len(emsp.messages) for emsp in emsps] == [1, 1]
    assert await find_tokens(each_world.context.database, "", 0, 9) == [token()]
    moment = await now(each_world)
    for row in rows:
        assert 5.9 * HOUR < row.next_at - moment < 7.3 * HOUR
    assert rows[0].next_at != rows[1].next_at
    assert await each_world.sync("mute") is None


async def test_a_partner_that_comes_later_is_pulled_from_at_once(world: World) -> None:
    async with pulling(world):
        await asyncio.sleep(0.1)
        emsp = await world.add_emsp()
        await until(lambda: emsp.messages)


async def test_what_is_due_is_pulled(world: World) -> None:
    emsp = await world.add_emsp()
    async with pulling(world):
        await noted(world)
        await change(world, next_at=0)
        await until(lambda: len(emsp.messages) == 2)


async def test_a_start_catches_up_unless_somebody_just_did_or_is_at_it(world: World) -> None:
    emsp = await world.add_emsp()
    async with pulling(world):
        await noted(world)
    for over, count in (
        ({}, 1),
        ({"synced_at": 0, "next_at": await now(world) + LEASE - 1_000_000}, 1),
        # Extended by another process after this one has read the clock.
        ({"synced_at": None, "next_at": await now(world) + LEASE + 5_000_000}, 1),
        ({"synced_at": 0, "next_at": await now(world) + 5 * HOUR}, 2),
        ({"synced_at": None, "next_at": await now(world) + HOUR}, 3),
    ):
        if over:
            await change(world, **over)
        async with pulling(world):
            await asyncio.sleep(0.3)
        assert (over, len(emsp.messages)) == (over, count)


async def test_a_partner_that_fails_is_tried_again_in_an_hour(world: World) -> None:
    emsp = await world.add_emsp()
    emsp.rules.append(Rule("status", http_status=500))
    async with pulling(world):
        row = await noted(world)
    assert (
        row.note == "All Tokens: none. Not complete: acme answered HTTP 500 with status code 3000."
    )
    assert 0.9 * HOUR < row.next_at - await now(world) < 1.3 * HOUR


@pytest.mark.parametrize(
    ("took", "wait"), [(MINUTE, HOUR), (12 * MINUTE, 2 * HOUR), (2 * HOUR, 6 * HOUR)]
)
async def test_a_pull_that_failed_late_is_not_soon_begun_again(
    world: World, took: int, wait: int
) -> None:
    """A list of more pages than are read was read from the start each hour."""
    await world.add_emsp()
    (listed,) = await read_lists(world.context, PULLABLES)
    async with world.context.database.write() as db:
        _, started = await syncs.begin(db, listed.key)
        began = started - took
        await syncs.finish(db, listed.key, "", 6 * HOUR, began=began, since=None, full=True)
    row = await world.sync()
    assert row is not None
    assert wait <= row.next_at - started < 1.21 * wait


async def test_a_slow_partner_delays_no_other_and_is_dropped_at_the_end(world: World) -> None:
    slow = await world.add_emsp()
    slow.rules.append(Rule("slow", seconds=60))
    quick = await world.add_emsp("other", [XYZ])
    async with pulling(world):
        await noted(world, "other")
    assert len(quick.messages) == 1
    row = await world.sync()
    assert row is not None
    assert (row.note, row.synced_at) == (None, None)
    assert 0 < row.next_at - await now(world) <= LEASE


async def test_a_process_pulls_a_few_lists_at_once_and_leaves_the_others_to_be_taken(
    each_world: World,
) -> None:
    """As soon as one has ended the next one has its turn."""
    ended = asyncio.Semaphore(0)
    asked: list[str] = []

    async def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.host)
        await ended.acquire()
        return httpx.Response(200, content=encode({"status_code": 1000, "data": []}))

    names = [f"emsp{number:02}" for number in range(AT_ONCE + 3)]
    for number, name in enumerate(names):
        await each_world.add_emsp(name, [Party("DE", f"{number:03}")])
        each_world.network.hosts[f"{name}.test"] = httpx.MockTransport(answer)
    async with pulling(each_world, look=60):
        await until(lambda: len(asked) == AT_ONCE)
        await asyncio.sleep(0.2)
        assert len(asked) == AT_ONCE
        rows = [await each_world.sync(name) for name in names]
        assert [row.next_at for row in rows if row is not None].count(0) == 3
        async with pulling(each_world):
            await until(lambda: len(asked) == AT_ONCE + 3)
        await change(each_world, next_at=0)
        ended.release()
        await until(lambda: len(asked) == AT_ONCE + 4)


async def test_each_list_of_a_partner_is_one_process_at_a_time(database_url: str) -> None:
    """A list that takes long keeps nobody from the partner's others, and nobody else begins it."""
    async with open_world(database_url, offers=RECEIVING) as world:
        ended = asyncio.Event()

        async def answer(request: httpx.Request) -> httpx.Response:
            asked.append(request.url.path)
            if request.url.path == "/locations":
                await ended.wait()
            return httpx.Response(200, content=encode({"status_code": 1000, "data": []}))

        asked: list[str] = []
        world.network.hosts["acme.test"] = httpx.MockTransport(answer)
        lists = {module: f"http://acme.test/{module}" for module in ("locations", "tariffs")}
        await world.connect("acme", [("CPO", ABC)], lists, platform=PlatformID.HUB)
        async with pulling(world, 3):
            await noted(world, module="tariffs")
            await change(world, next_at=0, module="tariffs")
            await until(lambda: len(asked) == 3)
            ended.set()
            await noted(world, module="locations")
        assert sorted(asked) == ["/locations", "/tariffs", "/tariffs"]


async def test_each_page_extends_the_lease(world: World) -> None:
    await world.add_emsp()
    ends = []

    async def look() -> None:
        row = await world.sync()
        assert row is not None
        ends.append(row.next_at)

    class Pages(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await look()
            await change(world, next_at=col(PartnerSync.next_at) - LEASE // 2)
            link = {"Link": '<http://acme.test/2>; rel="next"'} if len(ends) == 1 else {}
            body = encode({"status_code": 1000, "data": [token(uid=str(len(ends)))]})
            return httpx.Response(200, headers=link, content=body, request=request)

    world.network.hosts["acme.test"] = Pages()
    async with pulling(world):
        await noted(world)
    assert len(ends) == 2
    assert ends[1] >= ends[0]


async def test_it_outlives_a_database_that_fails(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    emsp = await world.add_emsp()
    whole = syncs.take_due
    failures = iter([OSError("the disk is gone"), OSError("still gone")])

    async def fail(*args: Any) -> set[syncs.Key]:
        failure = next(failures, None)
        if failure is not None:
            raise failure
        return await whole(*args)

    monkeypatch.setattr(syncs, "take_due", fail)
    monkeypatch.setattr(syncs, "LEASE", 0)
    begin = syncs.begin
    broken = iter([OSError("gone again")])

    async def fail_once(*args: Any) -> Any:
        failure = next(broken, None)
        if failure is not None:
            raise failure
        return await begin(*args)

    monkeypatch.setattr(syncs, "begin", fail_once)
    async with pulling(world):
        await noted(world)
    assert emsp.messages


async def test_nothing_is_pulled_when_it_is_off(sqlite_url: str) -> None:
    async with open_world(sqlite_url, pull_hours=0) as world:
        emsp = await world.add_emsp()
        async with pulling(world):
            await asyncio.sleep(0.2)
        assert list(emsp.messages) == []
