"""The mock eMSP as its users hold it."""

from __future__ import annotations

from collections.abc import Sequence

import httpx

from ocpi.testing.emsp import credentials
from ocpi.testing.emsp.outgoing import Address, Reply, ask_peer
from ocpi.testing.emsp.pull import pull
from ocpi.testing.emsp.receiver import CDR_ROUTES, LOCATION_ROUTES, SESSION_ROUTES, TARIFF_ROUTES
from ocpi.testing.emsp.sender import TOKEN_ROUTES
from ocpi.testing.emsp.state import Interfaces, Party, Peer, State
from ocpi.testing.emsp.wire import Document

# What exists is what version details advertise: a further module is one more line here.
EMSP_INTERFACES: Interfaces = {
    ("", "versions"): credentials.VERSION_ROUTES,
    ("", "details"): credentials.DETAIL_ROUTES,
    ("", "credentials"): credentials.CREDENTIAL_ROUTES,
    ("receiver", "locations"): LOCATION_ROUTES,
    ("receiver", "tariffs"): TARIFF_ROUTES,
    ("receiver", "sessions"): SESSION_ROUTES,
    ("receiver", "cdrs"): CDR_ROUTES,
    ("sender", "tokens"): TOKEN_ROUTES,
}


class MockEMSP(State):
    """An eMSP platform in memory, with one peer, that judges what it is told.

    `objects`, `messages`, `violations` and `rules` are there to be read and set. It is reached at
    `base_url`, by default only in-process; `running` serves it over a socket.
    """

    def __init__(
        self,
        parties: Sequence[Party] = (Party(),),
        *,
        interfaces: Interfaces = EMSP_INTERFACES,
        base_url: str = "http://emsp.test",
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(parties, interfaces=interfaces, base_url=base_url, transport=transport)

    async def register(self, versions_url: str, token_a: str) -> Peer:
        """Register with the platform that issued `token_a`; PeerFailed says why not."""
        return await credentials.register(self, versions_url, token_a)

    async def update(self) -> Peer:
        """PUT our credentials again, with a new token."""
        return await credentials.update(self)

    async def unregister(self) -> None:
        await credentials.unregister(self)

    async def pull(self) -> dict[str, int]:
        """Crawl the peer's Locations and Tariffs and store them; gives the counts."""
        return await pull(self)

    async def ask(
        self,
        method: str,
        interface: str,
        module: str,
        path: str = "",
        *,
        body: Document | None = None,
        to: Address | None = None,
    ) -> Reply:
        """Ask the peer anything, at its endpoint for (module, "SENDER" or "RECEIVER") plus path.

        Functional modules are addressed to the party `to`, by default the first of the peer's.
        """
        return await ask_peer(self, method, interface, module, path, body=body, to=to)
