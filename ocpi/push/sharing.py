"""What parties have shared is told anew when a change has them share it again.

All lanes pass over what is of a party that shares nothing now, see `ocpi.directory`. Where others
were told that it had left, its return is news, and what it shares is told behind that (HC-09).
Of who was away for no more than a moment nobody was told: it is for who brings it back to see to
that, in the same transaction.
"""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from sqlalchemy import column, table, union
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.directory import AnnouncedParty, Directory, read_some
from ocpi.editing import object_key
from ocpi.parties import PartnerRole
from ocpi.push.returning import tell_shared
from ocpi.sides import FOR_ALL
from ocpi.spec.document import decode
from ocpi.spec.hubclientinfo import ConnectionStatus

# What others were told last of each party in each role: the module of the ClientInfos has it.
_TOLD = table("client_info", column("key"), column("body"))
_LEFT = (ConnectionStatus.PLANNED, ConnectionStatus.SUSPENDED)


async def parties_at(db: AsyncSession, partner_id: int) -> Collection[str]:
    """The keys of all parties that are reached at a partner, or shall be."""
    ways = (
        select(col(way.party)).where(col(way.partner_id) == partner_id)
        for way in (PartnerRole, AnnouncedParty)
    )
    return [party for (party,) in await db.exec(union(*ways))]  # type: ignore[call-overload]


@asynccontextmanager
async def sharing_again(db: AsyncSession, parties: Collection[str]) -> AsyncIterator[None]:
    """Tell anew what these parties, by their keys, share after the block and did not before it.

    The block comes before any lane is locked, since whoever locks both begins with the feed.
    """
    before = await read_some(db, parties)
    yield
    await db.flush()
    after = await read_some(db, parties)
    gained = {party: roles for party in after.members if (roles := _gained(before, after, party))}
    if unnoticed := await _unnoticed(db, after, gained):
        await tell_shared(db, unnoticed)


def _gained(before: Directory, after: Directory, party: str) -> set[str]:
    """The roles by which a party shares what it did not share in any."""
    new = (module for module in FOR_ALL if not before.sharers(party, module))
    return {each.role for module in new for each in after.sharers(party, module)}


async def _unnoticed(
    db: AsyncSession, directory: Directory, gained: dict[str, set[str]]
) -> Collection[str]:
    """Those of whom others were told something, but not that they have left in such a role.

    Whose return is news is told then, and not before: receivers would refuse it. And of whom nobody
    was told anything has not been here for long enough to have shared something.
    """
    keys = {
        object_key(each.party, each.role): (party, each.role)
        for party in gained
        for each in directory.members[party]
    }
    query = select(_TOLD.c.key, _TOLD.c.body).where(_TOLD.c.key.in_(keys))
    # Whoever is just telling that one is back, or has left, has these rows locked.
    found = await db.exec(query.order_by(_TOLD.c.key).with_for_update()) if keys else ()
    told = {keys[key]: decode(body)["status"] for key, body in found}
    news = {
        party for (party, role), said in told.items() if role in gained[party] and said in _LEFT
    }
    return {party for party, _ in told} - news
