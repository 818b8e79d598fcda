"""Processes that share the lanes and end, as told or by kill -9: others have their lanes then."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from sqlmodel import col, select

from ocpi.database import Database
from ocpi.push.lanes import PartnerLane, WorkerBeat
from ocpi.testing import samples
from ocpi.testing.emsp import MockEMSP, Party, running
from tests.flows.process import Installation, offer, until

PARTNERS = ("AAA", "BBB", "CCC")


async def lanes_of(database: Database) -> dict[int, int]:
    """How many lanes each process has, by its process id; those of nobody are 0's."""
    async with database.read() as db:
        beats = (await db.exec(select(WorkerBeat))).all()
        owners = (await db.exec(select(col(PartnerLane.owner)))).all()
    ids = {beat.id: int((beat.process or "").split()[-2]) for beat in beats}
    found = [ids.get(owner or "", 0) for owner in owners]
    return {process: found.count(process) for process in {*found}}


async def until_shared_by(database: Database, *processes: int) -> None:
    async with asyncio.timeout(60):
        while set(await lanes_of(database)) != set(processes):  # noqa: ASYNC110 - others change it
            await asyncio.sleep(0.05)


@asynccontextmanager
async def a_worker(installation: Installation) -> AsyncIterator[asyncio.subprocess.Process]:
    """Give a running `ocpi worker`."""
    process = await installation.start("worker")
    log = asyncio.create_task(process.communicate())
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await log


async def test_lanes_are_taken_over_from_processes_that_stop_and_that_are_killed(
    postgres_url: str, tmp_path: Path
) -> None:
    installation = Installation(postgres_url, tmp_path)
    async with AsyncExitStack() as stack:
        database = Database(postgres_url)
        stack.push_async_callback(database.close)
        served = await stack.enter_async_context(installation.serving())
        admin = await stack.enter_async_context(installation.admin())
        partners = [MockEMSP((Party("DE", name),)) for name in PARTNERS]
        for name, partner in zip(PARTNERS, partners, strict=True):
            await stack.enter_async_context(running(partner))
            offered = await offer(admin, name, name)
            await partner.register(offered["versions_url"], offered["token"])
        first = await stack.enter_async_context(a_worker(installation))
        second = await stack.enter_async_context(a_worker(installation))
        await until_shared_by(database, served.process.pid, first.pid, second.pid)
        first.send_signal(signal.SIGTERM)
        await until_shared_by(database, served.process.pid, second.pid)
        second.kill()
        await until_shared_by(database, served.process.pid)
        await admin.put("/locations/DE/CPO/LOC1", json=samples.location(id="LOC1"))
        await until(lambda: all(partner.objects["locations"] for partner in partners))
        # Who is told to stop hands over; only who is killed has to be found dead.
        assert (await served.stop()).count("a worker is dead") == 1


async def test_a_connection_may_rest_for_longer_than_uvicorn_keeps_one_by_itself(
    sqlite_url: str, tmp_path: Path
) -> None:
    installation = Installation(sqlite_url, tmp_path)
    async with installation.serving():
        host, port = installation.base_url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        for rest in (6, 0):
            writer.write(b"GET /health/live HTTP/1.1\r\nHost: ocpi\r\n\r\n")
            await writer.drain()
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            await reader.readuntil(b"}")
            await asyncio.sleep(rest)
        writer.close()
