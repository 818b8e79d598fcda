"""The mock eMSP as its users hold it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import httpx

from ocpi.testing.emsp import credentials, profiles, tokens
from ocpi.testing.emsp.commands import COMMAND_ROUTES, send_command
from ocpi.testing.emsp.errands import Command, Errand, ProfileRequest
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
    ("sender", "commands"): COMMAND_ROUTES,
    ("sender", "chargingprofiles"): profiles.PROFILE_ROUTES,
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
        """Crawl what the peer publishes and store it; gives the counts.

        Locations and Tariffs must be there; Sessions and CDRs are asked for where they are.
        """
        return await pull(self)

    async def push_token(self, token: Document, allowed: str = "ALLOWED") -> Reply:
        """Issue the Token, or issue it anew, and PUT it; `allowed` is authorize's verdict."""
        return await tokens.push_token(self, token, allowed)

    async def patch_token(self, token: Document, changes: Document) -> Reply:
        """Change a Token that was issued, and PATCH what changed, `last_updated` included."""
        return await tokens.patch_token(self, token, changes)

    async def command(self, command: str, body: Document, *, to: Address | None = None) -> Command:
        """Send a command; `body` is its object without response_url, which is added.

        Gives the command once the peer has answered it; PeerFailed when it does not.
        """
        return await send_command(self, command, body, to)

    async def set_profile(
        self, session_id: str, profile: Document, *, to: Address | None = None
    ) -> ProfileRequest:
        """Ask for a ChargingProfile to be set for the session."""
        return await profiles.set_profile(self, session_id, profile, to)

    async def get_profile(
        self, session_id: str, duration: int, *, to: Address | None = None
    ) -> ProfileRequest:
        """Ask for the session's active profile of the next `duration` seconds."""
        return await profiles.get_profile(self, session_id, duration, to)

    async def clear_profile(self, session_id: str, *, to: Address | None = None) -> ProfileRequest:
        """Ask for the session's profile to be cleared."""
        return await profiles.clear_profile(self, session_id, to)

    def result_of(self, errand: Errand, timeout: float = 10) -> Coroutine[Any, Any, Document]:
        """The first result of a command or profile request; TimeoutError after `timeout` s."""
        return asyncio.wait_for(errand.first_result(), timeout)

    async def set_preferences(self, session_id: str, preferences: Document) -> Reply:
        """Tell the peer what the driver of a session prefers: ChargingPreferences."""
        return await profiles.set_preferences(self, session_id, preferences)

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
