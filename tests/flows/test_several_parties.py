"""A service of several CPO parties at a hub that lets each see other drivers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from ocpi.testing import samples
from ocpi.testing.emsp import running
from tests.flows.hubs import Hub, a_hub, a_service, emsp, owned_by

OURS = (("NL", "TNM"), ("NL", "TWO"))


def named(party: tuple[str, str]) -> dict[str, str]:
    return {"country_code": party[0], "party_id": party[1]}


@pytest.fixture
async def hub(sqlite_url: str) -> AsyncIterator[Hub]:
    async with a_hub(sqlite_url) as opened:
        yield opened


async def post(admin: httpx.AsyncClient, path: str, body: Any = None) -> Any:
    answer = await admin.post(path, json=body)
    assert answer.is_success, answer.text
    return answer.json()


async def test_each_party_of_ours_pulls_what_the_hub_lets_it_see(hub: Hub, tmp_path: Path) -> None:
    second = f"sqlite+aiosqlite:///{tmp_path}/second.sqlite"
    drivers = (emsp("DE", "MSP"), emsp("GB", "EMS"))
    async with AsyncExitStack() as stack:
        for mock in drivers:
            await stack.enter_async_context(running(mock))
        _, admin = await stack.enter_async_context(
            a_service(second, **named(OURS[0]), name="Ours", pull_hours=0)
        )
        await post(admin, "/parties", {"platform": "cpo", "name": "Second", **named(OURS[1])})
        denied = {"from_party": "DE*MSP", "to_party": "NL*TNM", "module": "*", "allowed": False}
        assert (await hub.admin.put("/agreements", json=denied)).is_success
        await hub.admit(*drivers)
        for mock in drivers:
            await mock.push_token(samples.token(**owned_by(mock)))
        roles = [{"role": "CPO", **named(party)} for party in OURS]
        offered = await post(
            hub.admin, "/partners", {"name": "us", "platform": "hub", "roles": roles}
        )
        wish = {key: offered[key] for key in ("versions_url", "token")}
        await post(admin, "/partners/connect", {"name": "hub", "platform": "cpo", **wish})

        # It takes some seconds until we know who is behind the hub.
        async with asyncio.timeout(60):
            while await met(admin) != [1, 2]:  # noqa: ASYNC110 - it is another process.
                await asyncio.sleep(0.5)


async def met(admin: httpx.AsyncClient) -> list[int]:
    """Give how many Tokens each party of ours is shown."""
    (tokens,) = await post(admin, "/partners/hub/sync?full=true")
    return [each["new"] + each["unchanged"] for each in tokens["parties"]]
