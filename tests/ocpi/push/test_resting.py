"""What partners cost that have nothing to hear: a platform may have ten thousand of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from sqlmodel import select

from ocpi.database import Database
from ocpi.push.lanes import PartnerLane
from tests.ocpi.push.world import QUICK, World, until, until_found

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Executable


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Counter[Any]:
    """How often each statement was run past the ORM."""
    counts, fetch = Counter[Any](), Database.fetch

    async def count(
        database: Database, key: Any, statement: Executable, given: Mapping[str, Any]
    ) -> Sequence[Sequence[Any]]:
        counts[key] += 1
        return await fetch(database, key, statement, given)

    monkeypatch.setattr(Database, "fetch", count)
    return counts


async def test_lanes_hear_of_each_change_and_are_not_looked_at_for_it(
    world: World, asked: Counter[Any]
) -> None:
    await world.add_partner("msp")
    world.add_worker(own_database=True, pace=replace(QUICK, rest=1e9, beat=3600, lease=7200))
    await world.put_location("a")
    await world.until_told()

    async def turn(times: int) -> int:
        reached = asked["worker.heads"] + times
        await until(lambda: asked["worker.heads"] >= reached)
        return asked["worker.lanes"]

    looks = await turn(5)
    assert await turn(20) == looks
    for number in range(20):
        await world.put_location(f"b{number}")
        await world.until_told()
    # One is looked for when a change was read already as its notice arrives, which is seldom.
    assert asked["worker.lanes"] - looks < 10


async def test_a_new_partner_is_seen_at_once_however_long_lanes_may_rest(world: World) -> None:
    world.add_worker(pace=replace(QUICK, rest=1e9, beat=3600, lease=7200))
    for name in ("first", "second"):
        await world.add_partner(name)
        await world.put_location("a")
        await world.until_told()


async def test_lanes_of_which_some_are_looked_at_at_a_time_all_stay_and_new_ones_are_taken(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("lanes", "worker"):
        monkeypatch.setattr(f"ocpi.push.{place}.SLICE", 2)
    for number in range(5):
        await world.add_partner(f"p{number}")
    # With a long lease, or a machine that stands still has it take the lanes anew.
    world.add_worker(pace=replace(QUICK, rest=0, exchange=5, lease=20))
    for number in range(5, 9):
        await world.put_location("a")
        await world.until_told()
        await world.add_partner(f"p{number}")
    await world.until_told()
    async with world.database.read() as db:
        lanes = (await db.exec(select(PartnerLane))).all()
    assert [(lane.owner is None, lane.epoch) for lane in lanes] == [(False, 2)] * 9


async def test_a_partner_is_not_read_again_for_what_it_has_no_endpoint_for(
    world: World, asked: Counter[Any]
) -> None:
    await world.add_partner("msp", modules=("cdrs",))
    world.add_worker(own_database=True)
    for number in range(1, 4):
        await world.put_location("a")

        async def passed(number: int = number) -> bool:
            async with world.database.read() as db:
                lane = (await db.exec(select(PartnerLane))).one()
                return lane.cursors.get("state") == number

        await until_found(passed)
    assert asked["addressee.partner"] == 1


async def test_what_changed_is_read_once_for_all_partners(
    world: World, asked: Counter[Any]
) -> None:
    for number in range(20):
        await world.add_partner(f"p{number}")
    world.add_worker(own_database=True)
    await world.put_location("a")
    await world.until_told()
    before = asked["push.page"]
    await world.put_location("b")
    await world.until_told()
    assert asked["push.page"] - before < 10
