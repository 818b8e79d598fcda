"""How long a status change takes to reach a partner, with 20 partners registered."""

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from ocpi.testing import samples
from ocpi.testing.emsp import MockEMSP, Party, running
from tests.flows.process import Installation, offer, until

PARTNERS = 20
CHANGES = 100
STATUSES = ("CHARGING", "AVAILABLE")


async def measure(folder: Path, database_url: str) -> dict[str, Any]:
    """Milliseconds from before the admin request until each partner's view shows the change."""
    installation = Installation(database_url, folder)
    delays: list[float] = []
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(installation.serving())
        admin = await stack.enter_async_context(installation.admin())
        location = samples.location(id="LOC1")
        await admin.put("/locations/DE/CPO/LOC1", json=location)
        partners = [MockEMSP((Party("DE", f"P{number:02}"),)) for number in range(PARTNERS)]
        for partner in partners:
            await stack.enter_async_context(running(partner))
            party = partner.parties[0].party_id
            offered = await offer(admin, party, party)
            await partner.register(offered["versions_url"], offered["token"])
        await until(lambda: all(partner.objects["locations"] for partner in partners), 60)
        path = f"/locations/DE/CPO/LOC1/{location['evses'][0]['uid']}"
        for number in range(CHANGES):
            status = STATUSES[number % 2]
            started = time.monotonic()
            await admin.patch(path, json={"status": status})
            waits = [_seen(partner, status, started) for partner in partners]
            delays += await asyncio.gather(*waits)
    return {
        "partners": PARTNERS,
        "changes": CHANGES,
        "median ms": round(median(delays) * 1000),
        "p99 ms": round(quantiles(delays, n=100)[98] * 1000),
    }


async def _seen(partner: MockEMSP, status: str, started: float) -> float:
    (location,) = partner.objects["locations"].values()
    async with asyncio.timeout(30):
        while location["evses"][0]["status"] != status:  # noqa: ASYNC110 - it changes by a request
            await asyncio.sleep(0.002)
    return time.monotonic() - started
