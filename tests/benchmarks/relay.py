"""A Session PATCHed through the hub, against a FastAPI route that sends it on with httpx.

And against the least that can be done with the fastest client: what no hub can be faster than.
"""

from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any

from ocpi.headers import Party
from ocpi.parties import Partner, PartnerEndpoint, PlatformID
from tests.benchmarks.load import press
from tests.benchmarks.processor import Contender, compare
from tests.benchmarks.programs import serving
from tests.benchmarks.stock import opened
from tests.flows.process import Installation
from tests.house import add_partner

TOKEN = "token-of-the-cpo-0123456789"
# The plain proxy writes no line for each request, so the hub writes none either: what it has
# carried is in its message log, which stays on.
HUB = {
    "OCPI_HUB_COUNTRY_CODE": "NL",
    "OCPI_HUB_PARTY_ID": "HUB",
    "OCPI_LOG_LEVEL": "WARNING",
}
PATH = "receiver/sessions/BE/BEC/S1"
BODY = '{"kwh": 12.5, "status": "ACTIVE", "last_updated": "2026-01-15T10:00:00Z"}'
HEADERS = (
    *("-H", "OCPI-to-country-code: DE", "-H", "OCPI-to-party-id: MSP"),
    *("-H", "OCPI-from-country-code: BE", "-H", "OCPI-from-party-id: BEC"),
    *("-H", "X-Request-ID: r-1", "-H", "X-Correlation-ID: c-1"),
)


async def measure(folder: Path, database_url: str) -> dict[str, Any]:
    """Requests per CPU-second at 32 connections, the database's included, and added latency."""
    installation = Installation(database_url, folder, settings=HUB)
    script = folder / "patch.lua"
    script.write_text(
        f"wrk.method = 'PATCH'\nwrk.body = '{BODY}'\n"
        "wrk.headers['Content-Type'] = 'application/json'\n"
    )
    options = ("-s", str(script))
    authorization = f"Token {b64encode(TOKEN.encode()).decode()}"
    found: dict[str, Any] = {}
    async with serving("target", {}) as (target, _):
        await _join(installation, target)
        without = await press(f"{target}/{PATH}", "Token other", *options, connections=1)
        async with (
            serving("proxy", {"BENCH_TARGET": target}) as (proxy, process),
            serving("carrier", {"BENCH_TARGET": target}) as (carrier, least),
        ):
            for client in ("aiohttp", "httpx"):
                hub = replace(installation, settings={**HUB, "OCPI_CLIENT": client})
                url = f"{hub.base_url}/ocpi/hub/2.2.1/{PATH}"
                ours = (*options, *HEADERS)
                async with hub.serving("--no-worker") as served:
                    pid = served.process.pid
                    us = Contender("ours", pid, url, authorization, ours, database_url)
                    them = [
                        Contender("plain", process.pid, f"{proxy}/{PATH}", "Token bench", options),
                        Contender("least", least.pid, f"{carrier}/{PATH}", "Token x", options),
                    ]
                    rates = await compare(us, *them)
                    alone = await press(url, authorization, *ours, connections=1)
                found |= {f"{client}: {name}": rate for name, rate in rates.items()}
                found[f"{client}: added ms"] = round(alone.median_ms - without.median_ms, 2)
    return found


async def _join(installation: Installation, target: str) -> None:
    """A CPO that sends, and an eMSP at the target, as the handshake would leave them."""
    async with opened(
        installation.database_url, hub_country_code="NL", hub_party_id="HUB"
    ) as context:
        hub = PlatformID.HUB
        await add_partner(
            context.database, "cpo", TOKEN, Party("BE", "BEC"), role="CPO", platform=hub
        )
        emsp = await add_partner(
            context.database, "emsp", "token-of-the-emsp", Party("DE", "MSP"), platform=hub
        )
        async with context.database.write() as db:
            partner = await db.get_one(Partner, emsp)
            partner.token_out = context.seal.close("hub-token")
            place = f"{target}/receiver/sessions"
            db.add(
                PartnerEndpoint(partner_id=emsp, identifier="sessions", role="RECEIVER", url=place)
            )
