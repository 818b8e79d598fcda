"""The hub's desk: what becomes of each message that reaches the hub platform."""

import time
from dataclasses import dataclass

from starlette.responses import Response

from ocpi.context import Context, Interface
from ocpi.database import DATABASE_ERRORS
from ocpi.directory import hub_party, read_directory
from ocpi.errors import Unchecked, UnknownReceiver
from ocpi.headers import Party
from ocpi.hub.finding import Finder, Reserved, Stores
from ocpi.hub.links import follow, follower_of
from ocpi.hub.memory import Memory
from ocpi.hub.message import Message
from ocpi.hub.relay import carry
from ocpi.hub.scenario import Kind, To, decide
from ocpi.hub.targets import Destination, find_destination
from ocpi.messages import log
from ocpi.owning import asking, may_ask
from ocpi.parties import Caller


@dataclass(frozen=True)
class Here:
    """The message is answered here, as and for these parties."""

    answering: Party
    """The party that the answer comes from."""
    owners: tuple[Party, ...] = ()
    """Whose objects are meant."""
    broadcast: bool = False
    """What is pushed is meant for everybody."""


@dataclass(frozen=True)
class Carried:
    """The message was carried to another platform; this is what its sender gets."""

    answering: Party
    answer: Response


class Desk:
    """Decides about messages once, before any module sees them."""

    def __init__(self, context: Context, stores: Stores, reserved: Reserved) -> None:
        hub = hub_party(context.settings)
        assert hub is not None
        self.hub = hub
        self._context = context
        self._finder = Finder(context, stores, reserved)
        self._memory = Memory(context)

    async def take(self, message: Message) -> Here | Carried:
        """Answer a message by carrying it, or say how it is answered here.

        Raises ``OCPIError`` for what is refused.
        """
        to = To.NOBODY
        if message.to is not None:
            to = To.HUB if message.to.key == self.hub.key else To.PARTY
        kind = decide(
            to, message.method, message.interface, message.module, is_list=not message.path
        )
        await message.require_own(self._context.database)
        if kind in (Kind.BROADCAST, Kind.RESULT):
            return Here(self.hub, broadcast=kind is Kind.BROADCAST)
        if kind is Kind.GET_ALL:
            return Here(self.hub, await self._shared_with(message))
        asking(message.caller, message.module, message.interface, message.sender)
        receiver = message.to
        if receiver is None:
            directory = await read_directory(self._context.database, self._context.settings)
            receiver = await self._finder.find(message, directory)
        return await self._pass_on(message, receiver)

    async def _shared_with(self, message: Message) -> tuple[Party, ...]:
        """Whose objects a list of all has: nobody's, where the sender's role asks for no such."""
        if not may_ask(message.caller, message.module, message.interface):
            return ()
        directory = await read_directory(self._context.database, self._context.settings)
        here = message.caller.partner_id
        return tuple(directory.shared_with(message.sender, here, message.module))

    async def follow(self, message: Message, identifier: str) -> tuple[Message, Destination]:
        """Where one of our links leads, and with what message; raises ``OCPIError``."""
        return await follow(self._context, message, identifier, time.time_ns() // 1000)

    async def follower_of(self, identifier: str, caller: Caller) -> Party | None:
        """The party of a caller's that one of our links was made for."""
        return await follower_of(self._context.database, identifier, caller.partner_id)

    async def carry(self, message: Message, destination: Destination) -> Carried:
        """Carry a message to where a link leads; raises ``OCPIError``."""
        return Carried(destination.party, await carry(self._context, message, destination))

    async def _pass_on(self, message: Message, receiver: Party) -> Here | Carried:
        message.require_carriable()
        interface = Interface(message.module, message.interface)
        destination = await find_destination(self._context, message.sender, receiver, interface)
        if destination.partner_id == message.caller.partner_id:
            # Two hubs that each take the other one for the way would send it to and fro.
            raise UnknownReceiver(f"{receiver} is a party of your own connection.")
        if destination.target is None:
            return Here(destination.party, (destination.party,))
        if self._context.settings.require_check and not message.caller.passed:
            # To everybody else it is PLANNED (HC-11): of itself it may tell us alone.
            raise Unchecked
        answer = await self._carry(message, destination)
        return Carried(message.to or destination.party, answer)

    async def _carry(self, message: Message, destination: Destination) -> Response:
        answer = await carry(self._context, message, destination)
        if answer.status_code < 300:
            try:
                await self._memory.learn(message, destination.party, bytes(answer.body))
            except DATABASE_ERRORS as error:
                # It was carried: an error would have it sent again.
                log.warning("what was carried is not remembered", error=repr(error))
        return answer
