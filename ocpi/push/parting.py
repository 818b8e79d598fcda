"""Whom a rule makes unknown to a partner is told to it as gone, once (HC-05).

What must be told is stored with the rule, as held by the partner, see `ocpi.push.holding`; of whom
a partner was not to know before it learns nothing.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping

from sqlalchemy import delete
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.agreements import ANY, Agreements, RuleKey
from ocpi.context import Context
from ocpi.database import stamp
from ocpi.directory import Directory, read_directory
from ocpi.ownwords import insert_into
from ocpi.parties import PartnerEndpoint
from ocpi.push.addressee import CLIENT_INFOS, info_key
from ocpi.push.feed import Change, Stream, SyncObject, changed, read_key
from ocpi.push.lanes import AT_ONCE, HeldObject, PartnerLane


async def part(context: Context, db: AsyncSession, rule: RuleKey, *, said: bool | None) -> None:
    """Have those that a rule parts told so, unless they meet again; `said` is None if it is gone.

    Runs in the transaction that changes the rule, before the change. Until its end nobody is told
    of any further party, nor is another rule changed.
    """
    await stamp(db, Stream.STATE, 0)
    directory = await read_directory(context.database, context.settings)
    now = directory.agreements
    await _part(db, directory, rule, now, now.but(rule, said=said))


async def part_by_default(context: Context, db: AsyncSession, *, was_open: bool) -> None:
    """The same where another default holds now than did, for those of whom no rule speaks."""
    await stamp(db, Stream.STATE, 0)
    directory = await read_directory(context.database, context.settings)
    now = directory.agreements
    await _part(db, directory, (ANY, ANY, ANY), now.by_default(default=was_open), now)


async def _part(
    db: AsyncSession, directory: Directory, rule: RuleKey, before: Agreements, after: Agreements
) -> None:
    infos = await _infos(db)
    own: dict[int, set[str]] = defaultdict(set)
    told_of_own: dict[int, set[str]] = defaultdict(set)
    for party, members in directory.members.items():
        for member in members:
            if member.partner_id is not None:
                own[member.partner_id].add(party)
                told_of_own[member.partner_id].add(info_key(member))
    touched: set[str] = set()
    for partner_id in await _listeners(db):
        mine = own[partner_id]
        others = _named_with(mine, rule, infos)
        knew, knows = _known(before, mine, others), _known(after, mine, others)
        lost = {key for party in knew - knows for key in infos[party]} - told_of_own[partner_id]
        met = {key for party in knows - knew for key in infos[party]} - told_of_own[partner_id]
        await _note(db, partner_id, lost, met)
        touched |= lost
        await asyncio.sleep(0)  # Of thousands of partners, all at once would hold everything up.
    await changed(db, *(Change(CLIENT_INFOS, read_key(key)[0]) for key in sorted(touched)))


async def _infos(db: AsyncSession) -> Mapping[str, Collection[str]]:
    """The feed's keys of all ClientInfos that were told to anybody, by party."""
    found = await db.exec(
        select(SyncObject.owner, SyncObject.key).where(col(SyncObject.module) == CLIENT_INFOS)
    )
    infos: dict[str, set[str]] = defaultdict(set)
    for owner, key in found:
        infos[owner].add(key)
    return infos


async def _listeners(db: AsyncSession) -> Collection[int]:
    """The partners that are told ClientInfos, by id."""
    found = await db.exec(
        select(PartnerLane.partner_id)
        .join(PartnerEndpoint, col(PartnerEndpoint.partner_id) == col(PartnerLane.partner_id))
        .where(PartnerEndpoint.identifier == CLIENT_INFOS, PartnerEndpoint.role == "RECEIVER")
        .order_by(col(PartnerLane.partner_id))
    )
    return found.all()


def _named_with(mine: Collection[str], rule: RuleKey, parties: Collection[str]) -> set[str]:
    """The parties that a rule names together with any of a partner's own.

    These may be among them: on another connection they play other roles.
    """
    sender, receiver, _ = rule
    others: set[str] = set()
    for here, there in ((sender, receiver), (receiver, sender)):
        if here == ANY or here in mine:
            others.update(parties if there == ANY else {there}.intersection(parties))
    return others


def _known(agreements: Agreements, mine: Collection[str], others: Collection[str]) -> set[str]:
    """Those of others whom any of a partner's own parties may know."""
    return {each for each in others if any(agreements.knows(one, each) for one in mine)}


async def _note(db: AsyncSession, partner_id: int, lost: set[str], met: set[str]) -> None:
    keys = sorted(lost | met)
    for first in range(0, len(keys), AT_ONCE):
        some = keys[first : first + AT_ONCE]
        held = col(HeldObject.partner_id) == partner_id, col(HeldObject.object_key).in_(some)
        await db.exec(delete(HeldObject).where(*held))
        rows = [
            {"partner_id": partner_id, "object_key": key, "whole": True}
            for key in some
            if key in lost
        ]
        if rows:
            await db.exec(insert_into(db)(HeldObject), params=rows)
