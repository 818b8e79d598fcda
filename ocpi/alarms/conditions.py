"""What is not as it should be, found from state alone: each check tells what holds now."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import or_, text
from sqlmodel import col, select

from ocpi.context import Context
from ocpi.database import clock
from ocpi.homes import foreign_place
from ocpi.observing.gauges import behind_of, lag_of, marks_of
from ocpi.parties import IssuedToken, Partner, State, WithheldEndpoint
from ocpi.push.addressee import told_partners
from ocpi.push.breaker import REASONS
from ocpi.push.feed import FeedHead, Stream
from ocpi.push.lanes import PartnerLane, is_behind
from ocpi.refusals import MINUTE, refused_since

HOUR = 60 * MINUTE
BEHIND = 15 * 60
"""Seconds that a change may wait for a partner that is there."""
STUCK = 24 * HOUR
REFUSED = 20
"""Requests without a valid token, within `REFUSED_IN`, that are more than a slip."""
REFUSED_IN = 5 * MINUTE
LEAST_FREE = 0.15
LONGEST_IDLE = 300


@dataclass(frozen=True)
class Condition:
    """One thing that is not as it should be."""

    kind: str
    subject: str
    sentence: str


@dataclass(frozen=True)
class Check:
    """A way to find conditions, and the kinds that it alone finds."""

    kinds: frozenset[str]
    find: Callable[[Context], Awaitable[Sequence[Condition]]]
    rounds: int = 1
    """It is made in every so manieth round."""


async def stopped_partners(context: Context) -> Sequence[Condition]:
    """Partners that nothing is sent to, and those that changes have waited for too long."""
    patience = context.settings.alarm_partner_minutes * MINUTE
    async with context.database.read() as db:
        now = await clock(db)
        query = select(Partner, PartnerLane).join(
            PartnerLane, col(PartnerLane.partner_id) == col(Partner.id)
        )
        # Of thousands, those of whom there is nothing to tell would take seconds to read.
        odd = or_(col(PartnerLane.breaker).is_not(None), *map(is_behind, Stream))
        told = told_partners(context.settings)
        lanes = (await db.exec(query.where(*told, odd))).all()
        heads = {row.stream: row.seq for row in await db.exec(select(FeedHead))}
        late = any(lane.breaker is None and behind_of(lane, heads) for _, lane in lanes)
        marks = await marks_of(db, now) if late else []
    found: list[Condition] = []
    for partner, lane in lanes:
        if lane.breaker is not None:
            found += _stopped(partner, lane.breaker, now, patience)
        elif (lag := lag_of(lane, heads, marks, now)) > BEHIND:
            found.append(
                Condition(
                    "partner_behind",
                    partner.name,
                    f"{partner.name} answers, and yet a change has waited {lag / 60:.0f} minutes "
                    "for it. Is a worker running, and fast enough? See `ocpi push status`.",
                )
            )
    return found


def _stopped(
    partner: Partner, breaker: dict[str, Any], now: int, patience: int
) -> Sequence[Condition]:
    name, reason = partner.name, breaker["reason"]
    since = (now - breaker["opened_at"]) // MINUTE
    why = f"{REASONS[reason]} {breaker['sentence']}"
    if reason in ("auth", "barred"):
        todo = f"Ask it which token it expects, then `ocpi partner rotate {name}`."
        return [Condition("token_refused", name, f"Nothing is sent to {name}. {why} {todo}")]
    if reason == "rejecting":
        todo = f"See `ocpi push parked {name}`; when it is mended, `ocpi push retry {name}`."
        return [Condition("objects_refused", name, f"Nothing is sent to {name}. {why} {todo}")]
    if now - breaker["opened_at"] < patience:
        return []
    todo = "It is asked again by itself, and loses nothing. Ask its staff whether they know."
    return [Condition("partner_down", name, f"{name} is down for {since} minutes. {why} {todo}")]


async def stuck_registrations(context: Context) -> Sequence[Condition]:
    """Registrations that nobody has gone on with for a day."""
    async with context.database.read() as db:
        before = await clock(db) - STUCK
        waiting = (State.OFFERED, State.ISSUED)
        partners = await db.exec(
            select(Partner, IssuedToken.created_at)
            .join(IssuedToken, col(IssuedToken.partner_id) == col(Partner.id))
            .where(
                col(Partner.state).in_([state.value for state in waiting]),
                col(Partner.suspended).is_(False),
            )
        )
        newest: dict[str, tuple[Partner, int]] = {}
        for partner, created_at in partners:
            known = newest.get(partner.name)
            newest[partner.name] = (partner, max(created_at, known[1] if known else 0))
    return [_stuck(partner) for partner, at in newest.values() if at < before]


def _stuck(partner: Partner) -> Condition:
    name = partner.name
    if partner.state == State.OFFERED:
        sentence = (
            f"{name} was given a registration token more than a day ago and has not registered. "
            f"Ask its staff; `ocpi partner reissue {name}` makes a new token, "
            f"`ocpi partner remove {name}` ends it."
        )
    else:
        sentence = (
            f"Credentials were exchanged with {name} more than a day ago, and it has not called "
            f"since. Has it stored its new token? `ocpi partner rotate {name}` sends another one."
        )
    note = f" {partner.note}" if partner.note else ""
    return Condition("registration_stuck", name, sentence + note)


async def withheld_endpoints(context: Context) -> Sequence[Condition]:
    """Partners that have endpoints where nobody has approved them."""
    query = select(Partner.name, WithheldEndpoint.url, Partner.versions_url).join(
        Partner, col(Partner.id) == col(WithheldEndpoint.partner_id)
    )
    places: dict[str, set[str]] = {}
    async with context.database.read() as db:
        for name, url, home in await db.exec(query.order_by(col(Partner.name))):
            places.setdefault(name, set()).add(foreign_place(url, home or "") or "")
    return [
        Condition(
            "endpoints_withheld",
            name,
            f"{name} has endpoints at {', '.join(sorted(found))}, which is not the host of its "
            "versions URL. Nothing is sent there. Ask its staff whether that is theirs, then "
            f"`ocpi partner approve {name}`.",
        )
        for name, found in places.items()
    ]


async def refused_requests(context: Context) -> Sequence[Condition]:
    """Many requests without a valid token."""
    async with context.database.read() as db:
        count = await refused_since(db, await clock(db) - REFUSED_IN - MINUTE)
    if count < REFUSED:
        return []
    sentence = (
        f"{count} requests within some five minutes had no valid token. A partner presents an old "
        "one (then `ocpi partner rotate NAME`), or somebody is guessing (then close the door in "
        "front of this service). The log has them: `message in` with http 401."
    )
    return [Condition("auth_failures", "", sentence)]


async def database_trouble(context: Context) -> Sequence[Condition]:
    """A disk that fills up, or a transaction that somebody has forgotten to end."""
    if context.database.sqlite:
        return await asyncio.to_thread(_disk, Path(context.database.url.database or "."))
    async with context.database.read() as db:
        row = await db.exec(_IDLE)  # type: ignore[call-overload]
        pid, seconds = row.one()
    if pid is None or seconds < LONGEST_IDLE:
        return []
    sentence = (
        f"The PostgreSQL session {pid} has left a transaction open for {seconds // 60} minutes, "
        "which keeps old rows and locks. Find out whose it is (pg_stat_activity), and end it: "
        f"SELECT pg_terminate_backend({pid})."
    )
    return [Condition("database", "transaction", sentence)]


_IDLE = text(
    "SELECT (array_agg(pid ORDER BY xact_start))[1],"
    " CAST(max(extract(epoch FROM clock_timestamp() - xact_start)) AS integer)"
    " FROM pg_stat_activity"
    " WHERE datname = current_database() AND state LIKE 'idle in transaction%'"
)


def _disk(file: Path) -> Sequence[Condition]:
    disk = shutil.disk_usage(file.absolute().parent)
    if disk.free >= LEAST_FREE * disk.total:
        return []
    sentence = (
        f"The disk below {file.absolute().parent} has {disk.free / disk.total:.0%} left. "
        "When it is full, changes are refused: make room, or move the database."
    )
    return [Condition("database", "disk", sentence)]


CHECKS = (
    Check(
        frozenset({"partner_down", "token_refused", "objects_refused", "partner_behind"}),
        stopped_partners,
    ),
    Check(frozenset({"registration_stuck"}), stuck_registrations),
    Check(frozenset({"auth_failures"}), refused_requests),
    Check(frozenset({"database"}), database_trouble),
    Check(frozenset({"endpoints_withheld"}), withheld_endpoints),
)
"""Those that need to know nothing of modules."""
