"""The disk under the database is full for a while."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path

import asyncpg
import pytest

from tests.chaos.cluster import Cluster
from tests.chaos.partners import Mood
from tests.chaos.server import Restartable, restartable_server
from tests.chaos.settling import forgotten, settle
from tests.chaos.stage import a_stage
from tests.flows.process import until
from tests.postgres import execute

Full = Callable[[Cluster], AbstractAsyncContextManager[None]]


async def go_through(database_url: str, folder: Path, full: Full) -> None:
    """Change things before, while and after the disk is full."""
    async with a_stage(database_url, folder, "disk", [Mood.WELL, Mood.LOSES]) as stage:
        load = stage.load
        stage.partners.misbehave()
        async with load.flowing():
            await until(lambda: len(load.acknowledged) > 30, 60)
            async with full(stage.cluster):
                refused = load.unknown
                await until(lambda: load.unknown > refused + 5, 60)
            began, acknowledged = time.monotonic(), len(load.acknowledged)
            await until(lambda: len(load.acknowledged) > acknowledged, 60)
            print(f"works again after {time.monotonic() - began:.1f} s; {dict(load.excuses)}")
            await until(lambda: len(load.acknowledged) > acknowledged + 20, 60)
        ours = await settle(stage.admins[0], load, stage.partners)
        assert forgotten(ours, load) == []
        assert load.refused == []
        assert set(load.excuses) == {(503, "5")}


@asynccontextmanager
async def no_room(cluster: Cluster) -> AsyncIterator[None]:
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
    await go_through(sqlite_url, tmp_path, no_room)


@pytest.fixture
def disk() -> Iterator[Path]:
    """Give a disk of its own, which is small."""
    with tempfile.TemporaryDirectory(prefix="ocpi-disk-") as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=96m,mode=0777", "tmpfs", folder]
        if subprocess.run(mount, check=False).returncode:
            pytest.skip("only who may mount can have a disk that is full")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


@pytest.fixture
def server(disk: Path) -> Iterator[Restartable]:
    """Give a server that ends before its disk does."""
    del disk
    with restartable_server() as server:
        yield server


def fill(disk: Path) -> None:
    with (disk / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
        while True:
            ballast.write(bytes(4096))


def put_data_on(disk: Path, server: Restartable) -> None:
    """Have the tables of the database to come on that disk, and its WAL elsewhere."""
    space = disk / "space"
    space.mkdir()
    os.chown(space, server.command()[1], -1)
    execute(server.url, f"CREATE TABLESPACE small LOCATION '{space}'")
    execute(server.url, "CREATE DATABASE ocpi TABLESPACE small")


def put_wal_on(disk: Path, server: Restartable) -> None:
    execute(server.url, "CREATE DATABASE ocpi")
    server.stop()
    wal = server.folder / "data/pg_wal"
    subprocess.run(["cp", "-a", wal, disk], check=True)
    wal.rename(wal.with_name("moved"))
    wal.symlink_to(disk / "pg_wal")
    server.start()
    server.revive()


def use_up_wal(server: Restartable) -> None:
    """Have the server need another file of WAL, which it dies of."""
    with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        while True:
            execute(server.url, "SELECT pg_switch_wal()")


@pytest.mark.timeout(300)
async def test_a_full_tablespace_refuses_changes_and_loses_none_that_was_acknowledged(
    server: Restartable, disk: Path, tmp_path: Path
) -> None:
    @asynccontextmanager
    async def full(_cluster: Cluster) -> AsyncIterator[None]:
        await asyncio.to_thread(fill, disk)
        yield
        (disk / "ballast").unlink()

    await asyncio.to_thread(put_data_on, disk, server)
    await go_through(server.service_url, tmp_path, full)


@pytest.mark.timeout(300)
async def test_a_server_without_room_for_wal_loses_nothing_that_was_acknowledged(
    server: Restartable, disk: Path, tmp_path: Path
) -> None:
    @asynccontextmanager
    async def full(_cluster: Cluster) -> AsyncIterator[None]:
        await asyncio.to_thread(fill, disk)
        await asyncio.to_thread(use_up_wal, server)
        yield
        (disk / "ballast").unlink()
        # PostgreSQL does not come back by itself, the service does.
        await asyncio.to_thread(server.revive)

    await asyncio.to_thread(put_wal_on, disk, server)
    await go_through(server.service_url, tmp_path, full)
