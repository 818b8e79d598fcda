"""Changing what a partner may see, and having it told what that changes for it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from sqlalchemy import delete, insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.context import Context
from ocpi.errors import InvalidParameters, UnknownObject
from ocpi.messages import log
from ocpi.parties import Partner
from ocpi.push.feed import SyncObject, feed_key
from ocpi.push.lanes import HeldObject, PartnerLane, park_late
from ocpi.sight import RULED, Sight, SightRule
from ocpi.spec.reading import problems
from ocpi.store import Store

Rules = tuple[SightRule, ...]
Stores = Mapping[str, Store[Any]]


@dataclass(frozen=True)
class Ruled:
    """The rules of a partner after a change, and how many objects it made visible or hid."""

    rules: Rules
    shown: int = 0
    hidden: int = 0


async def find_partner(db: AsyncSession, name: str, *, lock: bool = False) -> Partner:
    """The partner of that name; raises ``UnknownObject``."""
    query = select(Partner).where(Partner.name == name)
    found = await db.exec(query.with_for_update() if lock else query)
    partner = found.one_or_none()
    if partner is None:
        raise UnknownObject(f"There is no partner {name}: see `ocpi partner list`.")
    return partner


def sight_of(partner: Partner) -> Sight:
    """What a partner may see."""
    return Sight(tuple(SightRule.model_validate(each) for each in partner.rules or ()))


async def list_rules(context: Context, name: str) -> Rules:
    """The rules of a partner, oldest first."""
    async with context.database.read() as db:
        return sight_of(await find_partner(db, name)).rules


async def add_rules(
    context: Context, stores: Stores, name: str, wishes: Sequence[Mapping[str, Any]]
) -> Ruled:
    """Add rules, numbered on; raises ``InvalidParameters`` for one that cannot be."""

    def extended(rules: Rules) -> Rules:
        first = max((rule.number for rule in rules), default=0) + 1
        try:
            added = [SightRule(**{**wish, "number": first + n}) for n, wish in enumerate(wishes)]
        except ValidationError as error:
            raise InvalidParameters(problems(error)) from None
        return (*rules, *added)

    return await _change(context, stores, name, extended)


async def remove_rule(context: Context, stores: Stores, name: str, number: int) -> Ruled:
    """Remove a rule; raises ``UnknownObject`` where there is none of that number."""

    def reduced(rules: Rules) -> Rules:
        kept = tuple(rule for rule in rules if rule.number != number)
        if kept == rules:
            raise UnknownObject(
                f"{name} has no rule {number}: see `ocpi partner rule list {name}`."
            )
        return kept

    return await _change(context, stores, name, reduced)


async def _change(
    context: Context, stores: Stores, name: str, edit: Callable[[Rules], Rules]
) -> Ruled:
    async with context.database.write() as db:
        partner = await find_partner(db, name, lock=True)
        before = sight_of(partner)
        after = Sight(edit(before.rules))
        stored = [rule.model_dump(mode="json", exclude_none=True) for rule in after.rules]
        partner.rules = stored or None
        db.add(partner)
        await db.flush()
        shown = hidden = 0
        for module in RULED:
            if before.of(module) != after.of(module):
                facts = await stores[module].all_facts(db)
                new = {each.key for each in facts if after.of(module).admits(each)}
                old = {each.key for each in facts if before.of(module).admits(each)}
                shown, hidden = shown + len(new - old), hidden + len(old - new)
                await _tell(db, partner.key, module, before, after, sorted(new ^ old))
    log.info("rules changed", partner=name, rules=[str(rule) for rule in after.rules])
    return Ruled(after.rules, shown, hidden)


async def _tell(
    db: AsyncSession,
    partner_id: int,
    module: str,
    before: Sight,
    after: Sight,
    changed: Sequence[str],
) -> None:
    """Have a registered partner told what it sees now, and what it must not see any more.

    The lane is taken up anew, so that nothing is sent that the old rules allowed.
    """
    lane = await db.get(PartnerLane, partner_id, with_for_update=True, populate_existing=True)
    if lane is None:
        return
    lane.epoch += 1
    db.add(lane)
    held = delete(HeldObject).where(
        col(HeldObject.partner_id) == partner_id, col(HeldObject.object_key).like(f"{module}/%")
    )
    if not before.of(module):
        # Without rules nobody kept account: it may hold everything.
        await db.exec(held)
        await _hold_all(db, partner_id, module)
    elif not after.of(module):
        await db.exec(held)
    await park_late(db, partner_id, [feed_key(module, key) for key in changed])
    db.info["stamped"] = True


async def _hold_all(db: AsyncSession, partner_id: int, module: str) -> None:
    found = await db.exec(
        select(SyncObject.key).where(
            col(SyncObject.module) == module,
            col(SyncObject.deleted).is_(False),
            col(SyncObject.key).not_like("%/%/%"),
        )
    )
    rows = [{"partner_id": partner_id, "object_key": key, "whole": True} for key in found.all()]
    if rows:
        await db.exec(insert(HeldObject), params=rows)


async def reconsider(db: AsyncSession, module: str, object_key: str) -> None:
    """Have partners with rules told of an object of which rules may think otherwise now."""
    ruled = await db.exec(select(Partner).where(col(Partner.rules).is_not(None)))
    for partner in ruled.all():
        if sight_of(partner).of(module):
            await park_late(db, partner.key, [feed_key(module, object_key)])
    db.info["stamped"] = True
