"""Open routing: the party that a message is for, found by what it says (RT-34, AT-40).

Objects that are meant for everybody are stored here, so their ids tell their owner. Sessions and
reservations are not: of those only whose they are is remembered, from the messages carried.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any
from urllib.parse import parse_qs

from ocpi.context import Context
from ocpi.database import Database
from ocpi.directory import Directory
from ocpi.editing import Document
from ocpi.errors import UnknownReceiver
from ocpi.headers import Party
from ocpi.hub.memory import Kind, audiences_of, owners_of
from ocpi.hub.message import Message, party_in
from ocpi.parties import PlatformID, our_parties
from ocpi.spec.document import decode
from ocpi.store import Store
from ocpi.store import audience_of as party_of_token

Stores = Mapping[str, Store[Any]]
Reserved = Callable[[Database, int, Party, str], Awaitable[Collection[str]]]
"""The keys of our parties with a reservation that stands: of a partner's party, by its id."""


class Finder:
    """Finds receivers with what one hub has stored."""

    def __init__(self, context: Context, stores: Stores, reserved: Reserved) -> None:
        self._context = context
        self._stores = stores
        self._reserved = reserved
        # Each gives all whom a message can be for, since an id is its owner's alone (AT-40).
        self._rules: Mapping[tuple[str, str], Callable[..., Awaitable[Collection[Party]]]] = {
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
        found = () if rule is None else await rule(message, directory)
        parties = {party.key: party for party in found}
        party = parties.popitem()[1] if len(parties) == 1 else None
        if party is None or not directory.is_open(message.sender, party, message.module):
            raise UnknownReceiver(
                "Nothing in this message tells one party that it could be for: name it in the "
                "OCPI-to headers."
            )
        return party

    async def _owners_in_store(
        self, message: Message, directory: Directory, module: str, identifier: str
    ) -> list[Party]:
        """The owners of such an object; what the sender may not see is as unknown as none."""
        database, here = self._context.database, message.caller.partner_id
        owners = directory.open_to(message.sender, here, message.module, shared=module)
        sight = message.caller.sight.of(module)
        texts = await self._stores[module].texts(database, owners, identifier, sight)
        return [_owner(decode(text)) for text in texts]

    async def _by_object(self, message: Message, directory: Directory) -> Collection[Party]:
        identifier = message.first
        return await self._owners_in_store(message, directory, message.module, identifier)

    async def _by_token(self, message: Message, directory: Directory) -> Collection[Party]:
        kind = parse_qs(message.query).get("type", ["RFID"])[0].replace("\0", "")
        identifier = f"{message.first}*{kind}"
        return await self._owners_in_store(message, directory, "tokens", identifier)

    async def _by_own_session(self, message: Message, _directory: Directory) -> Collection[Party]:
        return await self._session_owners(message, message.first)

    async def _session_owners(self, message: Message, session_id: str) -> list[Party]:
        """The CPOs that have such a Session of the sender's driver: our own, and those carried."""
        database, driver = self._context.database, message.sender
        ours = await our_parties(database, PlatformID.CPO)
        texts = await self._stores["sessions"].texts(database, ours, session_id)
        sessions = [decode(text) for text in texts]
        own = [_owner(each) for each in sessions if party_of_token(each).key == driver.key]
        return [*own, *await owners_of(self._context, Kind.SESSION, session_id, driver)]

    async def _by_session(self, message: Message, directory: Directory) -> Collection[Party]:
        """By the token in the body, or as the Session was sent before."""
        found = await self._by_cdr_token(message, directory)
        if found or len(message.segments) != 3:
            return found
        session_id = message.segments[2]
        return await audiences_of(self._context, Kind.SESSION, message.sender, session_id)

    async def _by_session_of_sender(
        self, message: Message, _directory: Directory
    ) -> Collection[Party]:
        session_id = message.first
        return await audiences_of(self._context, Kind.SESSION, message.sender, session_id)

    async def _by_cdr_token(self, message: Message, _directory: Directory) -> Collection[Party]:
        party = party_in(message.document.get("cdr_token"))
        return () if party is None else (party,)

    async def _by_command(self, message: Message, directory: Directory) -> Collection[Party]:
        document = message.document
        if isinstance(document.get("location_id"), str):
            identifier = document["location_id"]
            return await self._owners_in_store(message, directory, "locations", identifier)
        if isinstance(document.get("session_id"), str):
            return await self._session_owners(message, document["session_id"])
        if isinstance(document.get("reservation_id"), str):
            return await self._reservation_owners(message, document["reservation_id"])
        return ()

    async def _reservation_owners(self, message: Message, identifier: str) -> list[Party]:
        """The CPOs that have such a reservation of the sender: our own, and those carried."""
        database, driver = self._context.database, message.sender
        ours = await our_parties(database, PlatformID.CPO)
        keys = await self._reserved(database, message.caller.partner_id, driver, identifier)
        own = [party for party in ours if party.key in keys]
        return [*own, *await owners_of(self._context, Kind.RESERVATION, identifier, driver)]


def _owner(document: Document) -> Party:
    return Party(document["country_code"], document["party_id"])
