"""Alarms as they are stored: one row from the moment it is raised, and who was told of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy import BigInteger, Column, ForeignKey, Index, func, text
from sqlalchemy import select as select_columns
from sqlmodel import Field, SQLModel, col, select

from ocpi.alarms.channels import channel_names
from ocpi.context import Context
from ocpi.database import Database
from ocpi.spec.moments import format_moment, moment_of

SEVERITIES: Mapping[str, str] = {
    "partner_down": "warning",
    "token_refused": "critical",
    "objects_refused": "warning",
    "partner_behind": "critical",
    "registration_stuck": "warning",
    "endpoints_withheld": "warning",
    "cdr_without_receipt": "critical",
    "auth_failures": "warning",
    "database": "critical",
    "test": "warning",
}
"""Every kind of alarm. A critical one costs money or partners while it lasts."""


class Alarm(SQLModel, table=True):
    """Something that is, or was, not as it should be."""

    __tablename__ = "alarm"
    __table_args__ = (
        Index(
            "ix_alarm_open",
            "kind",
            "subject",
            unique=True,
            sqlite_where=text("cleared_at IS NULL"),
            postgresql_where=text("cleared_at IS NULL"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    kind: str
    subject: str
    """What it is about, such as the partner's name; empty: there is only one such thing."""
    sentence: str
    """What is wrong and what to do, as it was last seen."""
    raised_at: int = Field(sa_type=BigInteger)
    seen_at: int = Field(sa_type=BigInteger)
    cleared_at: int | None = Field(default=None, sa_type=BigInteger)


class AlarmNotice(SQLModel, table=True):
    """That an alarm is to be told in one way, once as it is raised and once as it is cleared."""

    __tablename__ = "alarm_notice"

    alarm_id: int = Field(
        sa_column=Column(ForeignKey("alarm.id", ondelete="CASCADE"), primary_key=True)
    )
    event: str = Field(primary_key=True)
    """raised or cleared."""
    channel: str = Field(primary_key=True)
    """webhook or email."""
    next_at: int = Field(sa_type=BigInteger)
    """When it may be tried; who tries puts it ahead, so that nobody else does meanwhile."""
    attempts: int = 0
    told_at: int | None = Field(default=None, sa_type=BigInteger)
    error: str | None = Field(default=None, max_length=500)


class AlarmRound(SQLModel, table=True):
    """The newest rounds: who puts a round's row in works the alarms out."""

    __tablename__ = "alarm_round"

    number: int = Field(primary_key=True, sa_type=BigInteger)


async def list_alarms(
    database: Database,
    *,
    every: bool = False,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """The alarms that are raised, the newest first; with `every` those that have cleared, too.

    Each as `kind`, `severity`, `subject`, `sentence`, `raised_at`, `cleared_at`, and in `told` how
    far each way of telling has come.
    """
    query = select(Alarm).order_by(col(Alarm.raised_at).desc(), col(Alarm.id).desc()).limit(limit)
    if not every:
        query = query.where(col(Alarm.cleared_at).is_(None))
    async with database.read() as db:
        alarms = (await db.exec(query)).all()
        ids = [alarm.id for alarm in alarms]
        notices = (
            await db.exec(
                select(AlarmNotice)
                .where(col(AlarmNotice.alarm_id).in_(ids))
                .order_by(col(AlarmNotice.channel), col(AlarmNotice.event).desc())
            )
        ).all()
    return [view(each, [n for n in notices if n.alarm_id == each.id]) for each in alarms]


def view(alarm: Alarm, notices: Sequence[AlarmNotice] = ()) -> dict[str, Any]:
    """An alarm as people and machines are shown it."""
    return {
        "id": alarm.id,
        "kind": alarm.kind,
        "severity": SEVERITIES.get(alarm.kind, "warning"),
        "subject": alarm.subject or None,
        "sentence": alarm.sentence,
        "raised_at": _moment(alarm.raised_at),
        "cleared_at": _moment(alarm.cleared_at),
        "told": [
            {
                "channel": each.channel,
                "event": each.event,
                "told_at": _moment(each.told_at),
                "attempts": each.attempts,
                "error": each.error,
                "next_at": None if each.told_at is not None else _moment(each.next_at),
            }
            for each in notices
        ],
    }


def _moment(at: int | None) -> str | None:
    return None if at is None else format_moment(moment_of(at))


async def alarm_gauges(context: Context) -> Sequence[Metric]:
    """For Prometheus: how many alarms of each kind are raised, and how many could not be told."""
    raised = GaugeMetricFamily("ocpi_alarms", "Alarms that are raised.", labels=["kind"])
    untold = GaugeMetricFamily(
        "ocpi_alarms_untold", "Notices of alarms that have failed and wait.", labels=["channel"]
    )
    counts: Any = (
        select_columns(col(Alarm.kind), func.count())
        .where(col(Alarm.cleared_at).is_(None))
        .group_by(col(Alarm.kind))
    )
    waiting: Any = (
        select_columns(col(AlarmNotice.channel), func.count())
        .where(col(AlarmNotice.told_at).is_(None), col(AlarmNotice.error).is_not(None))
        .group_by(col(AlarmNotice.channel))
    )
    async with context.database.read() as db:
        found = dict((await db.exec(counts)).all())
        failed = dict((await db.exec(waiting)).all())
    for kind in SEVERITIES:
        raised.add_metric((kind,), found.get(kind, 0))
    # Of a way that is not set any more nobody waits.
    for channel in channel_names(context.settings):
        untold.add_metric((channel,), failed.get(channel, 0))
    return [raised, untold]
