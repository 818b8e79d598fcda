"""The hub's list of the Locations of a thousand parties, as one (GET all)."""

import os
from base64 import b64encode
from pathlib import Path
from typing import Any

import httpx

from ocpi.headers import Party
from ocpi.parties import PlatformID
from tests.benchmarks.growth import ROUNDS, date, median_of
from tests.benchmarks.processor import Contender, compare
from tests.benchmarks.stock import many_parties, opened, store_locations, store_partners
from tests.flows.process import Installation
from tests.house import add_partner

PARTIES = int(os.environ.get("BENCH_PARTIES", "1000"))
LOCATIONS = int(os.environ.get("BENCH_LOCATIONS", "20000"))
HUB = {"OCPI_HUB_COUNTRY_CODE": "NL", "OCPI_HUB_PARTY_ID": "HUB", "OCPI_LOG_LEVEL": "WARNING"}
TO_HUB = {"OCPI-to-country-code": "NL", "OCPI-to-party-id": "HUB"}
FEW = 4
"""Connections: a page may take a tenth of a second."""
TOKEN = "token-of-the-emsp-0123456789"


async def measure(folder: Path, database_url: str) -> dict[str, Any]:
    """Milliseconds of a page of 50 at one connection, and such pages per CPU-second."""
    installation = Installation(database_url, folder, settings=HUB)
    await _fill(database_url)
    deep, half = LOCATIONS * 3 // 4, f"&date_from={date(LOCATIONS // 2)}"
    pages = {
        "first page": "",
        "deep page": f"&offset={deep}",
        "deep page, by our link": f"&offset={deep}&after={deep}",
        "newer half": half,
        "newer half, deep page": f"{half}&offset={LOCATIONS // 4}",
        "newest hundred": f"&date_from={date(LOCATIONS - 99)}",
    }
    authorization = f"Token {b64encode(TOKEN.encode()).decode()}"
    options = [word for name, value in TO_HUB.items() for word in ("-H", f"{name}: {value}")]
    found: dict[str, Any] = {}
    headers = {"Authorization": authorization, **TO_HUB}
    async with (
        installation.serving("--no-worker") as served,
        httpx.AsyncClient(headers=headers, timeout=60) as client,
    ):
        for name, query in pages.items():
            url = f"{installation.base_url}/ocpi/hub/2.2.1/sender/locations?limit=50{query}"
            found[f"{name}: ms"] = await median_of(client, *[url] * ROUNDS)
            us = Contender(
                f"{name}:", served.process.pid, url, authorization, options, database_url, FEW
            )
            found |= await compare(us, rounds=3)
    return found


async def _fill(database_url: str) -> None:
    async with opened(database_url, hub_country_code="NL", hub_party_id="HUB") as context:
        hub = PlatformID.HUB
        await add_partner(context.database, "emsp", TOKEN, Party("DE", "MSP"), platform=hub)
        owners = many_parties(PARTIES)
        await store_partners(context.database, owners, role="CPO", platform=hub, first=100)
        await store_locations(context.database, owners, LOCATIONS)
