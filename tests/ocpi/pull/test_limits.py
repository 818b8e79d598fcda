"""Partners that limit requests, and whose lists are read whole all the same."""

from collections.abc import AsyncIterator

import pytest

from ocpi.pull.merging import Fate
from ocpi.testing.emsp import Rule
from tests.ocpi.pull.world import World, open_world, token


@pytest.fixture
async def each_world(database_url: str) -> AsyncIterator[World]:
    async with open_world(database_url) as opened:
        yield opened


@pytest.mark.req("PG-10")
@pytest.mark.pitfall("IP-38")
async def test_the_list_of_a_partner_that_limits_requests_is_read_whole(
    each_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    emsp = await each_world.add_emsp()
    emsp.issue_token(token(uid="A"))
    emsp.rules.append(Rule("status", http_status=429, retry_after=30, times=3))
    paused: list[float] = []

    async def pause(seconds: float) -> None:
        paused.append(seconds)

    monkeypatch.setattr("ocpi.crawling.pause", pause)
    (pulled,) = await each_world.pull()
    assert (pulled.is_complete, dict(pulled.counts), paused) == (True, {Fate.NEW: 1}, [30, 30, 30])
