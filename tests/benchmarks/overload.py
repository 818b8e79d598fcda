"""What is still answered well when far more is asked than the service can answer."""

import asyncio
from base64 import b64encode
from pathlib import Path
from typing import Any

from ocpi.testing.emsp import MockEMSP, running
from tests.benchmarks.load import press
from tests.flows.process import Installation, offer

DATA = Path(__file__).parents[2] / "ocpi" / "testing" / "data"
ROUNDS = 3
# Enough callers at once to keep the service busy, and the same ones thirty times over: whatever
# they are told, they ask again at once.
BUSY, TOO_MANY = 32, 960
REST = 3
"""Seconds after which nobody waits any more of those that a flood has left behind."""

TOKEN = """
wrk.method = "PUT"
wrk.headers["Content-Type"] = "application/json"
local number = 0
request = function()
  number = number + 1
  local uid = "T" .. (number % 1000)
  local path = "/ocpi/cpo/2.2.1/receiver/tokens/DE/MSP/" .. uid
  return wrk.format(nil, path, nil, '{"country_code":"DE","party_id":"MSP","uid":"'
    .. uid .. '","type":"RFID","contract_id":"C' .. uid .. '","issuer":"MSP","valid":true,'
    .. '"whitelist":"ALWAYS","last_updated":"2026-01-01T00:00:00Z"}')
end
"""


async def measure(folder: Path, database_url: str) -> dict[str, Any]:
    """Good answers a second, by callers in numbers that suit the service and that do not."""
    installation = Installation(database_url, folder)
    await installation.run("station", "import", str(DATA / "locations-tesla-fr.json.gz"))
    async with installation.serving("--no-worker"), running(emsp := MockEMSP()):
        async with installation.admin() as admin:
            offered = await offer(admin)
        peer = await emsp.register(offered["versions_url"], offered["token"])
        authorization = f"Token {b64encode(peer.token_out.encode()).decode()}"
        root = f"{installation.base_url}/ocpi/cpo/2.2.1"
        script = folder / "token.lua"
        script.write_text(TOKEN)
        return {
            **await _compare("pages", f"{root}/sender/locations?limit=50", authorization),
            **await _compare("writes", f"{root}/", authorization, "-s", str(script)),
        }


async def _compare(name: str, url: str, authorization: str, *options: str) -> dict[str, Any]:
    busy, flooded = [], []
    for _ in range(ROUNDS):
        busy.append(await press(url, authorization, *options, connections=BUSY))
        flooded.append(
            await press(
                url, authorization, *options, connections=TOO_MANY, refusals=True, seconds=10
            )
        )
        await asyncio.sleep(REST)
    usual = max(load.per_second for load in busy)
    left = sorted(load.per_second for load in flooded)[ROUNDS // 2]
    return {
        f"{name} per second": round(usual),
        f"{name} flooded": round(left),
        f"{name} kept": round(left / usual, 2),
        f"{name} flooded p99 ms": round(max(load.p99_ms for load in flooded)),
        f"{name} refused": sum(load.refused for load in flooded),
        f"{name} broken": sum(load.broken for load in flooded),
    }
