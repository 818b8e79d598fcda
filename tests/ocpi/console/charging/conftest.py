"""The console with somebody of each role signed in, on both databases, at a service with a hub."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tests.house import RECEIVING, open_service
from tests.ocpi.console.charging.browsing import Browser, Console


@pytest.fixture
async def console(database_url: str) -> AsyncIterator[Console]:
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(open_service(database_url, offers=RECEIVING))
        viewer, operator, admin = [
            await stack.enter_async_context(Browser.signed_in(service, role))
            for role in ("viewer", "operator", "admin")
        ]
        yield Console(service, viewer, operator, admin)
