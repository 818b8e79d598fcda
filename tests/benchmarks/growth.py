"""Lists of a million Locations: what a page costs, wherever it lies and however it is asked for."""

import asyncio
import json
import os
import time
from base64 import b64encode
from pathlib import Path
from statistics import median
from typing import Any

import httpx

from ocpi.headers import Party
from ocpi.testing import samples
from tests.benchmarks.processor import megabytes
from tests.benchmarks.stock import FIRST, fill_locations, opened
from tests.flows.process import Installation
from tests.house import add_partner

ROWS = int(os.environ.get("BENCH_ROWS", "1000000"))
TOKEN = "token-of-the-emsp-0123456789"
LIST = "/ocpi/cpo/2.2.1/sender/locations"
ROUNDS = 15


async def measure(folder: Path, database_url: str) -> dict[str, Any]:
    """Milliseconds of a page of 50, at one connection, and how they compare to the first one."""
    installation = Installation(database_url, folder)
    seconds = await _fill(database_url)
    print(f"{ROWS} Locations stored in {seconds:.0f} s", flush=True)
    moment = f"2020-01-01T00:00:00Z&date_to={date(20)}"
    tenth = ROWS // 10
    pages: dict[str, str | list[str]] = {
        "first page": "",
        "crawling by offsets, from a tenth": [f"&offset={tenth + 50 * n}" for n in range(ROUNDS)],
        # Nobody was just given the page before.
        "at an offset of a tenth": [f"&offset={tenth - 50 * n}" for n in range(1, ROUNDS + 1)],
        "behind a tenth, by our link": f"&offset={tenth}&after={tenth}",
        "last but one, by our link": f"&offset={ROWS - 100}&after={ROWS - 100}",
        "the newest hundred": f"&date_from={date(ROWS - 99)}",
        "the oldest twenty": f"&date_from={moment}",
        "all since the first": f"&date_from={date(2)}",
    }
    authorization = f"Token {b64encode(TOKEN.encode()).decode()}"
    found: dict[str, Any] = {}
    async with (
        installation.serving("--no-worker") as served,
        httpx.AsyncClient(headers={"Authorization": authorization}, timeout=60) as client,
    ):
        for name, query in pages.items():
            url = f"{installation.base_url}{LIST}?limit=50"
            queries = [query] * ROUNDS if isinstance(query, str) else query
            found[f"{name}: ms"] = await median_of(client, *(url + each for each in queries))
        for name in list(pages)[1:]:
            ratio = found["first page: ms"] / found[f"{name}: ms"]
            found[f"{name}: first page's share"] = round(ratio, 2)
        found["memory: MB"] = round(megabytes(served.process.pid))
    return found


def date(number: int) -> str:
    """The moment of a change, as a date filter names it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(FIRST / 1_000_000 + number))


async def median_of(client: httpx.AsyncClient, *urls: str) -> float:
    """Milliseconds that an answer takes."""
    taken = []
    for url in urls:
        started = time.perf_counter()
        answer = await client.get(url)
        taken.append((time.perf_counter() - started) * 1000)
        assert answer.json()["status_code"] == 1000, answer.text
        await asyncio.sleep(0.01)
    return round(median(taken), 2)


async def _fill(database_url: str) -> float:
    started = time.perf_counter()
    async with opened(database_url, country_code="DE", party_id="CPO") as context:
        await add_partner(context.database, "emsp", TOKEN, Party("DE", "MSP"))
        location = samples.location(id="L@N", country_code="DE", party_id="CPO")
        await fill_locations(context.database, json.dumps(location, separators=(",", ":")), ROWS)
    return time.perf_counter() - started
