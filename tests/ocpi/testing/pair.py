"""A mock CPO and a mock eMSP that reach each other in-process."""

from __future__ import annotations

import httpx

from ocpi.testing import samples
from ocpi.testing.cpo import MockCPO, Party
from ocpi.testing.emsp import MockEMSP, create_app
from ocpi.testing.mock.state import Peer, State

HUB = samples.credentials_role("HUB", "Hub", party_id="HUB")


async def registered(cpo: MockCPO | None = None) -> tuple[MockCPO, MockEMSP]:
    """The CPO is registered with the eMSP."""
    cpo, emsp = cpo or MockCPO(), MockEMSP()
    cpo.transport = httpx.ASGITransport(create_app(emsp))
    emsp.transport = httpx.ASGITransport(create_app(cpo))
    await cpo.register(emsp.versions_url, emsp.token_a)
    return cpo, emsp


def two_parties() -> MockCPO:
    names = (("DE", "CPO"), ("FR", "TWO"))
    return MockCPO([Party(*party, "A CPO", "CPO") for party in names])


def behind_hub(state: State) -> Peer:
    """Make the mock believe that its peer is a hub."""
    assert state.peer is not None
    state.peer.roles = [HUB]
    return state.peer


def violations(*mocks: State) -> list[str]:
    """What was found, without the requests that it was found in."""
    return [each.partition(": ")[2] for mock in mocks for each in mock.violations]
