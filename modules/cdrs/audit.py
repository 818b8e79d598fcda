"""CDRs of ours that their eMSP has not accepted: found from the bills, whatever the push believes.

Which they are is read from CDRs, receipts and partners alone. What the push knows of them only says
why, so that a mistake in its bookkeeping cannot hide a bill that nobody pays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from sqlalchemy import ColumnElement, case, func, literal, or_, union_all
from sqlalchemy import select as select_columns
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from modules.cdrs.own import MODULE
from modules.cdrs.store import CDRRow
from ocpi.agreements import Agreements, read_agreements
from ocpi.context import Context
from ocpi.database import clock
from ocpi.directory import PRESENTED, AnnouncedParty
from ocpi.parties import (
    OurParty,
    Partner,
    PartnerEndpoint,
    PartnerRole,
    PlatformID,
    waits_for_check,
)
from ocpi.push.addressee import DRIVERS_BEHIND, OWN_DRIVERS, SERVED, told_partners
from ocpi.push.breaker import REASONS
from ocpi.push.feed import Stream, SyncObject
from ocpi.push.lanes import ParkedObject, PartnerLane, Receipt
from ocpi.settings import Settings
from ocpi.spec.document import decode
from ocpi.spec.moments import format_moment, moment_of

_RECEIVES = (
    col(PartnerEndpoint.identifier) == MODULE,
    col(PartnerEndpoint.role) == "RECEIVER",
)
GRACE = 15 * 60 * 1_000_000
MOST = 1000

# The printable characters that `feed_key` encodes; the percent sign first, as it is in all codes.
_ENCODED = ["%", *(c for c in map(chr, range(32, 127)) if c not in "%*" and quote(c, safe="") != c)]


@dataclass(frozen=True)
class Audit:
    """What an audit found."""

    overdue: int
    """CDRs without a receipt whose partner can be told them."""
    waiting: int
    """Those whose partner cannot: suspended, not registered, without an endpoint for CDRs, or still
    to be checked."""
    oldest: int | None
    """The age of the oldest overdue one, in seconds; None: there is none."""
    cdrs: Sequence[Mapping[str, Any]]
    """Some of both, the overdue ones first, each with what is known of the reason."""


@dataclass(frozen=True)
class _Group:
    partner: Partner
    owner: str
    audience: str
    count: int
    oldest: int
    """When the oldest was last updated."""
    obstacle: str | None
    """Why the partner cannot be told; None: it can."""


async def audit(
    context: Context, *, partner: str | None = None, limit: int = MOST, grace: int = GRACE
) -> Audit:
    """CDRs that are older than `grace` microseconds and have no receipt.

    With `partner`, its name, only those that are for it.
    """
    default = context.settings.hub_agreements == "open"
    agreements = await read_agreements(context.database, default=default)
    async with context.database.read() as db:
        now = await clock(db)
        groups = await _groups(db, context.settings, agreements, now, grace, partner)
        cdrs: list[dict[str, Any]] = []
        for group in sorted(
            groups, key=lambda each: (each.obstacle is not None, each.partner.name)
        ):
            if len(cdrs) < limit:
                cdrs += await _entries(db, group, now, grace, limit - len(cdrs))
    oldest = min((group.oldest for group in groups if group.obstacle is None), default=None)
    return Audit(
        overdue=sum(group.count for group in groups if group.obstacle is None),
        waiting=sum(group.count for group in groups if group.obstacle is not None),
        oldest=None if oldest is None else max(now - oldest, 0) // 1_000_000,
        cdrs=cdrs,
    )


# Whose drivers' CDRs are for which partner: its own parties, and those that a hub announces, away
# or not.
_WAYS = union_all(
    select(
        col(PartnerRole.partner_id),
        col(PartnerRole.party),
        case((PRESENTED, 1), else_=0).label("presented"),
    ).where(OWN_DRIVERS),
    select(col(AnnouncedParty.partner_id), col(AnnouncedParty.party), literal(1)).where(
        DRIVERS_BEHIND,
        col(AnnouncedParty.partner_id).in_(
            select(col(PartnerRole.partner_id)).where(col(PartnerRole.role) == "HUB")
        ),
    ),
).subquery()
_REACHED = (
    select_columns(
        _WAYS.c.partner_id, _WAYS.c.party, func.max(_WAYS.c.presented).label("presented")
    )
    .group_by(_WAYS.c.partner_id, _WAYS.c.party)
    .subquery()
)


def _with_feed_keys() -> Any:
    """CDRs with their keys in the feed, which names receipts too: encoded as `feed_key` does it.

    In steps, since SQLite's parser nests calls no deeper.
    """
    names = ("owner", "audience", "last_updated", "body", "key")
    columns = [getattr(CDRRow, name) for name in names]
    cdr = select_columns(*columns, col(CDRRow.key).label("feed_key")).subquery()
    for step in range(0, len(_ENCODED), 10):
        key: Any = cdr.c.feed_key
        for each in _ENCODED[step : step + 10]:
            key = func.replace(key, each, quote(each, safe=""))
        cdr = select_columns(*(cdr.c[name] for name in names), key.label("feed_key")).subquery()
    return cdr


_CDR = _with_feed_keys()


def _without_receipt(now: int, grace: int) -> Sequence[ColumnElement[bool]]:
    """What a CDR is like that should have a receipt and has none, of whichever partner.

    A date that lies ahead tells no age, and must not hide a CDR.
    """

    def has_receipt(key: Any) -> ColumnElement[bool]:
        receipt = select(literal(1)).where(col(Receipt.object_key) == literal(f"{MODULE}/") + key)
        return receipt.correlate(_CDR).exists()

    return (
        ~_CDR.c.last_updated.between(now - grace, now + grace),
        # Encoding all keys would be most of the work, and hardly any has something to encode.
        or_(_CDR.c.key.contains("%", autoescape=True), ~has_receipt(_CDR.c.key)),
        ~has_receipt(_CDR.c.feed_key),
    )


async def _groups(
    db: AsyncSession,
    settings: Settings,
    agreements: Agreements,
    now: int,
    grace: int,
    name: str | None,
) -> Sequence[_Group]:
    """The CDRs found, counted by partner, owner and audience."""
    ours = select(col(OurParty.party)).where(col(OurParty.platform) == PlatformID.CPO.value)
    query: Any = (
        select_columns(
            _REACHED.c.partner_id,
            _CDR.c.owner,
            _CDR.c.audience,
            _REACHED.c.presented,
            func.count(),
            func.min(_CDR.c.last_updated),
        )
        .select_from(_CDR)
        .join(_REACHED, _REACHED.c.party == _CDR.c.audience)
        .where(_CDR.c.owner.in_(ours), *_without_receipt(now, grace))
        .group_by(_REACHED.c.partner_id, _CDR.c.owner, _CDR.c.audience, _REACHED.c.presented)
    )
    if name is not None:
        named = select(col(Partner.id)).where(col(Partner.name) == name)
        query = query.where(_REACHED.c.partner_id.in_(named))
    found = (await db.exec(query)).all()
    partners = {each.key: each for each in (await db.exec(select(Partner))).all()}
    obstacles = await _obstacles(db, settings, partners)
    direct = await _reached_directly(db, settings)
    return [
        _Group(
            partners[partner_id],
            owner,
            audience,
            count,
            oldest,
            obstacles.get(partner_id) or (None if presented else _unnamed(audience)),
        )
        for partner_id, owner, audience, presented, count, oldest in found
        if partners[partner_id].platform == PlatformID.CPO
        or (audience not in direct and agreements.may(owner, audience, MODULE))
    ]


def _unnamed(party: str) -> str:
    return f"Its Credentials do not name {party.upper()}: it is told nothing of that one."


async def _obstacles(
    db: AsyncSession, settings: Settings, partners: Mapping[int, Partner]
) -> Mapping[int, str]:
    """The partners that cannot be told a CDR, and why."""
    served = set((await db.exec(select(col(Partner.id)).where(*SERVED))).all())
    receiving = await db.exec(select(col(PartnerEndpoint.partner_id)).where(*_RECEIVES))
    able = set(receiving.all())
    obstacles = {}
    for key, partner in partners.items():
        if partner.suspended:
            obstacles[key] = f"It is suspended: `ocpi partner resume {partner.name}`."
        elif key not in served:
            obstacles[key] = f"It is not registered: see `ocpi partner show {partner.name}`."
        elif key not in able:
            obstacles[key] = (
                "It offers no endpoint that receives CDRs, or one that is not approved: see "
                f"`ocpi partner show {partner.name}`."
            )
        elif settings.require_check and partner.passed_at is None:
            obstacles[key] = waits_for_check(partner.name)
    return obstacles


async def _reached_directly(db: AsyncSession, settings: Settings) -> set[str]:
    """The parties that our CPO platform tells bills, so that the hub does not."""
    direct = await db.exec(
        select(col(PartnerRole.party))
        .join(Partner, col(Partner.id) == col(PartnerRole.partner_id))
        .join(PartnerEndpoint, col(PartnerEndpoint.partner_id) == col(Partner.id))
        .where(
            *told_partners(settings),
            PRESENTED,
            OWN_DRIVERS,
            col(PartnerRole.platform) == PlatformID.CPO.value,
            *_RECEIVES,
        )
    )
    return set(direct.all())


async def _entries(
    db: AsyncSession, group: _Group, now: int, grace: int, limit: int
) -> Sequence[dict[str, Any]]:
    """The oldest CDRs of a group, as many as there is room for."""
    query: Any = (
        select_columns(_CDR)
        .where(
            _CDR.c.owner == group.owner,
            _CDR.c.audience == group.audience,
            *_without_receipt(now, grace),
        )
        .order_by(_CDR.c.last_updated)
        .limit(limit)
    )
    rows = (await db.exec(query)).all()
    keys = [] if group.obstacle else [f"{MODULE}/{row.feed_key}" for row in rows]
    reasons = await _reasons(db, group.partner, keys)
    return [
        {
            "partner": group.partner.name,
            "owner": row.owner.upper(),
            "id": decode(row.body)["id"],
            "last_updated": format_moment(moment_of(row.last_updated)),
            "age": (now - row.last_updated) // 1_000_000,
            "overdue": group.obstacle is None,
            "why": group.obstacle or reasons[f"{MODULE}/{row.feed_key}"],
        }
        for row in rows
    ]


async def _reasons(db: AsyncSession, partner: Partner, keys: Sequence[str]) -> Mapping[str, str]:
    """What the push knows of each CDR that a partner has not accepted."""
    lane = await db.get(PartnerLane, partner.key)
    parked = await db.exec(
        select(ParkedObject).where(
            col(ParkedObject.partner_id) == partner.key,
            col(ParkedObject.object_key).in_(keys),
        )
    )
    numbers = await db.exec(
        select(col(SyncObject.key), col(SyncObject.seq)).where(col(SyncObject.key).in_(keys))
    )
    parkings, numbered = {each.object_key: each for each in parked}, dict(numbers.all())
    return {key: _reason(partner, lane, parkings.get(key), numbered.get(key)) for key in keys}


def _reason(
    partner: Partner, lane: PartnerLane | None, parked: ParkedObject | None, seq: int | None
) -> str:
    if lane is None:
        return f"It has no lane, a defect: `ocpi partner rotate {partner.name}`, and report it."
    if lane.breaker is not None:
        return f"Nothing is sent. {REASONS[lane.breaker['reason']]} {lane.breaker['sentence']}"
    if parked is not None:
        return f"Parked ({parked.kind}) after {parked.attempts} tries. {parked.error or ''}".strip()
    if seq is None:
        return "It is not in the feed, a defect: report it."
    if seq > lane.cursors.get(Stream.MONEY, 0):
        return "The partner is behind: it waits for its turn."
    return f"It counts as told, a defect: `ocpi push rewind {partner.name}`, and report it."
