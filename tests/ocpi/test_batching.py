"""What comes while a transaction is under way shares the next one, and pays for nobody else."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextvars import ContextVar
from itertools import chain

import pytest
from sqlalchemy import CheckConstraint, Column, Integer, MetaData, Table, insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from modules.locations.parts import Place
from modules.locations.store import locations
from ocpi.batching import MOST
from ocpi.database import Database
from ocpi.editing import Decision, Document, Edit
from ocpi.errors import UnknownLocation
from ocpi.forgiving import Forgiving, Habit, forgive, hearing
from ocpi.push.feed import Change, SyncObject
from ocpi.push.writing import Tell, write
from ocpi.spec.document import decode
from ocpi.testing import samples
from tests.house import OURS, OWNER, open_database

BATCHED = Table("batched", MetaData(), Column("n", Integer, CheckConstraint("n < 1000")))
SYNCED = select(col(SyncObject.key), col(SyncObject.seq), col(SyncObject.prev_seq)).order_by(
    col(SyncObject.seq)
)

LATER = {"last_updated": "2027-06-01T00:00:00Z"}


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url) as opened:
        async with opened.engine.begin() as connection:
            await connection.run_sync(BATCHED.create)
        yield opened


class Ledger:
    """Stores numbers, and remembers which were stored together."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    async def store(self, db: AsyncSession, numbers: Sequence[int]) -> list[int | Exception]:
        self.batches.append(list(numbers))
        await db.exec(insert(BATCHED), params=[{"n": number} for number in numbers])
        return [ValueError(number) if number < 0 else number * 2 for number in numbers]


async def stored(database: Database) -> list[int]:
    rows = await database.fetch("batched", BATCHED.select().order_by(BATCHED.c.n), {})
    return [row[0] for row in rows]


async def test_the_first_goes_at_once_and_the_others_together(database: Database) -> None:
    ledger = Ledger()
    asked = [database.batches.do("k", ledger.store, number) for number in range(2 * MOST)]
    assert await asyncio.gather(*asked) == [2 * number for number in range(2 * MOST)]
    assert [len(batch) for batch in ledger.batches] in ([1, MOST, MOST - 1], [MOST, MOST])
    assert [*chain(*ledger.batches)] == await stored(database) == list(range(2 * MOST))


async def test_kinds_do_not_mix(database: Database) -> None:
    ledgers = Ledger(), Ledger()
    await asyncio.gather(*(database.batches.do(n % 2, ledgers[n % 2].store, n) for n in range(20)))
    assert all(n % 2 == kind for kind in (0, 1) for n in chain(*ledgers[kind].batches))


async def test_what_is_refused_hinders_none_of_the_others(database: Database) -> None:
    asked = [database.batches.do("k", Ledger().store, number) for number in (1, -2, 3)]
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert [found[0], found[2]] == [2, 6]
    assert isinstance(found[1], ValueError)
    assert await stored(database) == [-2, 1, 3]


async def test_what_the_database_refuses_is_refused_alone(database: Database) -> None:
    asked = [database.batches.do("k", Ledger().store, number) for number in (1, 2, 5000, 3)]
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert [found[0], found[1], found[3]] == [2, 4, 6]
    assert isinstance(found[2], Exception)
    assert await stored(database) == [1, 2, 3]


async def test_who_goes_away_takes_nobody_along(database: Database) -> None:
    asked = [asyncio.create_task(database.batches.do("k", Ledger().store, n)) for n in range(5)]
    await asyncio.sleep(0)
    asked[2].cancel()
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert found[:2] + found[3:] == [0, 2, 6, 8]
    assert isinstance(found[2], asyncio.CancelledError)
    assert await stored(database) == [0, 1, 2, 3, 4]


async def test_work_that_is_broken_off_leaves_nobody_waiting(database: Database) -> None:
    async def forget(_db: AsyncSession, _items: Sequence[int]) -> list[int]:
        return []

    asked = [database.batches.do("k", forget, number) for number in range(3)]
    found = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 10)
    assert [type(each) for each in found] == [RuntimeError] * 3
    assert await database.batches.do("k", Ledger().store, 1) == 2


async def test_work_is_nobodys_in_particular(database: Database) -> None:
    who: ContextVar[str] = ContextVar("who", default="nobody")
    seen: list[str] = []

    async def look(_db: AsyncSession, items: Sequence[int]) -> list[int]:
        seen.append(who.get())
        return list(items)

    who.set("the first")
    await database.batches.do("k", look, 1)
    assert seen == ["nobody"]


def location(name: str, status: str = "AVAILABLE") -> dict[str, object]:
    document = samples.location(id=name, **OWNER)
    document["evses"][0] |= {"uid": "E1", "status": status}
    return document


async def status_of(database: Database, name: str) -> str:
    text_of = await locations.text(database, (OURS,), name)
    status: str = decode(text_of)["evses"][0]["status"]
    return status


def patching(name: str, status: str, second: int) -> tuple[Edit, Tell]:
    changes = {"status": status, "last_updated": f"2027-01-01T00:00:{second:02}Z"}
    edit = locations.patching_at(OURS, Place(name, "E1"), changes)
    change = Change("locations", f"{OURS.key}*{name.lower()}", part="E1", patch=changes)
    return edit, lambda _: change


@pytest.mark.req("PP-04", "PP-09")
async def test_changes_of_one_object_at_once_are_made_one_after_the_other(
    database: Database,
) -> None:
    for name in ("L1", "L2"):
        edit = locations.putting(OURS, name, location(name))
        assert (await write(database, locations, edit)).created
    statuses = ["CHARGING", "BLOCKED", "RESERVED", "INOPERATIVE"]
    wanted = [
        (name, *patching(name, status, second))
        for second, status in enumerate(statuses, 1)
        for name in ("L1", "L2", "L3")
    ]
    found = await asyncio.gather(
        *(write(database, locations, edit, change) for _, edit, change in wanted),
        return_exceptions=True,
    )
    for (name, *_), outcome in zip(wanted, found, strict=True):
        if name == "L3":
            assert isinstance(outcome, UnknownLocation)
        else:
            assert not isinstance(outcome, BaseException)
            assert outcome.changed
    assert [await status_of(database, name) for name in ("L1", "L2")] == ["INOPERATIVE"] * 2
    rows = await database.fetch("synced", SYNCED, {})
    assert sorted(row[0] for row in rows) == [
        f"locations/nl*tnm*{name}/e1" for name in ("l1", "l2")
    ]
    # Whoever has seen the change before the newest one may take that as a PATCH.
    assert all(0 < before < seq <= 8 for _, seq, before in rows)


@pytest.mark.req("PP-01", "PG-09")
async def test_of_many_who_create_one_object_at_once_one_does(database: Database) -> None:
    documents = [location("L1", status) for status in ("AVAILABLE", "CHARGING", "AVAILABLE")]
    found = await asyncio.gather(
        *(write(database, locations, locations.putting(OURS, "L1", each)) for each in documents)
    )
    assert [each.created for each in found] == [True, False, False]
    assert [each.changed for each in found] == [True, True, True]
    assert await status_of(database, "L1") == "AVAILABLE"


async def test_what_is_forgiven_is_forgiven_to_whoever_asked(database: Database) -> None:
    forgiving = Forgiving()

    async def ask(partner: str) -> None:
        with hearing(forgiving, partner):
            edit = locations.putting(OURS, partner, location(partner))
            decide = edit.decide

            def odd(stored: Document | None, now: int) -> Decision:
                forgive(Habit.STALE, partner)
                return decide(stored, now)

            object.__setattr__(edit, "decide", odd)
            await write(database, locations, edit)

    await asyncio.gather(*(ask(name) for name in ("A", "B", "C")))
    noted = forgiving.take()
    assert {partner: each.sample for (partner, _), each in noted.items()} == {
        "A": "A",
        "B": "B",
        "C": "C",
    }


async def test_a_whole_object_is_told_instead_of_its_parts(database: Database) -> None:
    whole = Change("locations", f"{OURS.key}*l1")
    edit = locations.putting(OURS, "L1", location("L1"))
    asked = [
        write(database, locations, edit, lambda _: whole),
        write(database, locations, *patching("L1", "CHARGING", 1)),
        write(
            database,
            locations,
            locations.putting(
                OURS, "L1", location("L1") | {"last_updated": "2027-06-01T00:00:00Z"}
            ),
            lambda _: whole,
        ),
        write(database, locations, *patching("L1", "BLOCKED", 2)),
    ]
    *_, stale = await asyncio.gather(*asked)
    assert not stale.stale, "an EVSE has a date of its own"
    rows = await database.fetch("synced", SYNCED, {})
    assert [tuple(row) for row in rows] == [
        ("locations/nl*tnm*l1", 3, 2),
        ("locations/nl*tnm*l1/e1", 4, 3),
    ]
