"""What load balancers ask of a process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.house import Service, open_service


@pytest.fixture
async def service(sqlite_url: str) -> AsyncIterator[Service]:
    async with open_service(sqlite_url) as opened:
        yield opened


@pytest.mark.parametrize("hangs", [False, True])
async def test_a_process_whose_database_is_away_lives_and_is_not_ready(
    service: Service, monkeypatch: pytest.MonkeyPatch, *, hangs: bool
) -> None:
    async def away(*_: Any) -> None:
        if hangs:
            await asyncio.Event().wait()
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr("ocpi.app.PATIENCE", 0.01)
    monkeypatch.setattr("ocpi.database.Database.fetch", away)
    with capture_logs() as lines:
        answer = await service.stranger.get("/health/ready")
    assert (answer.status_code, answer.json()["status"]) == (503, "the database does not answer")
    assert [line["log_level"] for line in lines] == ["warning"]
    assert (await service.stranger.get("/health/live")).status_code == 200


async def test_the_process_tells_that_it_lives_and_is_ready(service: Service) -> None:
    for path in ("/health/live", "/health/ready"):
        answer = await service.stranger.get(path)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
