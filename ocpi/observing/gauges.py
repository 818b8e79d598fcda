"""What the database says of partners, the push and alarms, by a few queries for all partners."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from sqlalchemy import and_, func
from sqlalchemy import select as select_columns
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.context import Context
from ocpi.database import clock
from ocpi.parties import Partner, State
from ocpi.push.addressee import told_partners
from ocpi.push.breaker import REASONS
from ocpi.push.feed import FeedHead, Stream
from ocpi.push.lanes import ParkedObject, PartnerLane, WorkerBeat
from ocpi.push.marks import FeedMark
from ocpi.push.parking import Why
from ocpi.tolerances import PartnerTolerance

SECOND = 1_000_000
# Further back than this is not looked: a lag is then at least so long.
LONGEST_LAG = 24 * 3600 * SECOND
# A worker that was not heard for so long has lost its partners.
LEASE = 60 * SECOND


def gauge(name: str, help_text: str, *labels: str) -> GaugeMetricFamily:
    """A gauge to be filled at a scrape."""
    return GaugeMetricFamily(name, help_text, labels=labels)


async def push_gauges(context: Context) -> Sequence[Metric]:
    """Partners, how far they are up to date, and who keeps them so."""
    # Others are behind for a reason, such as one that waits for its check.
    told = told_partners(context.settings)
    async with context.database.read() as db:
        now = await clock(db)
        heads = {row.stream: row.seq for row in await db.exec(select(FeedHead))}
        partners = (
            await db.exec(
                select(Partner, PartnerLane)
                .outerjoin(PartnerLane, and_(col(PartnerLane.partner_id) == col(Partner.id), *told))
                .order_by(col(Partner.name))
            )
        ).all()
        behind = any(lane is not None and behind_of(lane, heads) for _, lane in partners)
        marks = await marks_of(db, now) if behind else []
        parked = await _parked(db)
        fresh = col(WorkerBeat.beat_at) > now - LEASE
        workers = (await db.exec(select(func.count()).select_from(WorkerBeat).where(fresh))).one()
    return [
        *_of_partners(partners),
        *_of_lanes(partners, heads, marks, now),
        parked,
        *_of_feed(heads, workers),
    ]


async def tolerance_counters(context: Context) -> Sequence[Metric]:
    """What partners get wrong and are forgiven, all processes together."""
    family = CounterMetricFamily(
        "ocpi_tolerated",
        "What the partner got wrong and was forgiven: see `ocpi partner show`.",
        labels=("partner", "rule"),
    )
    query = select(Partner.name, PartnerTolerance.rule, PartnerTolerance.count).join(
        Partner, col(Partner.id) == col(PartnerTolerance.partner_id)
    )
    async with context.database.read() as db:
        for name, rule, count in await db.exec(query):
            family.add_metric((name, rule), count)
    return [family]


def standing_of(partner: Partner) -> str:
    """How things stand with a partner, in a word: a state, or suspended."""
    return "suspended" if partner.suspended else str(State(partner.state))


def behind_of(lane: PartnerLane, heads: dict[str, int]) -> int:
    """How many changes lie between what a partner has heard and the end of the feed."""
    return sum(max(heads[each] - lane.cursors.get(each, 0), 0) for each in Stream)


async def marks_of(db: AsyncSession, now: int) -> Sequence[FeedMark]:
    """The marks of the last day, oldest first."""
    recent = select(FeedMark).where(col(FeedMark.at) > now - LONGEST_LAG)
    return (await db.exec(recent.order_by(col(FeedMark.at)))).all()


async def _parked(db: AsyncSession) -> Metric:
    """Objects that a partner did not take; every kind of each partner, none as 0."""
    family = gauge(
        "ocpi_push_parked",
        "Objects that the partner did not take: see `ocpi push parked`.",
        "partner",
        "kind",
    )
    query: Any = (
        select_columns(col(Partner.name), col(ParkedObject.kind), func.count())
        .join(Partner, col(Partner.id) == col(ParkedObject.partner_id))
        .group_by(col(Partner.name), col(ParkedObject.kind))
    )
    found = {(name, kind): count for name, kind, count in (await db.exec(query)).all()}
    names = await db.exec(
        select(Partner.name).join(PartnerLane, col(PartnerLane.partner_id) == col(Partner.id))
    )
    for name in names:
        for kind in Why:
            family.add_metric((name, kind), found.get((name, kind.value), 0))
    return family


def _of_partners(partners: Sequence[Any]) -> Sequence[Metric]:
    state = gauge(
        "ocpi_partner_state",
        "1 for the state that the partner is in.",
        "partner",
        "platform",
        "state",
    )
    for partner, _ in partners:
        for each in (*State, "suspended"):
            now = standing_of(partner) == each
            state.add_metric((partner.name, partner.platform, each), float(now))
    return [state]


def _of_lanes(
    partners: Sequence[Any], heads: dict[str, int], marks: Sequence[FeedMark], now: int
) -> Sequence[Metric]:
    behind = gauge(
        "ocpi_push_behind",
        "Changes between what the partner has heard and the feed's end: not more are to be told.",
        "partner",
        "stream",
    )
    lag = gauge(
        "ocpi_push_lag_seconds",
        "For how long the oldest change not told has waited, to the minute, a day at most.",
        "partner",
    )
    stopped = gauge(
        "ocpi_push_stopped", "Whether nothing is sent, for this reason.", "partner", "reason"
    )
    success = gauge(
        "ocpi_push_last_success_timestamp_seconds",
        "When the partner last took something, in seconds since 1970; 0: never.",
        "partner",
    )
    for partner, lane in partners:
        if lane is None:
            continue
        for each in Stream:
            behind.add_metric((partner.name, each), max(heads[each] - lane.cursors.get(each, 0), 0))
        lag.add_metric((partner.name,), lag_of(lane, heads, marks, now))
        success.add_metric((partner.name,), (lane.last_success_at or 0) / SECOND)
        for reason in REASONS:
            now_stopped = lane.breaker is not None and lane.breaker["reason"] == reason
            stopped.add_metric((partner.name, reason), float(now_stopped))
    return [behind, lag, stopped, success]


def lag_of(lane: PartnerLane, heads: dict[str, int], marks: Sequence[FeedMark], now: int) -> float:
    """Seconds since the oldest change that the partner was not told; 0: it was told all.

    `marks` are those of the last day, oldest first. What no mark has passed yet is younger than
    a minute, and counts as 0.
    """
    longest = 0
    for stream in Stream:
        cursor = lane.cursors.get(stream, 0)
        if cursor >= heads[stream]:
            continue
        place = bisect_right(marks, cursor, key=lambda mark: getattr(mark, stream))
        if place < len(marks):
            longest = max(longest, now - marks[place].at)
    return longest / SECOND


def _of_feed(heads: dict[str, int], workers: int) -> Sequence[Metric]:
    head = gauge("ocpi_feed_head", "The number of the newest change.", "stream")
    for stream, seq in sorted(heads.items()):
        head.add_metric((stream,), seq)
    alive = gauge("ocpi_workers", "Workers that keep partners up to date, in all processes.")
    alive.add_metric((), workers)
    return [head, alive]
