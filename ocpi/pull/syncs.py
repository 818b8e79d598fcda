"""How far our copy of a partner's list is, and when it is brought up to date again."""

import random
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    ForeignKey,
    case,
    func,
    or_,
    tuple_,
    update,
)
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.database import clock
from ocpi.ownwords import insert_into

MINUTE = 60_000_000
HOUR = 60 * MINUTE
# A change may be committed by the partner after its clock was read for it (IP-24).
OVERLAP = 10 * MINUTE
# Whatever was missed is found again by asking for everything now and then (IP-24).
FULL_EVERY = 7 * 24 * HOUR
# How long one process has a list to itself; each page that is stored extends it.
LEASE = 10 * MINUTE
# A process reads so many lists at once: a page may take ten megabytes until it is merged.
AT_ONCE = 8
# After a pull that failed, in place of the whole interval; or so many times as long as it took.
RETRY = HOUR
RESTS = 10

Key = tuple[int, str]
"""A partner's id and a module."""


class _Copy(SQLModel):
    """How far something of a partner's is copied here."""

    full_at: int | None = Field(default=None, sa_type=BigInteger)
    """When the last complete crawl of everything began, by our clock; 0: there was none yet.

    None: everything must be asked for by a pull that has not begun, see `ask_anew`.
    """
    synced_at: int | None = Field(default=None, sa_type=BigInteger)
    """When the last complete crawl began: the next one asks for what changed since."""

    def since(self, now: int) -> int | None:
        """From when on changes are asked for; None when it is time for everything."""
        if self.synced_at is None or self.full_at is None or self.full_at <= now - FULL_EVERY:
            return None
        return self.synced_at - OVERLAP


class PartnerSync(_Copy, table=True):
    """One partner's list of one module."""

    __tablename__ = "partner_sync"

    partner_id: int = Field(
        sa_column=Column(ForeignKey("partner.id", ondelete="CASCADE"), primary_key=True)
    )
    module: str = Field(primary_key=True)
    next_at: int = Field(default=0, sa_type=BigInteger)
    """When some process pulls next; only one takes it, see `take_due`."""
    note: str | None = None
    """What the last pull came to, in a sentence for staff."""


class PartySync(_Copy, table=True):
    """What a hub lists of one module for one party of ours; all are pulled together."""

    __tablename__ = "party_sync"

    partner_id: int = Field(
        sa_column=Column(ForeignKey("partner.id", ondelete="CASCADE"), primary_key=True)
    )
    module: str = Field(primary_key=True)
    our_party_id: int = Field(
        sa_column=Column(ForeignKey("our_party.id", ondelete="CASCADE"), primary_key=True)
    )


def _one_of(keys: Collection[Key]) -> ColumnElement[bool]:
    return tuple_(col(PartnerSync.partner_id), col(PartnerSync.module)).in_(keys)


async def take_due(db: AsyncSession, keys: Collection[Key], most: int) -> set[Key]:
    """Of the lists up to so many that are to be pulled now, and by nobody else for a while.

    Who takes more than it begins at once keeps them from other processes until the lease ends.
    """
    if not keys:
        return set()
    await _ensure(db, keys)
    now = await clock(db)
    due = await db.exec(
        select(PartnerSync.partner_id, PartnerSync.module)
        .where(_one_of(keys), col(PartnerSync.next_at) <= now)
        .order_by(col(PartnerSync.next_at))
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    taken = {(partner_id, module) for partner_id, module in due}
    await db.exec(update(PartnerSync).where(_one_of(taken)).values(next_at=now + LEASE))
    return taken


async def catch_up(db: AsyncSession) -> None:
    """Pull soon what was not pulled lately: who was down has missed what partners pushed."""
    now = await clock(db)
    await db.exec(
        update(PartnerSync)
        .where(
            or_(col(PartnerSync.synced_at).is_(None), col(PartnerSync.synced_at) < now - OVERLAP),
            _waits(now),
        )
        .values(next_at=now)
    )


async def ask_anew(db: AsyncSession, partner_id: int, *, save: str, soon: bool) -> None:
    """Have the next pull of each of a partner's lists, `save` one, ask for everything.

    Who is new behind it has objects that were passed over, and do not change for that. With `soon`
    they are due now. A pull that is under way does not count as the next one, see `finish`.
    """
    now = await clock(db)
    due = {"next_at": case((_waits(now), now), else_=col(PartnerSync.next_at))} if soon else {}
    changes: tuple[tuple[type[Any], dict[str, Any]], ...] = ((PartnerSync, due), (PartySync, {}))
    for table, values in changes:
        await db.exec(
            update(table)
            .where(table.partner_id == partner_id, table.module != save)
            .values(full_at=None, **values)
        )


def _waits(now: int) -> ColumnElement[bool]:
    """Whether nobody is at it: a lease may have been extended while who asks waited for the row."""
    return col(PartnerSync.next_at) > now + LEASE + MINUTE


async def begin(db: AsyncSession, key: Key) -> tuple[PartnerSync, int]:
    """How far the copy is, and the time; nobody else begins for a while."""
    await _ensure(db, [key])
    begun = func.coalesce(col(PartnerSync.full_at), 0)
    await _set(db, key, next_at=await clock(db) + LEASE, full_at=begun)
    return await db.get_one(PartnerSync, key), await clock(db)


async def extend(db: AsyncSession, key: Key) -> None:
    """Keep the list to this process for a while longer."""
    await _set(db, key, next_at=await clock(db) + LEASE)


async def finish(
    db: AsyncSession,
    key: Key,
    note: str,
    interval: int,
    *,
    began: int,
    since: int | None,
    full: bool,
) -> None:
    """Note what a pull that began at a moment came to.

    The next one asks for changes `since` then; None when it was not complete. It is due after about
    `interval` microseconds: partners must not all be asked at once (TR-18). But where everything
    was asked for meanwhile, it is due at once.
    """
    now, is_begun = await clock(db), col(PartnerSync.full_at).is_not(None)
    # What fails after ten thousand pages would else be read again and again.
    again = min(interval, max(RETRY, RESTS * (now - began)))
    splayed = int((again if since is None else interval) * random.uniform(1, 1.2))  # noqa: S311 - no secret.
    due = case((is_begun, now + splayed), else_=now)
    values: dict[str, Any] = {"note": note, "next_at": due}
    if since is not None:
        values |= {"synced_at": since} | ({"full_at": case((is_begun, since))} if full else {})
    await _set(db, key, **values)


async def begin_for(
    db: AsyncSession, key: Key, parties: Sequence[int], *, full: bool
) -> tuple[list[tuple[PartySync, int | None]], int]:
    """How far a hub's list is copied for each of these parties of ours, and the time; see `begin`.

    Each comes with the moment since which changes are asked for. Once a week everything is asked
    for in the name of all, since only all lists together show what is gone; one that is new, or
    whose list was not read whole then, is caught up with alone.
    """
    await _insert(db, PartySync, [{**_named(key), "our_party_id": each} for each in parties])
    _, now = await begin(db, key)
    found = await db.exec(
        select(PartySync)
        .where(*_of(key), col(PartySync.our_party_id).in_(parties))
        .order_by(col(PartySync.our_party_id))
    )
    copies = found.all()
    full = full or any(each.full_at and each.full_at <= now - FULL_EVERY for each in copies)
    begun = [(each, None if full else each.since(now)) for each in copies]
    for each, since in begun:
        if since is None:
            # Until it is read whole; see `ask_anew` for who asks for more meanwhile.
            each.full_at = 0
    return begun, now


async def finish_for(
    db: AsyncSession, key: Key, our_party_id: int, *, since: int | None, full: bool
) -> None:
    """Note since when changes are asked for in the name of a party of ours; None: everything is."""
    full_at = col(PartySync.full_at)
    values: dict[str, Any] = {"full_at": case((full_at.is_not(None), since or 0))} if full else {}
    if since is not None:
        values["synced_at"] = since
    await db.exec(
        update(PartySync)
        .where(*_of(key), col(PartySync.our_party_id) == our_party_id)
        .values(**values)
    )


def _of(key: Key) -> tuple[ColumnElement[bool], ...]:
    return col(PartySync.partner_id) == key[0], col(PartySync.module) == key[1]


def _named(key: Key) -> dict[str, Any]:
    return dict(zip(("partner_id", "module"), key, strict=True))


async def _set(db: AsyncSession, key: Key, **values: Any) -> None:
    await db.exec(update(PartnerSync).where(_one_of([key])).values(**values))


async def _ensure(db: AsyncSession, keys: Collection[Key]) -> None:
    await _insert(db, PartnerSync, [{**_named(key), "next_at": 0} for key in keys])


async def _insert(db: AsyncSession, table: type[_Copy], rows: Sequence[dict[str, Any]]) -> None:
    await db.exec(insert_into(db)(table).values(rows).on_conflict_do_nothing())
