"""Working the alarms out: what holds now is compared with what is raised."""

from collections.abc import Iterable, Sequence

from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.alarms.alarm import Alarm, AlarmNotice, AlarmRound
from ocpi.alarms.conditions import Check, Condition
from ocpi.context import Context
from ocpi.database import DATABASE_ERRORS, clock
from ocpi.messages import log

ROUND = 30.0
"""Seconds from one round to the next, of all processes together."""
KEPT = 90 * 24 * 3600 * 1_000_000
"""How long an alarm that has cleared is remembered."""


async def claim_round(context: Context, seconds: float = ROUND) -> int | None:
    """The number of the round that is the caller's to do; None: somebody does it, or has."""
    try:
        async with context.database.write() as db:
            number = await clock(db) // int(seconds * 1_000_000)
            if await db.get(AlarmRound, number) is not None:
                return None
            await db.exec(delete(AlarmRound).where(col(AlarmRound.number) < number))
            db.add(AlarmRound(number=number))
    except IntegrityError:
        return None
    return number


async def work_out(
    context: Context, checks: Iterable[Check], channels: Sequence[str], number: int = 0
) -> None:
    """Raise what holds and is not raised yet, and clear what does not hold any more.

    `channels` are the ways by which each of both is to be told. Raises what the database raises.
    """
    conditions: dict[tuple[str, str], Condition] = {}
    kinds: set[str] = set()
    for check in checks:
        if number % check.rounds:
            continue
        try:
            found = await check.find(context)
        except DATABASE_ERRORS:
            raise
        except Exception:  # noqa: BLE001 - What it would have found is left as it was.
            log.exception("alarms: a check failed", kinds=sorted(check.kinds))
            continue
        kinds |= check.kinds
        conditions |= {(each.kind, each.subject): each for each in found}
    try:
        async with context.database.write() as db:
            await _compare(db, conditions, kinds, channels)
    except IntegrityError:
        log.info("alarms: another process was faster")


async def _compare(
    db: AsyncSession,
    conditions: dict[tuple[str, str], Condition],
    kinds: Iterable[str],
    channels: Sequence[str],
) -> None:
    now = await clock(db)
    raised = await db.exec(
        select(Alarm).where(col(Alarm.cleared_at).is_(None), col(Alarm.kind).in_(list(kinds)))
    )
    known = {(alarm.kind, alarm.subject): alarm for alarm in raised}
    for key, alarm in known.items():
        if key in conditions:
            alarm.sentence, alarm.seen_at = conditions[key].sentence, now
            db.add(alarm)
        else:
            await clear(db, alarm, now, channels)
    for key in conditions.keys() - known.keys():
        await raise_alarm(db, conditions[key], now, channels)
    await db.exec(delete(Alarm).where(col(Alarm.cleared_at) < now - KEPT))


async def raise_alarm(
    db: AsyncSession, condition: Condition, now: int, channels: Sequence[str]
) -> Alarm:
    """Raise an alarm, and have it told."""
    alarm = Alarm(**vars(condition), raised_at=now, seen_at=now)
    db.add(alarm)
    await db.flush()
    _announce(db, alarm, "raised", now, channels)
    log.error("alarm raised", kind=alarm.kind, subject=alarm.subject, sentence=alarm.sentence)
    return alarm


async def clear(db: AsyncSession, alarm: Alarm, now: int, channels: Sequence[str]) -> None:
    """Clear an alarm, and have that told; unless another process has just done so."""
    cleared = await db.exec(
        update(Alarm)
        .where(col(Alarm.id) == alarm.id, col(Alarm.cleared_at).is_(None))
        .values(cleared_at=now)
    )
    if cleared.rowcount:
        _announce(db, alarm, "cleared", now, channels)
        log.info("alarm cleared", kind=alarm.kind, subject=alarm.subject)


def _announce(
    db: AsyncSession, alarm: Alarm, event: str, now: int, channels: Sequence[str]
) -> None:
    assert alarm.id is not None
    for channel in channels:
        db.add(AlarmNotice(alarm_id=alarm.id, event=event, channel=channel, next_at=now))
