"""A catalogue told to partners by the engine, against loops of httpx and aiohttp alone."""

import os
import sys
from asyncio.subprocess import PIPE, create_subprocess_exec
from pathlib import Path
from typing import Any

import msgspec
from pydantic import SecretStr

from modules.locations.own import create_own
from ocpi.context import Context
from ocpi.headers import Party
from ocpi.opening import open_context
from ocpi.parties import Partner, PartnerEndpoint
from ocpi.push.lanes import open_lane, rewind_lane
from ocpi.settings import Settings
from ocpi.testing import samples
from tests.benchmarks.programs import serving
from tests.flows.process import SECRET, Installation
from tests.house import add_partner

PARTNERS = 10
LOCATIONS = 600
OWNER = Party("DE", "CPO")


async def measure(folder: Path, database_url: str) -> dict[str, Any]:
    """Pushes per CPU-second of each, and rows that the engine writes for a push."""
    installation = Installation(database_url, folder)
    settings = Settings(database_url=database_url, secret_key=SecretStr(SECRET))
    pushes = LOCATIONS * PARTNERS
    found: dict[str, Any] = {}
    async with serving("target", {}) as (target, _):
        ids = await _fill(settings, target)
        for way in ("httpx", "aiohttp"):
            alone = await _send(installation, way, target)
            found[f"{way} alone"] = round(pushes / alone["cpu"])
        for client in ("httpx", "aiohttp"):
            async with open_context(settings) as context, context.database.write() as db:
                for partner_id in ids:
                    await rewind_lane(db, partner_id)
            ours = await _send(installation, "engine", target, OCPI_CLIENT=client)
            found[f"engine on {client}"] = round(pushes / ours["cpu"])
            found["rows per push"] = round(ours["rows"] / pushes, 3)
    found["ratio to httpx"] = round(found["engine on httpx"] / found["httpx alone"], 2)
    found["ratio to aiohttp"] = round(found["engine on aiohttp"] / found["aiohttp alone"], 2)
    return found


async def _fill(settings: Settings, target: str) -> list[int]:
    """Locations of ours, and partners at the target, as the handshake would leave them."""
    own = settings.model_copy(update={"country_code": "DE", "party_id": "CPO"})
    async with open_context(own) as context:
        async with context.database.write() as db:
            places = [samples.location(id=f"LOC{number}") for number in range(LOCATIONS)]
            await create_own(db, OWNER, places)
        return [await _join(context, f"{target}/{number}", number) for number in range(PARTNERS)]


async def _join(context: Context, target: str, number: int) -> int:
    party = Party("DE", f"P{number:02}")
    added = await add_partner(context.database, party.party_id, f"token-{number:016}", party)
    async with context.database.write() as db:
        partner = await db.get_one(Partner, added)
        partner.token_out = context.seal.close("our-token")
        url = f"{target}/locations"
        db.add(PartnerEndpoint(partner_id=added, identifier="locations", role="RECEIVER", url=url))
        await open_lane(db, added)
    return added


async def _send(installation: Installation, way: str, target: str, **more: str) -> dict[str, Any]:
    process = await create_subprocess_exec(
        sys.executable, "-m", "tests.benchmarks.sender", way, str(LOCATIONS), target, str(PARTNERS),
        env={**os.environ, **installation.environment, "OCPI_LOG_LEVEL": "WARNING", **more},
        stdout=PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    found: dict[str, Any] = msgspec.json.decode(out.splitlines()[-1])
    return found
