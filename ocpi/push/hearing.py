"""Who has heard the newest of one object, for staff who look at it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select as select_columns
from sqlalchemy import true, union
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.directory import PRESENTED, AnnouncedParty
from ocpi.parties import Partner, PartnerEndpoint, PartnerRole
from ocpi.push.addressee import DRIVERS_BEHIND, OWN_DRIVERS
from ocpi.push.breaker import REASONS
from ocpi.push.feed import SyncObject
from ocpi.push.lanes import ParkedObject, PartnerLane, Receipt


@dataclass(frozen=True)
class Hearing:
    """How far one partner has heard of an object."""

    partner: str
    state: str
    """told, waiting (for its turn), parked, stopped, suspended or unregistered (by this party).

    Or no endpoint (for such objects), or untold: its lane has passed a bill that it was not sent.
    """
    why: str | None = None


@dataclass(frozen=True)
class _Known:
    """What is known of one object, whoever is to hear of it."""

    told: SyncObject
    parkings: Mapping[int, ParkedObject]
    able: Collection[int]
    """The partners that have an endpoint for it."""
    accepted: Sequence[str]
    """Those that have accepted it, by name: of bills alone there are receipts."""


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
    known = await _known(db, told)
    return [
        _hearing(known, partner, lane)
        if lane is None or partner.key in named
        else Hearing(partner.name, "unregistered", "Its Credentials do not name this party.")
        for partner, lane in found.all()
    ]


async def _known(db: AsyncSession, told: SyncObject) -> _Known:
    parked = await db.exec(select(ParkedObject).where(ParkedObject.object_key == told.key))
    able = await db.exec(
        select(col(PartnerEndpoint.partner_id)).where(
            col(PartnerEndpoint.identifier) == told.module, col(PartnerEndpoint.role) == "RECEIVER"
        )
    )
    accepted = await db.exec(
        select(col(Receipt.partner)).where(col(Receipt.object_key) == told.key)
    )
    parkings = {each.partner_id: each for each in parked.all()}
    return _Known(told, parkings, set(able.all()), accepted.all())


def _hearing(known: _Known, partner: Partner, lane: PartnerLane | None) -> Hearing:
    parked = known.parkings.get(partner.key)
    if partner.suspended:
        return Hearing(partner.name, "suspended", f"`ocpi partner resume {partner.name}` ends it.")
    if lane is None:
        return Hearing(partner.name, "unregistered", "It is told nothing until it registers.")
    if parked is not None:
        why = f"{parked.attempts} tries ({parked.kind}). {parked.error or ''}".strip()
        return Hearing(partner.name, "parked", why)
    return _progress(known, partner, lane)


def _progress(known: _Known, partner: Partner, lane: PartnerLane) -> Hearing:
    told = known.told
    if partner.name in known.accepted:
        return Hearing(partner.name, "told")
    if partner.key not in known.able:
        return Hearing(partner.name, "no endpoint", f"It has none that receives {told.module}.")
    if lane.cursors.get(told.stream, 0) >= told.seq:
        return _passed(known, partner)
    if lane.breaker is not None:
        why = f"{REASONS[lane.breaker['reason']]} {lane.breaker['sentence']}"
        return Hearing(partner.name, "stopped", why)
    return Hearing(partner.name, "waiting", "It waits for its turn.")


def _passed(known: _Known, partner: Partner) -> Hearing:
    """A lane passes what it has told, and what it need not tell; who has a bill has said so."""
    if known.told.module != "cdrs":
        return Hearing(partner.name, "told")
    if known.accepted:
        return Hearing(partner.name, "untold", f"{known.accepted[0]} has accepted it.")
    return Hearing(
        partner.name,
        "untold",
        "Another connection is told it, or no agreement allows it: see `ocpi push audit`.",
    )
