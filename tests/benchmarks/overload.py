"""What is still answered well when far more is asked than the service can answer."""

import asyncio
from base64 import b64encode
from pathlib import Path
from typing import Any

from ocpi.admission import PLACES
from ocpi.testing.emsp import MockEMSP, running
from tests.benchmarks.load import Load, middle, press
from tests.flows.process import Installation, offer

DATA = Path(__file__).parents[2] / "ocpi" / "testing" / "data"
ROUNDS = 3
# Enough callers at once to keep the service busy; and three times as many as it works on at once,
# and fifteen times: whatever they are told, they ask again at once.
BUSY, FLOODS = 32, {"3 times": 3 * PLACES, "15 times": 15 * PLACES}
SECONDS = 10
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
    busy: list[Load] = []
    flooded: dict[str, list[Load]] = {times: [] for times in FLOODS}
    for _ in range(ROUNDS):
        # For as long as the floods: what is written slows down as the message log grows.
        busy.append(await press(url, authorization, *options, connections=BUSY, seconds=SECONDS))
        for times, connections in FLOODS.items():
            load = await press(
                url,
                authorization,
                *options,
                connections=connections,
                refusals=True,
                seconds=SECONDS,
            )
            flooded[times].append(load)
            await asyncio.sleep(REST)
    peak = middle(busy).per_second
    found: dict[str, Any] = {f"{name} per second": round(peak)}
    for times, loads in flooded.items():
        left = middle(loads)
        found |= {
            f"{name}, {times}: per second": round(left.per_second),
            f"{name}, {times}: kept": round(left.per_second / peak, 2),
            f"{name}, {times}: p99 ms": round(left.p99_ms),
            f"{name}, {times}: refused": sum(load.refused for load in loads),
            f"{name}, {times}: unanswered within 2 s": sum(load.broken for load in loads),
        }
    return found
