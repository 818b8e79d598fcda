"""Two services of ours: home, whose Sessions and CDRs these are, and away, which is told them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from ocpi.headers import Party, routing_headers
from ocpi.parties import PlatformID
from tests.house import (
    OURS,
    RECEIVER,
    RECEIVING,
    Service,
    add_partner,
    add_party,
    calling,
    open_service,
    present,
)
from tests.modules.cdrs.receiving import MODULES, register, telling

EMSP = Party("DE", "ONE")
AWAY = "https://away.example"
TOKEN = "token-for-away"
# Away speaks for a hub, too, so the one who is meant must be named.
HEADERS = present(TOKEN) | routing_headers(EMSP, OURS)
URLS = {module: f"{AWAY}{RECEIVER}/{module}" for module in MODULES}


@asynccontextmanager
async def open_away(url: str) -> AsyncIterator[Service]:
    """Give what takes what home pushes, as a platform whose party is the eMSP."""
    async with open_service(url, offers=RECEIVING, base_url=AWAY) as opened:
        await add_party(opened.database, EMSP, PlatformID.HUB)
        await add_partner(opened.database, "Home", TOKEN, OURS, role="CPO", platform=PlatformID.HUB)
        yield opened


@asynccontextmanager
async def told(
    home: Service, away: Service, transport: httpx.AsyncBaseTransport
) -> AsyncIterator[httpx.AsyncClient]:
    """Have home told away; give a client of away that presents what home presents."""
    await register(home, "away", EMSP, URLS)
    async with telling(home, transport), calling(away.app, HEADERS) as client:
        yield client
