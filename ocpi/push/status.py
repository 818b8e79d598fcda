"""What operators see of the push, and what they may do to it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, case, func, literal, or_, union_all, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.database import clock
from ocpi.directory import PRESENTED, AnnouncedParty
from ocpi.parties import (
    OurParty,
    Partner,
    PartnerEndpoint,
    PartnerRole,
    PlatformID,
    State,
    waits_for_check,
)
from ocpi.push.addressee import DRIVERS_BEHIND, OWN_DRIVERS
from ocpi.push.breaker import REASONS
from ocpi.push.feed import FeedHead, Stream, SyncObject
from ocpi.push.lanes import (
    ParkedObject,
    PartnerLane,
    Receipt,
    is_landing,
    lock_lanes,
    restart_lanes,
    rewind_lane,
)
from ocpi.push.parking import Why
from ocpi.spec.moments import moment_of


@dataclass(frozen=True)
class LaneStatus:
    """How far one partner is up to date."""

    partner: str
    state: str
    """active, stopped or unchecked (see `reason`), suspended or unregistered."""
    behind: int
    """Objects of which it has not heard the newest change, parked ones not counted."""
    oldest: str | None
    """The object whose change has waited longest among them."""
    parked: Mapping[str, int] = field(default_factory=dict)
    """How many objects are parked, by kind, see `ocpi.push.parking.Why`."""
    reason: str | None = None
    """Why nothing is sent, and what the partner last answered."""
    stopped_at: datetime | None = None
    next_probe_at: datetime | None = None
    last_success_at: datetime | None = None
    last_error: str | None = None
    paused_until: datetime | None = None
    """The end of a pause that the partner has asked for: nothing is sent before."""


async def lane_status(
    db: AsyncSession, names: Collection[str] | None = None, *, require_check: bool
) -> list[LaneStatus]:
    """Every lane by the partner's name, or those of some partners, if they have one.

    With `require_check`, who has not passed it waits. Lanes that have heard of everything cost no
    statement of their own.
    """
    query = select(PartnerLane, Partner).join(Partner).order_by(col(Partner.name))
    found = await db.exec(query if names is None else query.where(col(Partner.name).in_(names)))
    lanes = found.all()
    heads = {head.stream: head.seq for head in await db.exec(select(FeedHead))}
    parked = await _parked_kinds(db, [lane.partner_id for lane, _ in lanes])
    now = await clock(db)
    told = []
    for lane, partner in lanes:
        up_to_date = all(lane.cursors.get(stream, 0) >= seq for stream, seq in heads.items())
        lag = (0, None) if up_to_date else await _lag(db, lane, partner)
        unchecked = require_check and partner.passed_at is None
        kinds = parked.get(lane.partner_id, {})
        told.append(_status(lane, partner, lag, kinds, now, unchecked=unchecked))
    return told


async def _parked_kinds(db: AsyncSession, ids: Sequence[int]) -> dict[int, dict[str, int]]:
    """How many objects are parked of each of these partners, by kind."""
    columns = col(ParkedObject.partner_id), col(ParkedObject.kind)
    found = await db.exec(
        select(*columns, func.count()).where(columns[0].in_(ids)).group_by(*columns)
    )
    parked: dict[int, dict[str, int]] = {}
    for partner_id, kind, count in found:
        parked.setdefault(partner_id, {})[kind] = count
    return parked


def _status(
    lane: PartnerLane,
    partner: Partner,
    lag: tuple[int, str | None],
    parked: Mapping[str, int],
    now: int,
    *,
    unchecked: bool,
) -> LaneStatus:
    behind, oldest = lag
    breaker = lane.breaker or {}
    reason = f"{REASONS[breaker['reason']]} {breaker['sentence']}" if breaker else None
    state = _state(lane, partner)
    if unchecked and state in ("active", "stopped"):
        state, reason = "unchecked", waits_for_check(partner.name)
    return LaneStatus(
        partner=partner.name,
        state=state,
        behind=behind,
        oldest=oldest,
        parked=parked,
        reason=reason,
        stopped_at=_moment(breaker.get("opened_at")),
        next_probe_at=_moment(breaker.get("next_probe_at")),
        last_success_at=_moment(lane.last_success_at),
        last_error=lane.last_error,
        paused_until=_pause(lane, now),
    )


async def pause_of(db: AsyncSession, partner_id: int) -> datetime | None:
    """The end of a pause that a partner has asked for; None: it has not, or it is over."""
    lane = await db.get(PartnerLane, partner_id)
    return None if lane is None else _pause(lane, await clock(db))


def _pause(lane: PartnerLane, now: int) -> datetime | None:
    until = lane.paused_until
    return None if until is None or until <= now else moment_of(until)


def _state(lane: PartnerLane, partner: Partner) -> str:
    if partner.suspended:
        return "suspended"
    if partner.state not in (State.ISSUED, State.CONFIRMED) or partner.token_out is None:
        return "unregistered"
    return "active" if lane.breaker is None else "stopped"


def _moment(at: int | None) -> datetime | None:
    return None if at is None else moment_of(at)


async def _lag(db: AsyncSession, lane: PartnerLane, partner: Partner) -> tuple[int, str | None]:
    """How many rows of the feed lie before the partner, and the oldest of them."""
    where = _ahead(lane, partner)
    count = await db.exec(select(func.count()).select_from(SyncObject).where(*where))
    oldest = await db.exec(
        select(col(SyncObject.key)).where(*where).order_by(col(SyncObject.seq)).limit(1)
    )
    return count.one(), oldest.first()


async def pending_objects(
    db: AsyncSession, name: str, *, limit: int, offset: int = 0
) -> Sequence[SyncObject]:
    """What a partner has still to hear of, what bills first, then the longest waiting."""
    lanes = await db.exec(select(PartnerLane, Partner).join(Partner).where(Partner.name == name))
    lane = lanes.first()
    if lane is None:
        return []
    found = await db.exec(
        select(SyncObject)
        .where(*_ahead(*lane))
        .order_by(col(SyncObject.stream), col(SyncObject.seq))
        .limit(limit)
        .offset(offset)
    )
    return found.all()


async def receipt_count(db: AsyncSession, name: str) -> int:
    """How many CDRs a partner has accepted, and which can be proved."""
    found = await db.exec(
        select(func.count()).select_from(Receipt).where(col(Receipt.partner) == name)
    )
    return found.one()


def _ahead(lane: PartnerLane, partner: Partner) -> Sequence[ColumnElement[bool]]:
    """What the rows of the feed are like that lie before a partner."""
    at_hub = literal(partner.platform == PlatformID.HUB)
    owners = union_all(
        select(col(OurParty.party)).where(col(OurParty.platform) == PlatformID.CPO.value),
        # Of the hub all others, too; what they may not hear their lanes have passed at once.
        select(col(PartnerRole.party)).where(
            col(PartnerRole.platform) == PlatformID.HUB.value,
            col(PartnerRole.partner_id) != lane.partner_id,
            at_hub,
        ),
        select(col(AnnouncedParty.party))
        .join(Partner, col(Partner.id) == col(AnnouncedParty.partner_id))
        .where(
            col(Partner.platform) == PlatformID.HUB.value,
            col(AnnouncedParty.partner_id) != lane.partner_id,
            at_hub,
        ),
    )
    modules = select(col(PartnerEndpoint.identifier)).where(
        col(PartnerEndpoint.partner_id) == lane.partner_id,
        col(PartnerEndpoint.role) == "RECEIVER",
    )
    parties = union_all(
        select(col(PartnerRole.party)).where(
            col(PartnerRole.partner_id) == lane.partner_id, PRESENTED, OWN_DRIVERS
        ),
        select(col(AnnouncedParty.party)).where(
            col(AnnouncedParty.partner_id) == lane.partner_id, DRIVERS_BEHIND
        ),
    )
    ahead = or_(
        *(
            (col(SyncObject.stream) == stream) & (col(SyncObject.seq) > lane.cursors.get(stream, 0))
            for stream in Stream
        )
    )
    return (
        ahead,
        col(SyncObject.owner).in_(owners),
        col(SyncObject.module).in_(modules),
        or_(col(SyncObject.audience).is_(None), col(SyncObject.audience).in_(parties)),
    )


async def parked_objects(
    db: AsyncSession, partner_id: int, *, limit: int | None = None, offset: int = 0
) -> Sequence[ParkedObject]:
    """What a partner did not take, longest first."""
    found = await db.exec(
        select(ParkedObject)
        .where(col(ParkedObject.partner_id) == partner_id)
        .order_by(col(ParkedObject.first_failed_at), col(ParkedObject.object_key))
        .limit(limit)
        .offset(offset)
    )
    return found.all()


async def retry(db: AsyncSession, partner_id: int, key: str | None = None) -> int:
    """Have a parked object, or all of them, tried now; dead ones live again. Returns how many.

    A partner that is stopped is asked at once whether it is back. What was dropped lives again only
    when it is named. What waits until it is known what became of it in another way goes on waiting.
    """
    # The lane first, as whoever stores its progress has it.
    await lock_lanes(db, col(PartnerLane.partner_id) == partner_id)
    wanted = col(ParkedObject.partner_id) == partner_id
    if key is None:
        wanted &= col(ParkedObject.kind) != Why.DROPPED
    else:
        wanted &= col(ParkedObject.object_key) == key
    dead = wanted & col(ParkedObject.kind).in_([Why.DEAD.value, Why.DROPPED.value])
    await db.exec(update(ParkedObject).where(dead).values(kind=Why.REJECTED.value, attempts=0))
    now = await clock(db)
    soon = case((is_landing(now), col(ParkedObject.next_at)), else_=now)
    tried = await db.exec(update(ParkedObject).where(wanted).values(next_at=soon))
    await _probe_at(db, partner_id, now)
    db.info["stamped"] = True  # So that the commit wakes this process' worker.
    return tried.rowcount


async def _probe_at(db: AsyncSession, partner_id: int, moment: int) -> None:
    """Have a partner that is stopped asked for its versions then, by a lane taken up anew."""
    lane = await db.get(PartnerLane, partner_id, populate_existing=True)
    if lane is not None and lane.breaker is not None:
        lane.breaker = {**lane.breaker, "next_probe_at": moment}
        lane.epoch += 1
        db.add(lane)


async def drop(db: AsyncSession, partner_id: int, key: str) -> bool:
    """Try a parked object no more until it changes. Returns False when it is not parked.

    Its row stays, and shows that the partner was not told.
    """
    # The lane is taken up anew, since what it holds in memory would be tried again.
    await restart_lanes(db, [partner_id])
    dropped = await db.exec(
        update(ParkedObject)
        .where(col(ParkedObject.partner_id) == partner_id, col(ParkedObject.object_key) == key)
        .values(kind=Why.DROPPED.value, next_at=None)
    )
    return bool(dropped.rowcount)


async def rewind(db: AsyncSession, partner_id: int, to: Mapping[str, int] = {}) -> bool:
    """Tell a partner again what changed after some numbers. Returns False when it has no lane.

    Without numbers everything. What it has a receipt for is not sent again, nor what was dropped.
    """
    if not await rewind_lane(db, partner_id, to):
        return False
    await retry(db, partner_id)
    return True
