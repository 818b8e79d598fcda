"""Changing what a partner may see, and having it told what that changes for it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError
from sqlalchemy import delete, insert, or_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.context import Context
from ocpi.errors import InvalidParameters, UnknownObject
from ocpi.messages import log
from ocpi.parties import Partner
from ocpi.push.feed import SyncObject, feed_key
from ocpi.push.lanes import HeldObject, PartnerLane, lock_lanes, park_late
from ocpi.sight import RULED, Sight, SightRule, named, naming, sight_from
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


@dataclass(frozen=True)
class Effect:
    """How many objects a change made visible, hid, and had told anew as they read differently."""

    shown: int = 0
    hidden: int = 0
    told: int = 0


async def find_partner(db: AsyncSession, name: str, *, lock: bool = False) -> Partner:
    """The partner of that name; raises ``UnknownObject``."""
    query = select(Partner).where(Partner.name == name)
    # A stronger lock would wait for whoever parks something for the partner, who has its lane's.
    found = await db.exec(query.with_for_update(key_share=True) if lock else query)
    partner = found.one_or_none()
    if partner is None:
        raise UnknownObject(f"There is no partner {name}: see `ocpi partner list`.")
    return partner


def sight_of(partner: Partner) -> Sight:
    """What a partner may see."""
    return sight_from(partner.rules or (), partner.mappings or ())


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
        after = replace(before, rules=edit(before.rules))
        effect = await change_sight(db, stores, partner, after)
    log.info("rules changed", partner=name, rules=[str(rule) for rule in after.rules])
    return Ruled(after.rules, effect.shown, effect.hidden)


async def change_sight(db: AsyncSession, stores: Stores, partner: Partner, after: Sight) -> Effect:
    """Give a partner, whose row is locked, other rules or mappings, and have it told."""
    before = sight_of(partner)
    rules = [rule.model_dump(mode="json", exclude_none=True) for rule in after.rules]
    partner.rules = rules or None
    partner.mappings = [each.model_dump() for each in after.mappings.every] or None
    db.add(partner)
    await db.flush()
    dates = after.mappings.dates.items() - before.mappings.dates.items()
    shown = hidden = told = 0
    for module in RULED:
        if before.of(module) != after.of(module):
            facts = await stores[module].all_facts(db)
            new = {each.key for each in facts if after.of(module).admits(each)}
            old = {each.key for each in facts if before.of(module).admits(each)}
            redated = await keys_naming(db, stores[module], [key for key, _ in dates])
            shown, hidden, told = (
                shown + len(new - old),
                hidden + len(old - new),
                told + len(redated & new),
            )
            await _tell(db, partner.key, module, before, after, sorted((new ^ old) | redated))
    return Effect(shown, hidden, told)


async def keys_naming(db: AsyncSession, store: Store[Any], tariffs: Iterable[str]) -> set[str]:
    """The keys of the objects of a kind that are or name one of these Tariffs."""
    given = named("tariff", tariffs)
    if not given:
        return set()
    table = store.table.__table__
    found = await db.exec(
        select(table.c.key).where(or_(*naming(table, [*given], "tariff"))), params=given
    )
    return {*found.all()}


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
    if not (before.of(module) and after.of(module)):
        await db.exec(held)
    if after.of(module) and not before.of(module):
        # Where nothing could be hidden nobody kept account: it may hold everything.
        await _hold_all(db, partner_id, module)
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
    concerned = [partner.key for partner in ruled if sight_of(partner).of(module)]
    await lock_lanes(db, col(PartnerLane.partner_id).in_(concerned))
    for partner_id in concerned:
        await park_late(db, partner_id, [feed_key(module, object_key)])
    db.info["stamped"] = True
