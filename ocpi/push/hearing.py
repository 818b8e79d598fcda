"""Who has heard the newest of one object, for staff who look at it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select as select_columns
from sqlalchemy import true, union
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.directory import PRESENTED, AnnouncedParty
from ocpi.parties import Partner, PartnerRole
from ocpi.push.addressee import DRIVERS_BEHIND, OWN_DRIVERS
from ocpi.push.breaker import REASONS
from ocpi.push.feed import SyncObject
from ocpi.push.lanes import ParkedObject, PartnerLane


@dataclass(frozen=True)
class Hearing:
    """How far one partner has heard of an object."""

    partner: str
    state: str
    """told, waiting (for its turn), parked, stopped, suspended or unregistered (by this party)."""
    why: str | None = None


async def hearings(db: AsyncSession, key: str) -> Sequence[Hearing]:
    """The partners that an object is for, and whether they have heard its newest change.

    `key` is the feed's. Only Sessions and CDRs are for somebody in particular; of any other object,
    and of one that we need not tell, nobody is found.
    """
    told = await db.get(SyncObject, key)
    if told is None or told.audience is None:
        return ()
    ways: Any = union(
        select_columns(col(PartnerRole.partner_id), PRESENTED).where(
            col(PartnerRole.party) == told.audience, OWN_DRIVERS
        ),
        select_columns(col(AnnouncedParty.partner_id), true()).where(
            col(AnnouncedParty.party) == told.audience, DRIVERS_BEHIND
        ),
    )
    reached = [tuple(way) for way in (await db.exec(ways)).all()]
    named = {partner_id for partner_id, presented in reached if presented}
    found = await db.exec(
        select(Partner, PartnerLane)
        .outerjoin(PartnerLane, col(PartnerLane.partner_id) == col(Partner.id))
        .where(col(Partner.id).in_({partner_id for partner_id, _ in reached}))
        .order_by(col(Partner.name))
    )
    parked = await db.exec(select(ParkedObject).where(ParkedObject.object_key == key))
    parkings = {each.partner_id: each for each in parked.all()}
    return [
        _hearing(told, partner, lane, parkings.get(partner.key))
        if lane is None or partner.key in named
        else Hearing(partner.name, "unregistered", "Its Credentials do not name this party.")
        for partner, lane in found.all()
    ]


def _hearing(
    told: SyncObject, partner: Partner, lane: PartnerLane | None, parked: ParkedObject | None
) -> Hearing:
    if partner.suspended:
        return Hearing(partner.name, "suspended", f"`ocpi partner resume {partner.name}` ends it.")
    if lane is None:
        return Hearing(partner.name, "unregistered", "It is told nothing until it registers.")
    if parked is not None:
        why = f"{parked.attempts} tries ({parked.kind}). {parked.error or ''}".strip()
        return Hearing(partner.name, "parked", why)
    if lane.cursors.get(told.stream, 0) >= told.seq:
        return Hearing(partner.name, "told")
    if lane.breaker is not None:
        why = f"{REASONS[lane.breaker['reason']]} {lane.breaker['sentence']}"
        return Hearing(partner.name, "stopped", why)
    return Hearing(partner.name, "waiting", "It waits for its turn.")
