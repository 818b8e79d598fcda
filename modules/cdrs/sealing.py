"""Sealing the CDRs that are stored: once a day by the workers, and by `ocpi cdr seal`."""

import asyncio
from collections.abc import AsyncIterator
from itertools import groupby
from typing import Any

from sqlalchemy import bindparam, func, update
from sqlalchemy import select as select_columns
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from modules.cdrs.seals import (
    LOWEST,
    NO_SEAL,
    CDRErasure,
    CDRSeal,
    Stored,
    anchor_of,
    digest,
    hash_of,
    new_salt,
)
from modules.cdrs.store import CDRRow
from ocpi.context import Context
from ocpi.crew import Repeated
from ocpi.database import Database, clock, stamp
from ocpi.messages import log
from ocpi.ownwords import AsBytes
from ocpi.push.feed import FeedHead
from ocpi.sealing import Seal

DAY = 24 * 3600 * 1_000_000
# CDRs in one seal at most: more of them, as there are at first, get several seals.
MOST = 10_000
# CDRs that are read at once: requests wait a few milliseconds for it.
SLICE = 100


class Sealer(Repeated):
    """Seals what has come once a day, in one of any number of processes."""

    def __init__(self, context: Context, *, pause: float = 600.0) -> None:
        """`pause` is how often, in seconds, it looks whether a day (UTC) has begun."""
        super().__init__(self.turn, pause=pause, complaint="CDRs were not sealed", at_once=False)
        self._context = context

    async def turn(self) -> None:
        """Seal, unless that is done today; the line in the log carries the anchor away."""
        database = self._context.database
        newest = await newest_seal(database)
        async with database.read() as db:
            today = await clock(db) // DAY
        if newest is not None and newest.at // DAY >= today:
            return
        made = await seal_stored(self._context, daily=True)
        if made:
            sealed = sum(seal.cdrs for seal in made)
            erased = sum(seal.erasures for seal in made)
            log.info("cdrs sealed", anchor=anchor_of(made[-1]), cdrs=sealed, erasures=erased)


async def seal_stored(context: Context, *, daily: bool = False) -> list[CDRSeal]:
    """Seal all that is stored and not sealed yet; gives the seals that were made.

    The `daily` seal is also made where nothing is new, so that an anchor of each day can be kept;
    it is left to whoever else is at it.
    """
    database = context.database
    upto = await _position(database)
    made: list[CDRSeal] = []
    while True:
        draft = await _draft(context, await newest_seal(database), upto)
        if not (draft.cdrs or draft.erasures or (daily and not made)):
            return made
        if await _store(database, draft):
            made.append(draft)
        elif daily:
            return made


async def newest_seal(database: Database) -> CDRSeal | None:
    """The last seal of the chain."""
    async with database.read() as db:
        query = select(CDRSeal).order_by(col(CDRSeal.number).desc()).limit(1)
        return (await db.exec(query)).first()


async def _position(database: Database) -> int:
    """A position up to which all is stored for good: the numbers are given in commit order."""
    async with database.read() as db:
        return (await db.exec(select(FeedHead.seq).where(FeedHead.stream == "created"))).one()


async def _draft(context: Context, before: CDRSeal | None, upto: int) -> CDRSeal:
    """The next seal, up to a position or as far as one may reach."""
    database = context.database
    after = LOWEST if before is None else before.last
    found: list[Stored] = []
    async for each in stored_between(database, after, upto):
        found.append(each)
        if len(found) == MOST:
            break
    last = found[-1].position if len(found) == MOST else max(upto, after)
    erased = [each async for each in erased_between(database, after, last)]
    async with database.read() as db:
        now = await clock(db)
    leaves = [*(each.leaf(last) for each in found), *(each.leaf for each in erased)]
    seal = CDRSeal(
        number=1 if before is None else before.number + 1,
        at=now,
        first=1 if before is None else before.last + 1,
        last=last,
        cdrs=len(found),
        erasures=len(erased),
        leaves=b"".join(leaves),
        previous=NO_SEAL if before is None else before.hash,
        hash="",
        voucher="",
    )
    seal.hash = hash_of(seal)
    seal.voucher = context.seal.vouch(seal.hash)
    return seal


async def _store(database: Database, seal: CDRSeal) -> bool:
    """Store a seal; False where another process was quicker."""
    try:
        async with database.write() as db:
            db.add(seal)
    except IntegrityError:
        return False
    return True


def _slice_query() -> Any:
    """CDRs beside their erasures: one statement, since both have to be of the same moment."""
    position = col(CDRRow.position)
    cdr = (
        select_columns(
            position,
            AsBytes(col(CDRRow.key)).label("key"),
            AsBytes(col(CDRRow.owner)).label("owner"),
            col(CDRRow.last_updated),
            AsBytes(col(CDRRow.salt)).label("salt"),
            # As bytes, so that what is no text any more is found, too, and nothing fails of it.
            AsBytes(col(CDRRow.body)).label("body"),
        )
        .where(position > bindparam("after"), position <= bindparam("upto"))
        .order_by(position)
        .limit(bindparam("slice"))
        .subquery()
    )
    erasure = (col(CDRErasure.position), col(CDRErasure.before), col(CDRErasure.after))
    return (
        select_columns(*cdr.c, *erasure)
        .outerjoin_from(cdr, CDRErasure, col(CDRErasure.cdr) == cdr.c.position)
        .order_by(cdr.c.position, col(CDRErasure.position))
    )


_SLICE = _slice_query()


async def stored_between(database: Database, after: int, upto: int) -> AsyncIterator[Stored]:
    """The CDRs after a position up to another, some at a time."""
    while True:
        given = {"after": after, "upto": upto, "slice": SLICE}
        rows = await database.fetch("cdrs.seal_slice", _SLICE, given)
        found = [_stored(list(some)) for _, some in groupby(rows, key=lambda row: row[0])]
        for each in found:
            yield each
        if len(found) < SLICE:
            return
        after = found[-1].position
        await asyncio.sleep(0)


def _stored(rows: list[Any]) -> Stored:
    position, key, owner, last_updated, salt, body = rows[0][:6]
    return Stored(
        position,
        key.decode(errors="replace"),
        owner.decode(errors="replace"),
        last_updated,
        digest(salt, body),
        [tuple(row[6:9]) for row in rows if row[6] is not None],
    )


async def erased_between(database: Database, after: int, upto: int) -> AsyncIterator[CDRErasure]:
    """The erasures after a position up to another, some at a time."""
    position = col(CDRErasure.position)
    while True:
        query = select(CDRErasure).where(position > after, position <= upto).order_by(position)
        async with database.read() as db:
            found = (await db.exec(query.limit(SLICE))).all()
        for each in found:
            yield each
        if len(found) < SLICE:
            return
        after = found[-1].position


async def count_unsealed(database: Database, newest: CDRSeal | None) -> int:
    """How many CDRs no seal vouches for yet."""
    after = LOWEST if newest is None else newest.last
    async with database.read() as db:
        query = select(func.count()).select_from(CDRRow).where(col(CDRRow.position) > after)
        return (await db.exec(query)).one()


def digest_of(row: CDRRow) -> str:
    """What stands for a row as it is at the moment."""
    return digest(row.salt.encode(), row.body.encode())


async def note_erasure(db: AsyncSession, seal: Seal, row: CDRRow, before: str) -> None:
    """Write down that a driver was erased from a CDR, whose digest was `before`.

    Its salt goes with what was erased: what its old digest stood for can't be found by trying.
    """
    if digest_of(row) == before:
        return
    row.salt = new_salt()
    erasure = CDRErasure(
        position=await stamp(db, "created"),
        cdr=row.position,
        at=await clock(db),
        before=before,
        after=digest_of(row),
        voucher="",
    )
    erasure.voucher = seal.vouch(erasure.leaf.hex())
    db.add(erasure)


async def vouch_anew(context: Context) -> int:
    """Have the secret key that counts now vouch for what the previous one did; gives for how many.

    Without it nothing could be verified once the previous key is gone.
    """
    seal = context.seal
    done = 0
    async with context.database.write() as db:
        seals = select(CDRSeal.number, CDRSeal.hash, CDRSeal.voucher)
        for number, hashed, voucher in (await db.exec(seals)).all():
            if not seal.is_current(voucher) and seal.vouches(hashed, voucher):
                mine = col(CDRSeal.number) == number
                await db.exec(update(CDRSeal).where(mine).values(voucher=seal.vouch(hashed)))
                done += 1
        for row in (await db.exec(select(CDRErasure))).all():
            leaf = row.leaf.hex()
            if not seal.is_current(row.voucher) and seal.vouches(leaf, row.voucher):
                row.voucher = seal.vouch(leaf)
                done += 1
    return done
