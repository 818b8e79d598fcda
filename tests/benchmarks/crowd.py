"""A CPO of a million EVSEs with 10,000 partners: what it costs to have them, and to tell them.

Each partner has a lane that is up to date. First a few have a receiver of Locations, and the others
only ever GET; then all have one, at the same counting mock.
"""

import asyncio
import json
import os
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

import httpx
from sqlalchemy import Connection, func, text
from sqlmodel import col, select

from ocpi.context import Context
from ocpi.database import Database
from ocpi.headers import Party
from ocpi.parties import PartnerEndpoint, PlatformID
from ocpi.push.lanes import PartnerLane
from ocpi.testing import samples
from tests.benchmarks.growth import ROUNDS, median_of
from tests.benchmarks.processor import cpu_seconds, database_seconds, megabytes
from tests.benchmarks.programs import serving
from tests.benchmarks.stock import (
    analyze,
    fill_locations,
    insert_rows,
    many_parties,
    opened,
    store_partners,
)
from tests.flows.process import Installation, Serving
from tests.house import add_partner

PARTNERS = int(os.environ.get("BENCH_PARTNERS", "10000"))
LOCATIONS = int(os.environ.get("BENCH_LOCATIONS", "100000"))
EVSES = 10
"""At each Location."""
FEW = 10
CHANGES = 4
IDLE_S = float(os.environ.get("BENCH_IDLE", "30"))
FIRST_ID = 100
TOKEN = "token-of-the-emsp-0123456789"
QUIET = {"OCPI_LOG_LEVEL": "WARNING", "OCPI_CLIENT": "aiohttp"}
_FEED = """
    INSERT INTO sync_object (key, module, owner, stream, seq, prev_seq, order_key, deleted)
    SELECT 'locations/' || key, 'locations', owner, 'state', position, 0, 'locations/' || key, false
    FROM location
"""
_HEADS = "UPDATE feed_head SET seq = :seq WHERE stream IN ('state', 'created')"
_TAKEN = select(func.count()).where(col(PartnerLane.owner).is_not(None))


async def measure(folder: Path, database_url: str) -> dict[str, Any]:
    """Seconds and megabytes of `ocpi serve` with all of them, at rest and when one EVSE changes."""
    installation = Installation(database_url, folder, settings=QUIET)
    began = time.perf_counter()
    async with (
        opened(database_url, country_code="DE", party_id="CPO") as context,
        serving("counter", {}) as (mock, _),
    ):
        ids = await _fill(context)
        await _give_receivers(context.database, ids[:FEW], mock)
        seconds = time.perf_counter() - began
        print(
            f"{PARTNERS} partners, {LOCATIONS * EVSES} EVSEs stored in {seconds:.0f} s", flush=True
        )
        found: dict[str, Any] = {}
        async with _started(installation, context.database, found) as served:
            found |= await _rest(served, database_url)
            found |= await _latencies(installation)
            found |= await _tell(served, database_url, mock, FEW)
        await _give_receivers(context.database, ids[FEW:], mock)
        async with _started(installation, context.database, found) as served:
            found |= await _tell(served, database_url, mock, PARTNERS)
            found["at the end: MB"] = round(megabytes(served.process.pid))
    return found


@asynccontextmanager
async def _started(
    installation: Installation, database: Database, found: dict[str, Any]
) -> AsyncIterator[Serving]:
    """Serve once all lanes are taken, and note how long that and the end take."""

    async def taken() -> int:
        return int((await database.fetch("taken", _TAKEN, {}))[0][0])

    began = time.perf_counter()
    async with installation.serving() as served:
        found["ready: s"] = round(time.perf_counter() - began, 1)
        while await taken() < PARTNERS:  # noqa: ASYNC110 - Another process takes them.
            await asyncio.sleep(0.1)
        found["all lanes taken: s"] = round(time.perf_counter() - began, 1)
        yield served
        print(found, flush=True)
        began = time.perf_counter()
    found["ended: s"] = round(time.perf_counter() - began, 1)


async def _fill(context: Context) -> Sequence[int]:
    database = context.database
    await add_partner(database, "reader", TOKEN, Party("DE", "MSP"))
    ids = await store_partners(
        database,
        many_parties(PARTNERS),
        role="EMSP",
        platform=PlatformID.CPO,
        first=FIRST_ID,
        token_out=context.seal.close("our-token"),
    )
    told = {"money": 0, "state": LOCATIONS}
    lanes = [{"partner_id": each, "epoch": 1, "cursors": told} for each in ids]
    await insert_rows(database, PartnerLane, lanes)
    await fill_locations(database, _location(), LOCATIONS)
    engine = database.engine.execution_options(write=True)
    async with engine.begin() as connection:
        await connection.run_sync(Connection.execute, text(_FEED))
        await connection.run_sync(Connection.execute, text(_HEADS), {"seq": LOCATIONS})
    await analyze(database, "sync_object")
    return ids


def _location() -> str:
    """The text of one, with `@N` for its number, as `fill_locations` has it."""
    location = samples.location(id="L@N", country_code="DE", party_id="CPO")
    (evse, *_) = location["evses"]
    location["evses"] = [
        {**evse, "uid": f"E{each}", "evse_id": f"DE*CPO*E@N*{each}"} for each in range(EVSES)
    ]
    return json.dumps(location, separators=(",", ":"))


async def _give_receivers(database: Database, ids: Sequence[int], mock: str) -> None:
    what = {"identifier": "locations", "role": "RECEIVER"}
    rows = [{"partner_id": each, "url": f"{mock}/{each}/locations", **what} for each in ids]
    await insert_rows(database, PartnerEndpoint, rows)


async def _rest(served: Serving, database_url: str) -> dict[str, Any]:
    """What it costs when nothing happens, once what it reads at its start is read."""
    pid = served.process.pid
    await asyncio.sleep(IDLE_S)
    before = cpu_seconds(pid), database_seconds(database_url)
    await asyncio.sleep(IDLE_S)
    after = cpu_seconds(pid), database_seconds(database_url)
    return {
        "idle: MB": round(megabytes(pid)),
        "idle: % of a core": round(100 * (after[0] - before[0]) / IDLE_S, 1),
        "idle: % of a core, the database": round(100 * (after[1] - before[1]) / IDLE_S, 1),
    }


async def _latencies(installation: Installation) -> dict[str, Any]:
    authorization = f"Token {b64encode(TOKEN.encode()).decode()}"
    url = f"{installation.base_url}/ocpi/cpo/2.2.1/sender/locations?limit=50"
    async with httpx.AsyncClient(headers={"Authorization": authorization}, timeout=60) as client:
        page = await median_of(client, *[url] * ROUNDS)
    return {"page of 50: ms": page}


async def _tell(served: Serving, database_url: str, mock: str, partners: int) -> dict[str, Any]:
    """Change one EVSE, again and again, each time until all who have a receiver have heard it."""
    pid = served.process.pid
    patches, first, last = list[float](), list[float](), list[float]()
    before = cpu_seconds(pid) + database_seconds(database_url)
    async with served.installation.admin() as admin, httpx.AsyncClient(timeout=60) as client:
        for number in range(CHANGES):
            count = await _count(client, mock)
            status = ("CHARGING", "AVAILABLE")[number % 2]
            began = time.perf_counter()
            answer = await admin.patch("/locations/DE/CPO/L1/E1", json={"status": status})
            assert answer.is_success, answer.text
            patches.append(time.perf_counter() - began)
            for more, delays in ((1, first), (partners, last)):
                while await _count(client, mock) < count + more:  # noqa: ASYNC110 - As above.
                    await asyncio.sleep(0.01)
                delays.append(time.perf_counter() - began)
    spent = cpu_seconds(pid) + database_seconds(database_url) - before
    name = f"change to {partners}"
    return {
        f"{name}, PATCH: ms": _middle(patches),
        f"{name}, first one heard: ms": _middle(first),
        f"{name}, all heard: ms": _middle(last),
        f"{name}: CPU-ms": round(spent / CHANGES * 1000),
        f"{name}: per CPU-second": round(partners * CHANGES / spent),
    }


def _middle(seconds: Sequence[float]) -> float:
    return round(median(seconds) * 1000, 1)


async def _count(client: httpx.AsyncClient, mock: str) -> int:
    return int((await client.get(f"{mock}/count")).content)
