"""The operator's way to the pull: every list of a partner, now."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from ocpi.headers import Party
from ocpi.testing.emsp import Rule
from tests.ocpi.pull.world import World, open_world, token


@pytest.fixture
async def world(sqlite_url: str) -> AsyncIterator[World]:
    async with open_world(sqlite_url) as opened:
        yield opened


async def sync(world: World, name: str = "acme", query: str = "") -> tuple[int, Any]:
    answer = await world.admin.post(f"/admin/partners/{name}/sync{query}")
    return answer.status_code, answer.json()


def pulled(**over: Any) -> list[dict[str, Any]]:
    counts = {"new": 0, "changed": 0, "unchanged": 0, "refused": 0, "gone": 0}
    return [{"module": "tokens", "full": True, **counts, "reasons": [], "parties": [], **over}]


@pytest.mark.req("TK-13", "TR-23")
async def test_staff_pull_tokens_now(world: World) -> None:
    emsp = await world.add_emsp()
    emsp.issue_token(token())
    assert await sync(world) == (200, pulled(new=1))
    assert await sync(world) == (200, pulled(full=False))
    assert await sync(world, query="?full=true") == (200, pulled(unchanged=1))
    world.serve("acme", [{}])
    status, (answer,) = await sync(world)
    assert (status, answer["refused"], len(answer["reasons"])) == (200, 1, 1)


async def test_a_pull_that_fails_says_why(world: World) -> None:
    emsp = await world.add_emsp()
    emsp.rules.append(Rule("status", http_status=503))
    assert await sync(world) == (
        502,
        {"error": "All Tokens: none. Not complete: acme answered HTTP 503 with status code 3000."},
    )
    assert (await sync(world, "nobody"))[0] == 404
    await world.add_emsp("mute", [Party("FR", "XYZ")], sender=False)
    assert await sync(world, "mute") == (409, {"error": "mute offers no list of Tokens."})
