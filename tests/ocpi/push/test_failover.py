"""Another server answers in the database's place, which lacks the last commits."""

from __future__ import annotations

import pytest
from sqlalchemy import BigInteger, Column, MetaData, Table, delete, insert, update
from sqlmodel import col, select

from ocpi import ownwords
from ocpi.push.feed import Change, FeedHead, Stream, SyncObject
from ocpi.push.lanes import PartnerLane
from tests.ocpi.push.faults import until_not_behind
from tests.ocpi.push.world import OWNER, World, store, until

STARTED = Table("started", MetaData(), Column("at", BigInteger))


async def replicate(world: World, monkeypatch: pytest.MonkeyPatch) -> int:
    """Take note of what a standby has; gives the number of its newest change."""
    for name in ownwords.SERVER:
        monkeypatch.setitem(ownwords.SERVER, name, "(SELECT at FROM started)")
    async with world.database.engine.begin() as connection:
        await connection.run_sync(STARTED.metadata.create_all)
    async with world.database.write() as db:
        await db.exec(insert(STARTED).values(at=1))
        state = col(FeedHead.stream) == Stream.STATE
        return (await db.exec(select(col(FeedHead.seq)).where(state))).one()


async def fail_over(world: World, to: int, *then: str) -> None:
    """Have what came after that number be gone, and changes be made before a worker looks."""
    async with world.database.write() as db:
        await db.exec(update(STARTED).values(at=2))
        await db.exec(delete(SyncObject).where(col(SyncObject.seq) > to))
        state = col(FeedHead.stream) == Stream.STATE
        await db.exec(update(FeedHead).where(state).values(seq=to))
        await db.exec(update(PartnerLane).values(cursors={"money": 0, "state": to}))
        for name in then:
            world.ours.locations[name] = {"version": 1000, "evses": {}}
            change = Change("locations", f"{OWNER}*{name}")
            await store(db, change, world.ours.locations[name])


async def test_changes_whose_numbers_were_given_out_before_the_failover_are_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    standby = await replicate(world, monkeypatch)
    partner = await world.add_partner("msp")
    world.add_worker()
    for number in range(20):
        await world.put_location(f"lost{number}")
    await world.until_told()
    await until_not_behind(world)
    # No connection breaks, and the feed is longer than ever when a worker looks at it again.
    new = [f"new{number}" for number in range(30)]
    await fail_over(world, standby, *new)
    ours = world.ours.locations
    await until(lambda: all(partner.locations.get(name) == ours[name] for name in new))
