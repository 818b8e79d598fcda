"""kill -9 while changes flow: afterwards every partner holds what we hold."""

import asyncio
import random
from contextlib import AsyncExitStack
from pathlib import Path

import httpx

from ocpi.testing import samples
from ocpi.testing.emsp import MockEMSP, Party, running
from tests.flows.process import Installation, offer, until

LOCATIONS = 12
KILLS = 3
STATUSES = ("AVAILABLE", "CHARGING", "BLOCKED", "OUTOFORDER")


async def put_locations(admin: httpx.AsyncClient) -> list[str]:
    """Locations of three EVSEs each; gives the paths of all EVSEs."""
    paths = []
    for number in range(LOCATIONS):
        location = samples.location(id=f"LOC{number}")
        answer = await admin.put(f"/locations/DE/CPO/LOC{number}", json=location)
        assert answer.status_code == 201, answer.text
        paths += [f"/locations/DE/CPO/LOC{number}/{evse['uid']}" for evse in location["evses"]]
    return paths


async def change_statuses(
    admin: httpx.AsyncClient, paths: list[str], chance: random.Random
) -> None:
    """Change one EVSE after the other until the service is gone."""
    while True:
        status = chance.choice(STATUSES)
        try:
            await admin.patch(chance.choice(paths), json={"status": status})
        except httpx.TransportError:
            return


async def test_after_kills_in_full_flight_every_partner_holds_what_we_hold(
    database_url: str, tmp_path: Path
) -> None:
    installation = Installation(database_url, tmp_path)
    chance = random.Random(4)  # noqa: S311 - the same run each time
    names = ("AAA", "BBB", "CCC")
    partners = [MockEMSP((Party("DE", name),)) for name in names]
    async with AsyncExitStack() as stack:
        for partner in partners:
            await stack.enter_async_context(running(partner))
        admin = await stack.enter_async_context(installation.admin())
        async with installation.serving() as served:
            paths = await put_locations(admin)
            for partner, name in zip(partners, names, strict=True):
                offered = await offer(admin, name, name)
                await partner.register(offered["versions_url"], offered["token"])
            flow = asyncio.create_task(change_statuses(admin, paths, chance))
            await asyncio.sleep(0.5)
            await served.kill()
            await flow
        for _ in range(KILLS - 1):
            async with installation.serving() as served:
                flow = asyncio.create_task(change_statuses(admin, paths, chance))
                await asyncio.sleep(0.5)
                await served.kill()
                await flow
        async with installation.serving():
            ours = {
                f"LOC{number}": (await admin.get(f"/locations/DE/CPO/LOC{number}")).json()
                for number in range(LOCATIONS)
            }
            for partner in partners:
                await until(lambda partner=partner: held(partner) == ours)  # type: ignore[misc]
    assert [partner.violations for partner in partners] == [[], [], []]


def held(partner: MockEMSP) -> dict[str, object]:
    """The Locations that a partner holds, by id."""
    return {each["id"]: each for each in partner.objects["locations"].values()}
