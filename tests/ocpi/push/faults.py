"""How simulated partners fail, and waiting for what a lane makes of it."""

from __future__ import annotations

import httpx
from sqlalchemy import delete
from sqlmodel import select

from ocpi.push.lanes import ParkedObject, WorkerBeat
from ocpi.push.status import LaneStatus, lane_status, parked_objects
from ocpi.push.worker import Worker
from tests.ocpi.push.simulated import envelope
from tests.ocpi.push.world import Found, World, until_found


def always(response: httpx.Response) -> object:
    async def answer(_request: httpx.Request) -> httpx.Response:
        return response

    return answer


def failing(code: int, http: int, *, only: str = "", probes: bool = False) -> object:
    """Fail on paths that hold a text, and on probes if they are to fail as well."""

    async def answer(request: httpx.Request) -> httpx.Response | None:
        if request.method == "GET":
            return envelope(code, http) if probes else None
        return envelope(code, http) if only in request.url.path else None

    return answer


async def status_of(world: World, name: str = "msp") -> LaneStatus:
    async with world.database.read() as db:
        return next(
            lane for lane in await lane_status(db, require_check=False) if lane.partner == name
        )


async def parked(world: World, name: str = "msp") -> dict[str, ParkedObject]:
    async with world.database.read() as db:
        return {row.object_key: row for row in await parked_objects(db, world.ids[name])}


async def until_state(
    world: World, state: str, name: str = "msp", *, seconds: float = 15
) -> LaneStatus:
    async def look() -> LaneStatus | None:
        status = await status_of(world, name)
        return status if status.state == state else None

    return present(await until_found(look, seconds=seconds))


async def until_parked(world: World, key: str, kind: str) -> ParkedObject:
    async def look() -> ParkedObject | None:
        row = (await parked(world)).get(key)
        return row if row is not None and row.kind == kind else None

    return present(await until_found(look))


async def until_nothing_is_parked(world: World) -> None:
    async def look() -> bool:
        return not await parked(world)

    await until_found(look)


async def until_not_behind(world: World) -> None:
    async def look() -> bool:
        return (await status_of(world)).behind == 0

    await until_found(look)


def present(found: Found | None) -> Found:
    assert found is not None
    return found


async def until_looked(world: World) -> None:
    """Wait until the one worker has begun to look at the feed's heads after this moment."""

    async def beat() -> int:
        async with world.database.read() as db:
            return (await db.exec(select(WorkerBeat.beat_at))).one()

    for _ in range(2):
        # A worker reads the heads, then beats: only before its second beat has it read them anew.
        before = await beat()

        async def look(before: int = before) -> bool:
            return await beat() != before

        await until_found(look)


async def end_process(world: World, worker: Worker) -> None:
    """Kill a worker, and have everybody see at once that it is dead."""
    await world.kill(worker)
    async with world.database.write() as db:
        await db.exec(delete(WorkerBeat))
