"""Telling alarms: each notice by one process, again and again until it is told."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from sqlalchemy import exists, update
from sqlalchemy.orm import aliased
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.alarms.alarm import Alarm, AlarmNotice, view
from ocpi.alarms.channels import Channel, News, TellingFailed
from ocpi.context import Context
from ocpi.crew import Repeated
from ocpi.database import clock
from ocpi.messages import log

SECOND = 1_000_000
LEASE = 60 * SECOND
"""How long who has taken a notice has for it; should that process die, another one goes on."""
RETRIES = (30, 120, 600, 1800, 3600)
"""Seconds between tries; the last one for ever."""


class Teller(Repeated):
    """Tells what is due in one way, by itself: one that hangs holds up nothing else."""

    def __init__(self, context: Context, name: str, channel: Channel, *, pause: float) -> None:
        turn = partial(tell_due, context, name, channel, lambda: self.stopping)
        super().__init__(turn, pause=pause, complaint="alarms were not told")


async def tell_due(
    context: Context, name: str, channel: Channel, stopping: Callable[[], bool] = lambda: False
) -> int:
    """Tell whatever is due in one way; gives how many notices were taken.

    It ends between two of them when it is `stopping`. Raises what the database raises.
    """
    taken = 0
    while not stopping() and (claimed := await _claim(context, name)) is not None:
        taken += 1
        await _tell(context, channel, *claimed)
    return taken


async def _claim(context: Context, name: str) -> tuple[AlarmNotice, Alarm] | None:
    """The first notice of a channel that is due, which nobody else tries now."""
    earlier = aliased(AlarmNotice)
    # That it has cleared is told to those who know that it was raised.
    untold_before = exists().where(
        col(AlarmNotice.event) == "cleared",
        col(earlier.alarm_id) == col(AlarmNotice.alarm_id),
        col(earlier.channel) == col(AlarmNotice.channel),
        col(earlier.event) == "raised",
        col(earlier.told_at).is_(None),
    )
    async with context.database.write() as db:
        now = await clock(db)
        found: Any = await db.exec(
            select(AlarmNotice, Alarm)
            .join(Alarm, col(Alarm.id) == col(AlarmNotice.alarm_id))
            .where(
                col(AlarmNotice.told_at).is_(None),
                col(AlarmNotice.next_at) <= now,
                col(AlarmNotice.channel) == name,
                ~untold_before,
            )
            .order_by(col(AlarmNotice.next_at), col(AlarmNotice.alarm_id))
            .limit(1)
        )
        pair: tuple[AlarmNotice, Alarm] | None = found.first()
        if pair is None:
            return None
        notice = pair[0]
        taken = await db.exec(
            update(AlarmNotice)
            .where(*_is(notice), col(AlarmNotice.attempts) == notice.attempts)
            .values(next_at=now + LEASE, attempts=notice.attempts + 1)
            .execution_options(synchronize_session=False)
        )
        if taken.rowcount == 0:
            # Another process has it; what is left comes with the next turn.
            return None
        return pair


def _is(notice: AlarmNotice) -> tuple[Any, ...]:
    return (
        col(AlarmNotice.alarm_id) == notice.alarm_id,
        col(AlarmNotice.event) == notice.event,
        col(AlarmNotice.channel) == notice.channel,
    )


async def _tell(context: Context, channel: Channel, notice: AlarmNotice, alarm: Alarm) -> None:
    news = News(
        f"alarm-{alarm.id}-{notice.event}", notice.event, view(alarm), context.settings.base_url
    )
    try:
        await channel.tell(news)
    except TellingFailed as failure:
        log.warning("an alarm was not told", channel=notice.channel, error=str(failure))
        await _note(context, notice, error=str(failure))
    else:
        await _note(context, notice, error=None)


async def _note(context: Context, notice: AlarmNotice, *, error: str | None) -> None:
    async with context.database.write() as db:
        now = await clock(db)
        values: dict[str, Any] = {"error": error and error[:500]}
        if error is None:
            values["told_at"] = now
        else:
            wait = RETRIES[min(notice.attempts, len(RETRIES) - 1)]
            values["next_at"] = now + wait * SECOND
        await _update(db, notice, values)


async def _update(db: AsyncSession, notice: AlarmNotice, values: Mapping[str, Any]) -> None:
    await db.exec(update(AlarmNotice).where(*_is(notice)).values(**values))
