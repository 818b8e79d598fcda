"""A page of 50 real Locations, against a FastAPI route that gives the same bytes from memory."""

import os
import sys
from asyncio.subprocess import Process, create_subprocess_exec
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from ocpi.testing.emsp import MockEMSP, running
from tests.benchmarks.load import middle, press
from tests.flows.process import Installation, free_port, offer

DATA = Path(__file__).parents[2] / "ocpi" / "testing" / "data"
ROUNDS = 5


async def measure(folder: Path, database_url: str) -> dict[str, Any]:
    """Requests a second and p99 of both servers, which take turns."""
    installation = Installation(database_url, folder)
    await installation.run("station", "import", str(DATA / "locations-tesla-fr.json.gz"))
    async with installation.serving("--no-worker") as served, running(emsp := MockEMSP()):
        async with installation.admin() as admin:
            offered = await offer(admin)
        peer = await emsp.register(offered["versions_url"], offered["token"])
        authorization = f"Token {b64encode(peer.token_out.encode()).decode()}"
        url = f"{installation.base_url}/ocpi/cpo/2.2.1/sender/locations?limit=50"
        async with httpx.AsyncClient() as client:
            page = await client.get(url, headers={"Authorization": authorization})
        assert page.json()["status_code"] == 1000
        assert served.process.returncode is None
        async with _limit(folder, page.content) as limit_url:
            ours, limit = [], []
            for _ in range(ROUNDS):
                ours.append(await press(url, authorization))
                limit.append(await press(limit_url, "Token bench"))
    us, them = middle(ours), middle(limit)
    return {
        "bytes": len(page.content),
        "per second": round(us.per_second),
        "p99 ms": round(us.p99_ms, 1),
        "FastAPI route per second": round(them.per_second),
        "FastAPI route p99 ms": round(them.p99_ms, 1),
        "ratio": round(us.per_second / them.per_second, 2),
    }


@asynccontextmanager
async def _limit(folder: Path, body: bytes) -> AsyncIterator[str]:
    path, port = folder / "body.json", free_port()
    path.write_bytes(body)
    process = await create_subprocess_exec(
        sys.executable, "-m", "uvicorn", "tests.benchmarks.limit:app",
        "--port", str(port), "--no-access-log", "--log-level", "warning",
        env={**os.environ, "BENCH_BODY": str(path), "BENCH_TOKEN": "bench"},
    )  # fmt: skip
    try:
        yield await answering(process, f"http://127.0.0.1:{port}/page")
    finally:
        process.terminate()
        await process.wait()


async def answering(process: Process, url: str) -> str:
    """Wait until a server answers; gives the URL."""
    answered: list[int] = []

    async with httpx.AsyncClient(headers={"Authorization": "Token bench"}) as client:

        async def ask() -> None:
            try:
                answered.append((await client.get(url)).status_code)
            except httpx.TransportError:
                assert process.returncode is None

        while 200 not in answered:
            await ask()
    return url
