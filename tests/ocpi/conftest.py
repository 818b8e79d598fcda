"""What tests of the client may ask for."""

import pytest

from ocpi.client import Client


@pytest.fixture(params=[False, True], ids=["httpx", "aiohttp"])
def either_client(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the test with clients that use httpx, and with those that use aiohttp alone."""
    defaults = Client.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "direct", request.param)
