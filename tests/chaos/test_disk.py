"""The disk under SQLite is full for a while."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import pytest

from tests.chaos.cluster import Cluster, running_cluster
from tests.chaos.load import Load, an_admin
from tests.chaos.partners import Mood, partners_of
from tests.chaos.scale import seeded
from tests.chaos.settling import forgotten, party_of, register, settle
from tests.flows.process import until


@contextmanager
def no_room(cluster: Cluster) -> Iterator[None]:
    """Let the one process write to no file beyond its first bytes, as on a disk that is full."""
    life = cluster.members[0].life
    assert life is not None
    soft, hard = resource.prlimit(life.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(life.process.pid, resource.RLIMIT_FSIZE, (512, hard))
    try:
        yield
    finally:
        resource.prlimit(life.process.pid, resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.timeout(300)
async def test_a_full_disk_refuses_changes_and_loses_none_that_was_acknowledged(
    sqlite_url: str, tmp_path: Path
) -> None:
    chance = seeded("disk")
    async with AsyncExitStack() as stack:
        moods = [Mood.WELL, Mood.LOSES]
        partners = await stack.enter_async_context(partners_of(chance, moods))
        cluster = await stack.enter_async_context(running_cluster(sqlite_url, tmp_path))
        admin = await stack.enter_async_context(an_admin(cluster.members[0].url))
        parties = [party_of(each) for each in partners.mocks]
        load = Load([admin], parties, seeded("load"))
        await load.put_locations()
        await register(admin, partners)
        partners.misbehave()
        async with load.flowing():
            await until(lambda: len(load.acknowledged) > 30, 60)
            with no_room(cluster):
                refused = load.unknown
                await until(lambda: load.unknown > refused + 5, 60)
            full = len(load.acknowledged)
            await until(lambda: len(load.acknowledged) > full + 20, 60)
        ours = await settle(admin, load, partners)
        assert forgotten(ours, load) == []
        assert load.refused == []
