"""A Session PATCHed through the hub, against a FastAPI route that sends it on with httpx."""

import os
from base64 import b64encode
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from pydantic import SecretStr

from ocpi.headers import Party
from ocpi.opening import open_context
from ocpi.parties import Partner, PartnerEndpoint, PlatformID
from ocpi.settings import Settings
from tests.benchmarks.load import Load, press
from tests.benchmarks.programs import serving
from tests.flows.process import SECRET, Installation
from tests.house import add_partner

ROUNDS = 3
TOKEN = "token-of-the-cpo-0123456789"
HUB = {"OCPI_HUB_COUNTRY_CODE": "NL", "OCPI_HUB_PARTY_ID": "HUB"}
PATH = "receiver/sessions/BE/BEC/S1"
BODY = '{"kwh": 12.5, "status": "ACTIVE", "last_updated": "2026-01-15T10:00:00Z"}'
HEADERS = (
    *("-H", "OCPI-to-country-code: DE", "-H", "OCPI-to-party-id: MSP"),
    *("-H", "OCPI-from-country-code: BE", "-H", "OCPI-from-party-id: BEC"),
    *("-H", "X-Request-ID: r-1", "-H", "X-Correlation-ID: c-1"),
)
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Pressed:
    """What some rounds at one server came to."""

    loads: list[Load]
    cpu_seconds: float

    @property
    def per_cpu_second(self) -> float:
        return sum(load.requests for load in self.loads) / self.cpu_seconds

    @property
    def median_ms(self) -> float:
        return median(load.median_ms for load in self.loads)


async def measure(folder: Path, database_url: str) -> dict[str, Any]:
    """Requests per CPU-second of both servers at 32 connections, and the hub's latency at one."""
    installation = Installation(database_url, folder, settings=HUB)
    script = folder / "patch.lua"
    script.write_text(
        f"wrk.method = 'PATCH'\nwrk.body = '{BODY}'\n"
        "wrk.headers['Content-Type'] = 'application/json'\n"
    )
    async with serving("target", {}) as (target, _):
        await _join(installation, target)
        async with serving("proxy", {"BENCH_TARGET": target}) as (proxy, process):
            theirs = (f"{proxy}/{PATH}", "Token bench", "-s", str(script))
            direct = (f"{target}/{PATH}", "Token other", "-s", str(script))
            them = await _press(process.pid, *theirs)
            without = await _press(process.pid, *direct, connections=1)
            found: dict[str, Any] = {"plain per CPU-second": round(them.per_cpu_second)}
            for client in ("httpx", "aiohttp"):
                us, alone = await _press_hub(installation, client, "-s", str(script))
                found |= {
                    f"{client} per CPU-second": round(us.per_cpu_second),
                    f"{client} ratio": round(us.per_cpu_second / them.per_cpu_second, 1),
                    f"{client} added ms": round(alone.median_ms - without.median_ms, 2),
                }
    return found


async def _press_hub(
    installation: Installation, client: str, *options: str
) -> tuple[Pressed, Pressed]:
    """What came of 32 connections at the hub, and of one."""
    hub = replace(installation, settings={**HUB, "OCPI_CLIENT": client})
    url = f"{hub.base_url}/ocpi/hub/2.2.1/{PATH}"
    authorization = f"Token {b64encode(TOKEN.encode()).decode()}"
    ours = (url, authorization, *options, *HEADERS)
    async with hub.serving("--no-worker") as served:
        us = await _press(served.process.pid, *ours)
        return us, await _press(served.process.pid, *ours, connections=1)


async def _press(pid: int, url: str, *options: str, connections: int = 32) -> Pressed:
    before = _cpu_seconds(pid)
    loads = [await press(url, *options, connections=connections) for _ in range(ROUNDS)]
    return Pressed(loads, _cpu_seconds(pid) - before)


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


async def _join(installation: Installation, target: str) -> None:
    """A CPO that sends, and an eMSP at the target, as the handshake would leave them."""
    settings = Settings(
        database_url=installation.database_url,
        secret_key=SecretStr(SECRET),
        hub_country_code="NL",
        hub_party_id="HUB",
    )
    async with open_context(settings) as context:
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
            url = f"{target}/receiver/sessions"
            db.add(
                PartnerEndpoint(partner_id=emsp, identifier="sessions", role="RECEIVER", url=url)
            )
