"""The mock eMSP as its users hold it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import httpx

from ocpi.testing.emsp import profiles, tokens
from ocpi.testing.emsp.authorize import TOKEN_ROUTES
from ocpi.testing.emsp.commands import COMMAND_ROUTES, send_command
from ocpi.testing.emsp.control import EMSP_CONTROLS
from ocpi.testing.emsp.receiver import CDR_ROUTES, LOCATION_ROUTES, SESSION_ROUTES, TARIFF_ROUTES
from ocpi.testing.mock import credentials
from ocpi.testing.mock.errands import Command, Errand, ProfileRequest
from ocpi.testing.mock.hubclientinfo import CLIENT_ROUTES
from ocpi.testing.mock.outgoing import Address, Reply
from ocpi.testing.mock.platform import MockPlatform
from ocpi.testing.mock.state import Interfaces, Party
from ocpi.testing.mock.wire import Document

# What exists is what version details advertise: a further module is one more line here.
EMSP_INTERFACES: Interfaces = {
    **credentials.INTERFACES,
    ("receiver", "locations"): LOCATION_ROUTES,
    ("receiver", "tariffs"): TARIFF_ROUTES,
    ("receiver", "sessions"): SESSION_ROUTES,
    ("receiver", "cdrs"): CDR_ROUTES,
    ("receiver", "hubclientinfo"): CLIENT_ROUTES,
    ("sender", "tokens"): TOKEN_ROUTES,
    ("sender", "commands"): COMMAND_ROUTES,
    ("sender", "chargingprofiles"): profiles.PROFILE_ROUTES,
}


class MockEMSP(MockPlatform):
    """A mock platform of eMSPs; `to` and `sender` are explained in MockPlatform."""

    def __init__(
        self,
        parties: Sequence[Party] = (Party(),),
        *,
        interfaces: Interfaces = EMSP_INTERFACES,
        base_url: str = "http://emsp.test",
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(
            parties,
            interfaces=interfaces,
            controls=EMSP_CONTROLS,
            base_url=base_url,
            transport=transport,
        )

    async def push_token(
        self,
        token: Document,
        allowed: str = "ALLOWED",
        *,
        to: Address | None = None,
        sender: Address | None = None,
    ) -> Reply:
        """Issue the Token, or issue it anew, and PUT it; `allowed` is authorize's verdict."""
        return await tokens.push_token(self, token, allowed, to, sender)

    async def patch_token(
        self,
        token: Document,
        changes: Document,
        *,
        to: Address | None = None,
        sender: Address | None = None,
    ) -> Reply:
        """Change a Token that was issued, and PATCH what changed, `last_updated` included."""
        return await tokens.patch_token(self, token, changes, to, sender)

    async def command(
        self,
        command: str,
        body: Document,
        *,
        to: Address | None = None,
        sender: Address | None = None,
    ) -> Command:
        """Send a command; `body` is its object without response_url, which is added.

        Gives the command once the peer has answered it; PeerFailed when it does not.
        """
        return await send_command(self, command, body, to, sender)

    async def set_profile(
        self,
        session_id: str,
        profile: Document,
        *,
        to: Address | None = None,
        sender: Address | None = None,
    ) -> ProfileRequest:
        """Ask for a ChargingProfile to be set for the session."""
        return await profiles.set_profile(self, session_id, profile, to, sender)

    async def get_profile(
        self,
        session_id: str,
        duration: int,
        *,
        to: Address | None = None,
        sender: Address | None = None,
    ) -> ProfileRequest:
        """Ask for the session's active profile of the next `duration` seconds."""
        return await profiles.get_profile(self, session_id, duration, to, sender)

    async def clear_profile(
        self, session_id: str, *, to: Address | None = None, sender: Address | None = None
    ) -> ProfileRequest:
        """Ask for the session's profile to be cleared."""
        return await profiles.clear_profile(self, session_id, to, sender)

    def result_of(self, errand: Errand, timeout: float = 10) -> Coroutine[Any, Any, Document]:
        """The first result of a command or profile request; TimeoutError after `timeout` s."""
        return asyncio.wait_for(errand.first_result(), timeout)

    async def set_preferences(
        self,
        session_id: str,
        preferences: Document,
        *,
        to: Address | None = None,
        sender: Address | None = None,
    ) -> Reply:
        """Tell the peer what the driver of a session prefers: ChargingPreferences."""
        return await profiles.set_preferences(self, session_id, preferences, to, sender)
