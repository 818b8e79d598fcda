"""Sends the same Locations in one of three ways, and prints the CPU-seconds that it took."""

import asyncio
import json
import resource
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import httpx
from sqlalchemy import event
from sqlmodel import col, select

from ocpi.catalogue import SOURCES
from ocpi.opening import open_context
from ocpi.push.lanes import PartnerLane
from ocpi.push.worker import Worker
from ocpi.running import settle
from ocpi.terminal import run
from ocpi.testing import samples
from tests.benchmarks.programs import forget_sniffio

IN_FLIGHT = 8
HEADERS = {
    "Authorization": "Token b3Vy", "X-Request-ID": "r-1", "X-Correlation-ID": "c-1",
    "OCPI-from-country-code": "DE", "OCPI-from-party-id": "CPO", "OCPI-to-country-code": "DE",
    "OCPI-to-party-id": "MSP", "Content-Type": "application/json",
}  # fmt: skip

Put = Callable[[str, str], Awaitable[object]]


def cpu_seconds() -> float:
    """What this process has used so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def by_engine() -> dict[str, Any]:
    """Deliver what is due in the database that the settings name, with all bookkeeping."""
    rows = 0

    def count(_connection: Any, cursor: Any, statement: str, *_rest: Any) -> None:
        nonlocal rows
        if statement.startswith(("INSERT", "UPDATE", "DELETE")):
            rows += max(cursor.rowcount, 0)

    async with open_context() as context:
        event.listen(context.database.engine.sync_engine, "after_cursor_execute", count)
        worker = Worker(context, SOURCES)
        settle()
        before = cpu_seconds()
        running = asyncio.create_task(worker.run())
        heads = set[int]()
        while heads != {0}:
            await asyncio.sleep(0.25)
            async with context.database.read() as db:
                lanes = (await db.exec(select(col(PartnerLane.cursors)))).all()
            heads = {int(sys.argv[2]) - cursors.get("state", 0) for cursors in lanes}
        await worker.stop()
        await running
        return {"cpu": cpu_seconds() - before, "rows": rows}


async def by_loop(put: Put, target: str, count: int, partners: int) -> dict[str, Any]:
    """Send as many with a client and nothing else, each partner's by so many tasks."""
    body = json.dumps(samples.location())

    async def send(partner: int, first: int) -> None:
        for number in range(first, count, IN_FLIGHT):
            await put(f"{target}/{partner}/locations/DE/CPO/LOC{number}", body)

    before = cpu_seconds()
    tasks = [send(partner, first) for partner in range(partners) for first in range(IN_FLIGHT)]
    await asyncio.gather(*tasks)
    return {"cpu": cpu_seconds() - before}


async def main() -> None:
    """Send by the way that the first word names: how many, where to, and to how many."""
    way, count, target, partners = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    if way == "engine":
        print(json.dumps(await by_engine()))
    elif way == "httpx":
        forget_sniffio()
        async with httpx.AsyncClient() as client:

            async def put(url: str, body: str) -> None:
                (await client.put(url, content=body, headers=HEADERS)).json()

            print(json.dumps(await by_loop(put, target, count, partners)))
    else:
        async with aiohttp.ClientSession() as session:

            async def put_raw(url: str, body: str) -> None:
                async with session.put(url, data=body, headers=HEADERS) as answer:
                    json.loads(await answer.read())

            print(json.dumps(await by_loop(put_raw, target, count, partners)))


if __name__ == "__main__":
    run(main())
