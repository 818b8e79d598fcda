"""Open routing: the party that a message is for, found by what it says (RT-34, AT-40).

Objects that are meant for everybody are stored here, so their ids tell their owner. Sessions and
reservations are not: of those only whose they are is remembered, from the messages carried.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from ocpi.context import Context
from ocpi.directory import Directory
from ocpi.errors import UnknownObject, UnknownReceiver
from ocpi.headers import Party
from ocpi.hub.memory import Kind, audience_of, owner_of
from ocpi.hub.message import Message, party_in
from ocpi.parties import PlatformID, our_parties
from ocpi.spec.document import decode
from ocpi.store import Store
from ocpi.store import audience_of as party_of_token

Stores = Mapping[str, Store[Any]]


class Finder:
    """Finds receivers with what one hub has stored."""

    def __init__(self, context: Context, stores: Stores) -> None:
        self._context = context
        self._stores = stores
        self._rules: Mapping[tuple[str, str], Callable[..., Awaitable[Party | None]]] = {
            ("locations", "SENDER"): self._by_object,
            ("tariffs", "SENDER"): self._by_object,
            ("tokens", "SENDER"): self._by_token,
            ("sessions", "SENDER"): self._by_own_session,
            ("sessions", "RECEIVER"): self._by_session,
            ("cdrs", "RECEIVER"): self._by_cdr_token,
            ("commands", "RECEIVER"): self._by_command,
            ("chargingprofiles", "RECEIVER"): self._by_own_session,
            ("chargingprofiles", "SENDER"): self._by_session_of_sender,
        }

    async def find(self, message: Message, directory: Directory) -> Party:
        """The one party that a message can be for; raises ``UnknownReceiver`` (RT-35).

        It is the same for a party that the sender may not talk to, however it was found.
        """
        rule = self._rules.get((message.module, message.interface))
        party = None if rule is None else await rule(message, directory)
        if party is None or not directory.is_open(message.sender, party, message.module):
            raise UnknownReceiver(
                "Nothing in this message tells one party that it could be for: name it in the "
                "OCPI-to headers."
            )
        return party

    async def _owner_in_store(
        self, message: Message, directory: Directory, module: str, identifier: str
    ) -> Party | None:
        owners = directory.open_to(message.sender, message.module)
        try:
            text = await self._stores[module].text(self._context.database, owners, identifier)
        except UnknownObject:
            return None
        document = decode(text)
        return Party(document["country_code"], document["party_id"])

    async def _by_object(self, message: Message, directory: Directory) -> Party | None:
        identifier = message.first
        return await self._owner_in_store(message, directory, message.module, identifier)

    async def _by_token(self, message: Message, directory: Directory) -> Party | None:
        kind = parse_qs(message.query).get("type", ["RFID"])[0].replace("\0", "")
        identifier = f"{message.first}*{kind}"
        return await self._owner_in_store(message, directory, "tokens", identifier)

    async def _by_own_session(self, message: Message, _directory: Directory) -> Party | None:
        return await self._session_owner(message, message.first)

    async def _session_owner(self, message: Message, session_id: str) -> Party | None:
        """The CPO of a Session of the sender's driver; those of our own CPO parties are here."""
        database = self._context.database
        ours = await our_parties(database, PlatformID.CPO)
        try:
            session = decode(await self._stores["sessions"].text(database, ours, session_id))
        except UnknownObject:
            return await owner_of(self._context, Kind.SESSION, session_id, message.sender)
        if party_of_token(session).key != message.sender.key:
            return None
        return Party(session["country_code"], session["party_id"])

    async def _by_session(self, message: Message, directory: Directory) -> Party | None:
        """By the token in the body, or as the Session was sent before."""
        found = await self._by_cdr_token(message, directory)
        if found is not None or len(message.segments) != 3:
            return found
        session_id = message.segments[2]
        return await audience_of(self._context, Kind.SESSION, message.sender, session_id)

    async def _by_session_of_sender(self, message: Message, _directory: Directory) -> Party | None:
        session_id = message.first
        return await audience_of(self._context, Kind.SESSION, message.sender, session_id)

    async def _by_cdr_token(self, message: Message, _directory: Directory) -> Party | None:
        return party_in(message.document.get("cdr_token"))

    async def _by_command(self, message: Message, directory: Directory) -> Party | None:
        document = message.document
        if isinstance(document.get("location_id"), str):
            identifier = document["location_id"]
            return await self._owner_in_store(message, directory, "locations", identifier)
        if isinstance(document.get("session_id"), str):
            return await self._session_owner(message, document["session_id"])
        if isinstance(document.get("reservation_id"), str):
            identifier = document["reservation_id"]
            return await owner_of(self._context, Kind.RESERVATION, identifier, message.sender)
        return None
