"""How things stand, in numbers that stay cheap however many stations there are."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote

from sqlalchemy import func
from sqlalchemy import select as select_columns
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from modules.cdrs.store import MONEY, CDRRow
from modules.locations.store import LocationRow
from modules.sessions.store import SessionRow
from modules.stations.reported import count_troubled
from ocpi.alarms.alarm import list_alarms
from ocpi.console.events import STALE, state_of
from ocpi.context import Context
from ocpi.database import clock
from ocpi.parties import OurParty, PlatformID
from ocpi.push.status import LaneStatus, lane_status
from ocpi.spec.document import decode

DAY = 24 * 3600 * 1_000_000
PARTNERS_ALARMS = {
    *("partner_down", "token_refused", "objects_refused", "partner_behind", "registration_stuck"),
    "endpoints_withheld",
}


@dataclass(frozen=True)
class Bills:
    """The CDRs of ours that were issued since midnight UTC."""

    count: int
    kwh: Decimal
    costs: Mapping[str, Decimal]
    """Without VAT, by currency; credit CDRs are taken off."""


@dataclass(frozen=True)
class Alarm:
    """Something that staff should see to, and the page on which they can."""

    sentence: str
    url: str


@dataclass(frozen=True)
class Glance:
    """How things stood at one moment."""

    evses: Mapping[str, int]
    """Ours by status, without the removed ones."""
    others: int
    """EVSEs of other parties, of which we were told."""
    charging: int
    """Our Sessions that run, and the energy that they have taken so far."""
    charging_kwh: Decimal
    troubled: int
    """Sessions that stations reported and that could not be told or billed."""
    bills: Bills
    lanes: Sequence[LaneStatus]
    alarms: Sequence[Alarm]


class Glances:
    """What the overview shows: looked at anew when something has changed, for all who ask.

    Where a look is dear it is taken less often, and who asks waits for it: looking takes a fifth of
    the time at most, and nobody is shown what was so before the change that they were told of.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._turn = asyncio.Lock()
        self._newest: Glance | None = None
        self._state = ""
        self._old_at = self._next_at = 0.0

    async def get(self) -> Glance:
        """How things stand."""
        async with self._turn:
            state, time = await state_of(self._context), asyncio.get_running_loop().time
            if self._newest is None or state != self._state or time() >= self._old_at:
                await asyncio.sleep(self._next_at - time())
                began = time()
                self._newest, self._state = await self._look(), state
                self._next_at, self._old_at = time() + 4 * (time() - began), time() + STALE
            return self._newest

    async def _look(self) -> Glance:
        raised = await list_alarms(self._context.database)
        alarms = [Alarm(each["sentence"], page_of(each)) for each in raised]
        troubled = await count_troubled(self._context.database)
        async with self._context.database.read() as db:
            found = await db.exec(
                select(col(OurParty.party)).where(col(OurParty.platform) == PlatformID.CPO.value)
            )
            ours = found.all()
            evses, others = await _evses(db, ours)
            charging, charging_kwh = await _charging(db, ours)
            lanes = await lane_status(db, require_check=self._context.settings.require_check)
            return Glance(
                evses=evses,
                others=others,
                charging=charging,
                charging_kwh=charging_kwh,
                troubled=troubled,
                bills=await _bills(db, ours),
                lanes=lanes,
                alarms=alarms,
            )


async def _evses(db: AsyncSession, ours: Sequence[str]) -> tuple[Mapping[str, int], int]:
    """Our EVSEs by status, the most frequent first, and how many others have."""
    columns = col(LocationRow.owner), col(LocationRow.statuses)
    query: Any = select_columns(*columns, func.count()).group_by(*columns)
    mine: Counter[str] = Counter()
    others = 0
    for owner, statuses, locations in (await db.exec(query)).all():
        counts = decode(statuses)
        if owner in ours:
            mine.update({status: count * locations for status, count in counts.items()})
        else:
            others += locations * sum(counts.values())
    return dict(mine.most_common()), others


async def _charging(db: AsyncSession, ours: Sequence[str]) -> tuple[int, Decimal]:
    found = await db.exec(
        select(func.count(), func.sum(col(SessionRow.wh))).where(
            col(SessionRow.status) == "ACTIVE", col(SessionRow.owner).in_(ours)
        )
    )
    count, wh = found.one()
    return count, Decimal(wh or 0) / 1000


async def _bills(db: AsyncSession, ours: Sequence[str]) -> Bills:
    midnight = await clock(db) // DAY * DAY
    query: Any = (
        select_columns(
            col(CDRRow.currency),
            func.count(),
            func.sum(col(CDRRow.wh)),
            func.sum(col(CDRRow.cost)),
        )
        .where(col(CDRRow.owner).in_(ours), col(CDRRow.last_updated) >= midnight)
        .group_by(col(CDRRow.currency))
        .order_by(col(CDRRow.currency))
    )
    rows = (await db.exec(query)).all()
    return Bills(
        count=sum(count for _, count, _, _ in rows),
        kwh=sum((Decimal(wh) for _, _, wh, _ in rows), Decimal()) / 1000,
        costs={currency: Decimal(cost) / MONEY for currency, _, _, cost in rows},
    )


def page_of(alarm: Mapping[str, Any]) -> str:
    """Where staff can see to it."""
    if alarm["kind"] == "cdr_without_receipt":
        return "/console/deliveries?audit=1"
    if alarm["kind"] in PARTNERS_ALARMS and alarm["subject"]:
        return f"/console/partners/{quote(alarm['subject'], safe='')}"
    return "/console/messages"
