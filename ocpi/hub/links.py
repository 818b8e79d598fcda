"""URLs that stand for a party's own, for which others have no token (RT-20 to RT-23).

A link is bound to the two parties it is between and to who may follow it. Its address is derived
from what it stands for, under the secret key: nobody can guess it, and the same URL met again has
the same address on whatever machine, so that a CDR that is posted twice has one place.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Column, ForeignKey, Text, bindparam, delete, select
from sqlmodel import Field, SQLModel, col
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.agreements import may_send
from ocpi.callbacks import lies_with
from ocpi.context import Context, Interface
from ocpi.database import Database, clock
from ocpi.errors import UnknownObject
from ocpi.headers import Party
from ocpi.hub.message import Message
from ocpi.hub.targets import Destination, locate
from ocpi.ownwords import insert_into
from ocpi.parties import VERSION, PlatformID

DAY = 24 * 3600 * 1_000_000
PAGE_LIFE = DAY
RESULT_LIFE = 31 * DAY
"""A reservation may be called off weeks after it was made (CM-23)."""
CDR_LIFE = 400 * DAY
"""A bill is argued about for a year and more."""


class HubLink(SQLModel, table=True):
    """What one address of ours stands for."""

    __tablename__ = "hub_link"

    id: str = Field(primary_key=True)
    method: str
    """The one method that it is followed with."""
    module: str
    interface: str
    follower_id: int = Field(
        sa_column=Column(ForeignKey("partner.id", ondelete="CASCADE"), nullable=False)
    )
    """The partner that may follow it..."""
    from_country_code: str
    from_party_id: str
    """...as this party..."""
    to_country_code: str
    to_party_id: str
    """...to this one..."""
    partner_id: int = Field(
        sa_column=Column(ForeignKey("partner.id", ondelete="CASCADE"), nullable=False)
    )
    """...at this partner's real address."""
    url: str = Field(sa_type=Text)
    expires_at: int = Field(sa_type=BigInteger, index=True)


@dataclass(frozen=True)
class End:
    """One end of a link: a party, and the partner on whose connection it is."""

    party: Party
    partner_id: int


@dataclass(frozen=True)
class Meaning:
    """What a link is to stand for."""

    interface: Interface
    method: str
    url: str
    follower: End
    owner: End
    """Whose URL it is."""
    life: int
    """Microseconds."""


def link_url(context: Context, identifier: str) -> str:
    """The address of a link; that of no id is what all of them begin with."""
    return f"{context.platform_url(PlatformID.HUB)}/{VERSION}/links/{identifier}"


async def make_link(context: Context, meaning: Meaning) -> str:
    """An address of ours that stands for a partner's; made again it lives on."""
    follower, owner = meaning.follower, meaning.owner
    identifier = context.seal.tag(
        *(meaning.method, meaning.interface.module, meaning.interface.role, meaning.url),
        *(str(follower.partner_id), follower.party.key),
        *(str(owner.partner_id), owner.party.key),
    )
    async with context.database.write() as db:
        await _store(db, identifier, meaning, await clock(db) + meaning.life)
    return link_url(context, identifier)


async def _store(db: AsyncSession, identifier: str, meaning: Meaning, expires_at: int) -> None:
    row = HubLink(
        id=identifier,
        method=meaning.method,
        module=meaning.interface.module,
        interface=meaning.interface.role,
        follower_id=meaning.follower.partner_id,
        from_country_code=meaning.follower.party.country_code,
        from_party_id=meaning.follower.party.party_id,
        to_country_code=meaning.owner.party.country_code,
        to_party_id=meaning.owner.party.party_id,
        partner_id=meaning.owner.partner_id,
        url=meaning.url,
        expires_at=expires_at,
    )
    statement = insert_into(db)(HubLink).values(**row.model_dump())
    await db.exec(
        statement.on_conflict_do_update(
            index_elements=["id"], set_={"expires_at": statement.excluded["expires_at"]}
        )
    )


_NO_LINK = "There is no such link, or it has expired, or it is not yours."
_NAMES = tuple(HubLink.model_fields)
_LINK = select(*(getattr(HubLink, name) for name in _NAMES)).where(
    col(HubLink.id) == bindparam("id")
)


async def follow(
    context: Context, message: Message, identifier: str, now: int
) -> tuple[Message, Destination]:
    """Where a link leads whom it was made for, and the message as its receiver takes it.

    Raises ``UnknownObject`` for everybody else, when it has expired, and for who may not ask its
    receiver any more; ``ReceiverAway``.
    """
    link = await _read(context.database, identifier)
    if link is None or link.expires_at <= now or not _is_for(link, message):
        raise UnknownObject(_NO_LINK)
    to = Party(link.to_country_code, link.to_party_id)
    if not await _is_open(context, link, message.sender, to):
        raise UnknownObject(_NO_LINK)
    interface = Interface(link.module, link.interface)
    destination = await locate(context, to, interface, link.partner_id, link.url)
    # A partner that has moved must not have its token sent to where it was.
    if destination is None or not await lies_with(context.database, link.partner_id, link.url):
        raise UnknownObject("This link leads nowhere any more.")
    sender = Party(link.from_country_code, link.from_party_id)
    meant = Message(
        caller=message.caller,
        sender=sender,
        to=to,
        ids=message.ids,
        method=message.method,
        interface=link.interface,
        module=link.module,
        path="",
        body=message.body,
    )
    return meant, destination


async def follower_of(database: Database, identifier: str, partner_id: int) -> Party | None:
    """The party that a link was made for, if it is on this partner's connection."""
    link = await _read(database, identifier)
    if link is None or link.follower_id != partner_id:
        return None
    return Party(link.from_country_code, link.from_party_id)


async def _is_open(context: Context, link: HubLink, sender: Party, to: Party) -> bool:
    """Results go back freely, whatever was agreed since they were asked for."""
    return link.method == "POST" or await may_send(
        context.database, sender.key, to.key, link.module, default=context.settings.hub_is_open
    )


def _is_for(link: HubLink, message: Message) -> bool:
    to = Party(link.to_country_code, link.to_party_id)
    return (
        link.method == message.method
        and link.follower_id == message.caller.partner_id
        and message.sender.key == Party(link.from_country_code, link.from_party_id).key
        and (message.to is None or message.to.key == to.key)
    )


async def _read(database: Database, identifier: str) -> HubLink | None:
    rows = await database.fetch("hub.link", _LINK, {"id": identifier})
    named: dict[str, Any] = dict(zip(_NAMES, rows[0], strict=True)) if rows else {}
    return HubLink(**named) if named else None


async def forget_expired(db: AsyncSession) -> None:
    """Forget the links that nobody may follow any more."""
    await db.exec(delete(HubLink).where(col(HubLink.expires_at) <= await clock(db)))
