"""A mock eMSP that a CPO has registered with, and that CPO's way of asking it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ocpi.testing.emsp import MockEMSP
from tests.ocpi.testing.caller import Caller, connect, introduce


@pytest.fixture
def mock() -> MockEMSP:
    mock = MockEMSP()
    introduce(mock)
    return mock


@pytest.fixture
async def cpo(mock: MockEMSP) -> AsyncIterator[Caller]:
    async with connect(mock) as http:
        yield Caller(mock, http)
