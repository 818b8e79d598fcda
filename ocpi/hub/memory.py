"""Whose the Sessions and reservations are that went through the hub, and nothing else of them."""

import re
from collections import OrderedDict
from enum import StrEnum
from time import monotonic
from typing import Any

from sqlalchemy import BigInteger, bindparam, delete, select
from sqlmodel import Field, SQLModel, col
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.context import Context
from ocpi.database import clock
from ocpi.headers import Party
from ocpi.hub.message import Message
from ocpi.ownwords import insert_into
from ocpi.spec.commands import CommandResponseType
from ocpi.spec.document import decode

KEPT = 30 * 24 * 3600 * 1_000_000
"""How long it is remembered after it was last carried, in microseconds."""
_KNOWN = 10_000
_AGAIN = 24 * 3600.0
"""What is carried again is noted once a day, in seconds: it is kept from then on."""
_SUCCESS = re.compile("1[0-9]{3}")
_LONGEST = 255
"""Of an identifier; OCPI's have 36 characters, and longer ones must not fill the table."""


class Kind(StrEnum):
    """What is remembered."""

    SESSION = "session"
    RESERVATION = "reservation"


class CarriedObject(SQLModel, table=True):
    """One object that two parties share."""

    __tablename__ = "carried_object"

    kind: str = Field(primary_key=True)
    identifier: str = Field(primary_key=True)
    """In lower case."""
    owner: str = Field(primary_key=True)
    """Key of the CPO."""
    audience: str = Field(primary_key=True)
    """Key of the party whose driver it is."""
    seen_at: int = Field(sa_type=BigInteger, index=True)


_CARRIED = select(col(CarriedObject.owner), col(CarriedObject.audience)).where(
    col(CarriedObject.kind) == bindparam("kind"),
    col(CarriedObject.identifier) == bindparam("identifier"),
)


async def owners_of(context: Context, kind: Kind, identifier: str, audience: Party) -> list[Party]:
    """The CPOs that have an object of that id of a party's driver."""
    pairs = await _read(context, kind, identifier)
    return [_party(owner) for owner, whose in pairs if whose == audience.key]


async def audiences_of(context: Context, kind: Kind, owner: Party, identifier: str) -> list[Party]:
    """The parties of whose drivers a CPO has had an object of that id."""
    pairs = await _read(context, kind, identifier)
    return [_party(whose) for cpo, whose in pairs if cpo == owner.key]


async def _read(context: Context, kind: Kind, identifier: str) -> Any:
    given = {"kind": kind.value, "identifier": identifier.lower()}
    return await context.database.fetch("hub.carried", _CARRIED, given)


def _party(key: str) -> Party:
    return Party(*key.upper().split("*", 1))


class Memory:
    """Remembers what this process carries, each object once a day."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._known: OrderedDict[tuple[str, ...], float] = OrderedDict()
        """When each was noted."""

    async def learn(self, message: Message, receiver: Party, answer: bytes) -> None:
        """Remember what a message that was carried, and its answer, tell of its parties."""
        found = _told(message)
        if found is None or len(found[1]) > _LONGEST:
            return
        kind, identifier, from_cpo = found
        if not _is_taken(kind, answer):
            return
        cpo, other = (message.sender, receiver) if from_cpo else (receiver, message.sender)
        key = (kind.value, identifier.lower(), cpo.key, other.key)
        now = monotonic()
        if key in self._known and now - self._known[key] < _AGAIN:
            return
        async with self._context.database.write() as db:
            await _store(db, key)
        self._known[key] = now
        self._known.move_to_end(key)
        if len(self._known) > _KNOWN:
            self._known.popitem(last=False)


def _told(message: Message) -> tuple[Kind, str, bool] | None:
    """What a message names, and whether its sender is the CPO."""
    match message.module, message.interface, message.method:
        case "sessions", "RECEIVER", "PUT" if len(message.segments) == 3:
            return Kind.SESSION, message.segments[2], True
        case "commands", "RECEIVER", "POST" if message.path == "RESERVE_NOW":
            identifier = message.document.get("reservation_id")
            if isinstance(identifier, str):
                return Kind.RESERVATION, identifier, False
    return None


def _is_taken(kind: Kind, answer: bytes) -> bool:
    """Whether the receiver has the object now: what it refused would make another one's unfindable.

    A command that was refused is answered with success, too (CM-02).
    """
    try:
        envelope = decode(answer)
    except ValueError:
        return False
    data = envelope.get("data")
    accepted = isinstance(data, dict) and data.get("result") == CommandResponseType.ACCEPTED
    succeeded = _SUCCESS.fullmatch(str(envelope.get("status_code"))) is not None
    return succeeded and (kind is not Kind.RESERVATION or accepted)


async def _store(db: AsyncSession, key: tuple[str, ...]) -> None:
    names = ("kind", "identifier", "owner", "audience")
    row = dict(zip(names, key, strict=True)) | {"seen_at": await clock(db)}
    statement = insert_into(db)(CarriedObject).values(**row)
    await db.exec(
        statement.on_conflict_do_update(
            index_elements=list(names), set_={"seen_at": statement.excluded["seen_at"]}
        )
    )


async def forget_old(db: AsyncSession) -> None:
    """Forget what was not carried for long."""
    await db.exec(delete(CarriedObject).where(col(CarriedObject.seen_at) < await clock(db) - KEPT))
