"""What a lane reads while other things happen to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import cycle, islice
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from sqlalchemy import insert

from ocpi.push import intake
from ocpi.push.feed import Change, Stream
from ocpi.push.intake import Intake
from ocpi.push.lanes import ParkedObject
from ocpi.push.ledger import Ledger
from ocpi.push.parking import Parking, Why
from ocpi.push.reading import AT_ONCE, Line, ParkedLine, read_page, read_parked
from ocpi.push.watch import Watch
from tests.ocpi.push.world import OWNER, QUICK, World, store

if TYPE_CHECKING:
    from ocpi.database import Database
    from ocpi.push.teller import Teller


async def test_a_page_that_was_passed_over_while_it_was_read_is_not_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.put_locations(10)
    watch = Watch(QUICK, [])
    watch.heads[Stream.STATE] = 10
    ledger = Ledger(QUICK, dict.fromkeys(Stream, 0), watch.heads)
    everything = SimpleNamespace(concerns=lambda *_: True, may_hear=lambda *_: True)
    teller = cast("Teller", SimpleNamespace(addressee=everything))
    reader = Intake(world.database, ledger, teller, QUICK, watch, 1, lambda: None)

    async def read_slowly(database: Database, *rest: Any) -> Sequence[Line]:
        page = await read_page(database, *rest)
        ledger.pass_over(Stream.STATE, 10)
        return page

    monkeypatch.setattr(intake, "read_page", read_slowly)
    await reader.read()
    assert len(ledger) == 0
    assert ledger.watermark(Stream.STATE) == 10


async def test_a_trial_takes_a_module_that_is_not_to_blame_wherever_it_finds_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It looks behind all that is told.
    monkeypatch.setattr(intake, "random", lambda: 1.0)
    await world.put_locations(10)
    tariff = Change("tariffs", f"{OWNER}*t")
    async with world.database.write() as db:
        await store(db, tariff, {"version": 1})
    watch = Watch(QUICK, [])
    watch.heads[Stream.STATE] = 11
    ledger = Ledger(QUICK, dict.fromkeys(Stream, 0), watch.heads)
    ledger.see("locations/x", "locations/x", Stream.STATE, 1, watch.now())
    entry = ledger.pick(watch.now())
    assert entry is not None
    ledger.blame(entry, watch.now())
    everything = SimpleNamespace(concerns=lambda *_: True)
    teller = cast("Teller", SimpleNamespace(addressee=everything))
    reader = Intake(world.database, ledger, teller, QUICK, watch, 1, lambda: None)
    await reader.sample()
    trial = ledger.pick_for_trial(watch.now(), answered=True)
    assert trial is not None
    assert trial.key == tariff.key


def stored_meanwhile(
    monkeypatch: pytest.MonkeyPatch, world: World, page: int
) -> tuple[Ledger, Intake, list[int]]:
    """Give an empty lane's, for which something is stored as it gets a page, and the pages read."""
    watch = Watch(QUICK, [])
    ledger = Ledger(QUICK, dict.fromkeys(Stream, 0), watch.heads)
    given = world.database, ledger, cast("Teller", None), QUICK, watch, world.ids["msp"]
    reader = Intake(*given, lambda: None)
    reads: list[int] = []

    async def read_meanwhile(database: Database, *rest: Any) -> AsyncIterator[Sequence[ParkedLine]]:
        async for lines in read_parked(database, *rest):
            reads.append(len(lines))
            reader.taken += len(reads) == page
            yield lines

    monkeypatch.setattr(intake, "read_parked", read_meanwhile)
    return ledger, reader, reads


async def test_what_is_parked_is_known_though_something_was_stored_while_it_was_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.add_partner("msp")
    await world.put_location("a")
    key = "locations/nl*tnm*a"
    async with world.database.write() as db:
        row = ParkedObject(
            partner_id=world.ids["msp"],
            object_key=key,
            seq=1,
            kind=Why.DEAD,
            attempts=7,
            first_failed_at=1,
        )
        db.add(row)
    ledger, reader, reads = stored_meanwhile(monkeypatch, world, 1)
    await reader.load_parked()
    # Nothing reads it later: it is never due.
    assert (len(reads), len(ledger)) == (2, 1)


async def test_what_is_due_is_read_on_where_something_was_stored_and_then_not_at_once_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.add_partner("msp")
    await world.put_locations(2 * AT_ONCE)
    row = {"partner_id": world.ids["msp"], "kind": "rejected", "attempts": 1, "seq": 1}
    rows = [
        {**row, "object_key": f"locations/{OWNER}*l{n}", "doubtful": False, "next_at": 5}
        for n in range(2 * AT_ONCE)
    ]
    async with world.database.write() as db:
        await db.exec(
            insert(ParkedObject), params=[{**each, "first_failed_at": 1} for each in rows]
        )
    ledger, reader, reads = stored_meanwhile(monkeypatch, world, 2)
    loaded = []
    for _ in range(2):
        assert reader.rested
        await reader.load_due(7)
        loaded.append(len(ledger))
    assert loaded == [AT_ONCE, 2 * AT_ONCE]
    # The second page twice, and that none is behind it.
    assert len(reads) == 4
    assert not reader.rested


@pytest.mark.parametrize("until", [None, 7])
async def test_thousands_of_parked_objects_are_read_each_once_and_others_go_on_meanwhile(
    world: World, until: int | None
) -> None:
    await world.add_partner("msp")
    count = 4 * AT_ONCE
    row = {"partner_id": world.ids["msp"], "kind": "rejected", "attempts": 1, "first_failed_at": 1}
    # Some wait for the same moment, others come later or never.
    rows = [
        {**row, "object_key": f"cdrs/{n}", "seq": n, "doubtful": False, "next_at": moment}
        for n, moment in enumerate(islice(cycle((7, 3, 5, 5)), count))
    ]
    rows += [{**row, "object_key": f"x{n}", "seq": n, "doubtful": True} for n in range(3)]
    rows += [{**row, "object_key": "later", "seq": 1, "doubtful": True, "next_at": 8}]
    async with world.database.write() as db:
        for each in rows:
            each.setdefault("next_at", None)
        await db.exec(insert(ParkedObject), params=rows)
    turns = 0

    async def go_on() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(go_on())
    await asyncio.sleep(0)
    before = turns
    pages = [(turns, page) async for page in read_parked(world.database, world.ids["msp"], until)]
    task.cancel()
    lines = [line for _, page in pages for line in page]
    assert len({line.key for line in lines}) == len(lines) == count + 4 * (until is None)
    assert before < pages[1][0] < pages[2][0] < pages[3][0]
    one = next(line for line in lines if line.key == "cdrs/1")
    assert one.parking == Parking(1, Why.REJECTED, 3, 1, first_failed_at=1)
