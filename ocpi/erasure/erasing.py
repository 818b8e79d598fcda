"""Erasing a driver: found everywhere, put behind tombstones in one transaction, or not at all."""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

from sqlalchemy import ColumnElement, func, or_, update
from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from modules.cdrs.sealing import digest_of, note_erasure
from modules.cdrs.store import CDRRow, erasable
from modules.sessions.store import SessionRow
from modules.stations.charges import Charge
from modules.tokens.store import HubTokenRow, TokenObject
from ocpi.context import Context
from ocpi.database import Database, clock
from ocpi.erasure.person import ERASED, Person, without
from ocpi.erasure.places import LINKS, PLACES, SENTENCES, Place
from ocpi.erasure.running import hindrances
from ocpi.errors import InvalidParameters
from ocpi.journal.searching import speaking_of
from ocpi.journal.table import MessageRow, MessageSubject, sheets_of
from ocpi.journal.writing import AT_ONCE, store_notes
from ocpi.messages import log
from ocpi.push.feed import SyncObject, feed_key
from ocpi.push.lanes import ParkedObject, PartnerLane, lock_lanes
from ocpi.sealing import Seal
from ocpi.spec.document import decode, encode
from ocpi.store import StoredObject

WINDOW = 1000
"""How many rows are looked through in one query, so that nobody waits long for it."""
# How rows of the feed name objects of these tables.
_TOLD: Mapping[type[StoredObject], str] = {
    HubTokenRow: "tokens",
    SessionRow: "sessions",
    CDRRow: "cdrs",
}
_TEXTS = ("url", "object_key", "object_id", "request", "response", "failure")

Found = Sequence[tuple[Place, Sequence[Any]]]


@dataclass
class Erasure:
    """What was found of a driver, and what became of it."""

    erased: bool = False
    held: dict[str, int] = field(default_factory=dict)
    """How many rows name the driver, by table."""
    hindrances: list[str] = field(default_factory=list)
    """Why nothing was erased."""
    remarks: list[str] = field(default_factory=list)


async def erase(context: Context, person: Person, *, dry_run: bool = False) -> Erasure:
    """Erase a driver everywhere, or, while something of this driver's still runs, nowhere.

    Raises ``InvalidParameters`` when nobody is named.
    """
    if not person.names:
        raise InvalidParameters("Name the driver: by the uid of a token, a contract id, or both.")
    database, seal = context.database, context.seal
    person = await _with_uids(database, person)
    found = [(place, await _candidates(database, place, person)) for place in PLACES]
    links = await _candidates(database, LINKS, person)
    async with database.write() as db:
        rows = []
        for place, keys in found:
            met = await _read(db, place, keys, lock=True)
            rows.append((place, [row for row in met if _names(place, row, person)]))
        every = [row for _, some in rows for row in some]
        erasure = Erasure(held={place.name: len(some) for place, some in rows if some})
        erasure.hindrances = await hindrances(db, every, await clock(db))
        erasure.remarks = _remarks(every)
        act = not dry_run and not erasure.hindrances
        names = {*person.names, *_names_in(rows, person)}
        if act:
            async with erasable(db):
                for place, some in rows:
                    for row in some:
                        await _put_away(db, place, row, person, seal)
            await forget_feed(db, every)
        for table, count in (await _sentences(db, person, act=act)).items():
            erasure.held[table] = erasure.held.get(table, 0) + count
        erasure.held[LINKS.name] = await _forget_links(db, links, person, act=act)
    # What was said a moment ago is in the memory of this process yet.
    await store_notes(database, seal, context.notes)
    erasure.held |= await _messages(database, seal, names, act=act)
    erasure.held = {table: count for table, count in erasure.held.items() if count}
    erasure.erased = act
    if act and erasure.held:
        log.warning("a driver was erased", **erasure.held)
    return erasure


async def _with_uids(database: Database, person: Person) -> Person:
    """The driver with the uids of all tokens of the contract: a station knows no more than those.

    The other way round a contract may have tokens of other drivers, so it is not searched by.
    """
    if not person.contracts:
        return person
    uids = set(person.uids)
    for place in PLACES:
        keys = await _candidates(database, place, person)
        async with database.read() as db:
            for row in await _read(db, place, keys):
                texts = [getattr(row, name) for name in place.documents]
                uids.update(*(person.uids_in(decode(text)) for text in texts if text))
    return Person(frozenset(uids), person.contracts)


def _like(column: Any, person: Person) -> ColumnElement[bool]:
    """Whether a text holds one of the driver's names, as JSON or a URL spells it."""
    lower = func.lower(column)
    spelled = {
        each for name in person.names for each in (encode(name)[1:-1], quote(name, safe="").lower())
    }
    return or_(*(lower.contains(each, autoescape=True) for each in sorted(spelled)))


async def _candidates(database: Database, place: Place, person: Person) -> Sequence[Any]:
    """The keys of rows that may name the driver, window by window through the whole table."""
    key = getattr(place.table, place.key)
    columns = [getattr(place.table, name) for name in place.documents]
    if place.token_key is not None:
        columns.append(getattr(place.table, place.token_key))
    hit = or_(*(_like(column, person) for column in columns))
    found: list[Any] = []
    after: list[ColumnElement[bool]] = []
    while True:
        ends = select(key).where(*after).order_by(key).offset(WINDOW - 1).limit(1)
        async with database.read() as db:
            end = (await db.exec(ends)).first()
            window = [*after] if end is None else [*after, key <= end]
            found += (await db.exec(select(key).where(*window, hit))).all()
        if end is None:
            return found
        after = [key > end]
        await asyncio.sleep(0)


async def _read(
    db: AsyncSession, place: Place, keys: Sequence[Any], *, lock: bool = False
) -> list[Any]:
    key = getattr(place.table, place.key)
    rows: list[Any] = []
    for n in range(0, len(keys), AT_ONCE):
        query = select(place.table).where(key.in_(keys[n : n + AT_ONCE])).order_by(key)
        rows += (await db.exec(query.with_for_update() if lock else query)).all()
    return rows


def _names(place: Place, row: Any, person: Person) -> bool:
    """Whether a row names the driver, and not only something that is written alike."""
    if place.token_key is not None:
        uid = (getattr(row, place.token_key) or "").rpartition("*")[0]
        if uid in person.uids:
            return True
    texts = [getattr(row, name) for name in place.documents]
    return any(person.is_within(decode(text)) for text in texts if text)


async def _put_away(db: AsyncSession, place: Place, row: Any, person: Person, seal: Seal) -> None:
    """Put tombstones into a row; a Token, which bills nothing, goes as a whole."""
    if isinstance(row, TokenObject):
        await db.delete(row)
        return
    if isinstance(row, SyncObject):
        return
    before = digest_of(row) if isinstance(row, CDRRow) else ""
    for name in place.documents:
        text = getattr(row, name)
        if text:
            setattr(row, name, encode(without(decode(text), person, seal)))
    for name in place.references:
        value = getattr(row, name)
        if value is not None:
            setattr(row, name, seal.tombstone(value))
    if place.token_key is not None:
        uid, _, kind = (getattr(row, place.token_key) or "").rpartition("*")
        if uid:
            setattr(row, place.token_key, f"{seal.tombstone(uid)}*{kind}".lower())
    if isinstance(row, CDRRow):
        await note_erasure(db, seal, row, before)
    db.add(row)


async def forget_feed(db: AsyncSession, rows: Sequence[Any]) -> None:
    """Have the push forget what is erased: nobody is ever told an object with tombstones in it."""
    keys = [row.key for row in rows if isinstance(row, SyncObject)]
    for table, module in _TOLD.items():
        keys += [feed_key(module, row.key) for row in rows if isinstance(row, table)]
    parts = [keys[n : n + AT_ONCE] for n in range(0, len(keys), AT_ONCE)]
    waited: set[int] = set()
    for some in parts:
        lanes = select(ParkedObject.partner_id).where(col(ParkedObject.object_key).in_(some))
        waited.update(await db.exec(lanes))
    # The lanes first, as whoever stores what they park has them.
    await lock_lanes(db, col(PartnerLane.partner_id).in_(waited))
    for some in parts:
        await db.exec(delete(SyncObject).where(col(SyncObject.key).in_(some)))
        await db.exec(delete(ParkedObject).where(col(ParkedObject.object_key).in_(some)))


async def _forget_links(db: AsyncSession, keys: Sequence[str], person: Person, *, act: bool) -> int:
    """Forget what addresses of ours stand for where that names the driver; gives how many.

    Who follows one later learns that there is nothing: the URL behind it would tell the name.
    """
    links = await _read(db, LINKS, keys)
    naming = [link for link in links if person.is_named_in(unquote(link.url))]
    for link in naming if act else ():
        await db.delete(link)
    return len(naming)


async def _sentences(db: AsyncSession, person: Person, *, act: bool) -> dict[str, int]:
    """Blot out sentences for staff that speak of the driver; gives how many, by table."""
    count: Counter[str] = Counter()
    for table, name in SENTENCES:
        column = getattr(table, name)
        hit = _like(column, person)
        found = await db.exec(select(func.count()).select_from(table).where(hit))
        count[str(table.__tablename__)] += found.one()
        if act:
            await db.exec(update(table).where(hit).values({name: ERASED}))
    return dict(count)


def _names_in(rows: Found, person: Person) -> set[str]:
    """All that tells who the driver is, in the rows that name this driver."""
    names: set[str] = set()
    for place, some in rows:
        for row in some:
            for column in place.documents:
                text = getattr(row, column)
                if text:
                    names |= person.names_in(decode(text))
    return names


async def _messages(
    database: Database, seal: Seal, names: Collection[str], *, act: bool
) -> dict[str, int]:
    """Take a driver's marks out of the message log, some rows at a time; gives how many rows."""
    speaking: set[int] = set()
    for mark in (mark for name in names for mark in seal.marks(name)):
        async with database.read() as db:
            numbers = sorted((await db.exec(speaking_of([mark], await sheets_of(db)))).all())
        speaking.update(numbers)
        for n in range(0, len(numbers) if act else 0, AT_ONCE):
            await _blot(database, mark, numbers[n : n + AT_ONCE])
    return {str(MessageRow.__tablename__): len(speaking)}


async def _blot(database: Database, mark: str, numbers: Sequence[int]) -> None:
    blotted = {name: func.replace(getattr(MessageRow, name), mark, f"~{ERASED}") for name in _TEXTS}
    subjects = delete(MessageSubject).where(
        col(MessageSubject.mark) == mark, col(MessageSubject.message_id).in_(numbers)
    )
    async with database.write() as db:
        await db.exec(update(MessageRow).where(col(MessageRow.id).in_(numbers)).values(blotted))
        await db.exec(subjects)


def _remarks(rows: Sequence[Any]) -> list[str]:
    """What staff should know beside."""
    remarks = [
        f"The Token is its eMSP's, {row.owner.upper()}: have it removed there too, or it comes "
        "again with the next list."
        for row in rows
        if isinstance(row, TokenObject)
    ]
    signed = any(isinstance(row, (CDRRow, Charge)) and _is_signed(row) for row in rows)
    if signed:
        remarks.append(
            "Signed meter values are kept as they are, since the bill rests on them: a station may "
            "have written the uid into them."
        )
    return list(dict.fromkeys(remarks))


def _is_signed(row: CDRRow | Charge) -> bool:
    return '"signed_data"' in (row.body if isinstance(row, CDRRow) else row.record)
