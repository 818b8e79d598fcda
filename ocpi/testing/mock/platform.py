"""A mock platform as its users hold it: what all roles can do."""

from __future__ import annotations

from ocpi.testing.mock import credentials, pull
from ocpi.testing.mock.outgoing import Address, Reply, ask_peer
from ocpi.testing.mock.state import Peer, State
from ocpi.testing.mock.wire import Document


class MockPlatform(State):
    """A platform in memory, with one peer, that judges what it is told.

    `objects`, `messages`, `violations` and `rules` are there to be read and set. It is reached at
    `base_url`, by default only in-process; `running` serves it over a socket.

    Whatever it says to its peer takes two addresses. `to` is by default the peer's first party:
    of a hub the hub itself, which makes a push a broadcast. Another party is reached directly,
    and OPEN leaves it to the hub to find out whom the message is for. `sender` is which of our
    parties speaks: by default the owner of what is told, or else our first.
    """

    async def register(self, versions_url: str, token_a: str) -> Peer:
        """Register with the platform that issued `token_a`; PeerFailed says why not."""
        return await credentials.register(self, versions_url, token_a)

    async def update(self) -> Peer:
        """PUT our credentials again, with a new token."""
        return await credentials.update(self)

    async def unregister(self) -> None:
        await credentials.unregister(self)

    async def pull(
        self, *, to: Address | None = None, sender: Address | None = None
    ) -> dict[str, int]:
        """Crawl what the peer publishes for our role and store it; gives the counts.

        Locations, Tariffs and Tokens must be there; what else there is is asked for if offered.
        """
        return await pull.pull(self, to, sender)

    async def ask(
        self,
        method: str,
        interface: str,
        module: str,
        path: str = "",
        *,
        body: Document | None = None,
        to: Address | None = None,
        sender: Address | None = None,
    ) -> Reply:
        """Ask the peer anything, at its endpoint for (module, "SENDER" or "RECEIVER") plus path."""
        return await ask_peer(
            self, method, interface, module, path, body=body, to=to, sender=sender
        )
