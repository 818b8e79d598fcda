"""Imported records become Locations and Tariffs of ours; what is unchanged stays untouched."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import islice
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

import modules.locations.own
import modules.tariffs.own
from modules.locations.parts import Place
from modules.locations.store import locations
from modules.stations.imports.records import Imported, Parts, Refusal, Remark
from modules.tariffs.store import tariffs
from ocpi.database import Database, clock_of, stamp
from ocpi.dating import later
from ocpi.editing import Document, object_key
from ocpi.headers import Party
from ocpi.push.feed import Stream
from ocpi.spec.moments import microseconds, parse_moment
from ocpi.store import Store

# Few enough that nobody waits long for the lock, many enough that commits do not count.
BATCH = 200


class Outcome(StrEnum):
    """What a record came to."""

    NEW = "new"
    UPDATED = "updated"
    UNCHANGED = "unchanged"


@dataclass
class Report:
    """What an import came to; every record is counted once, or refused with its reason."""

    counts: Counter[Outcome] = field(default_factory=Counter)
    refusals: list[Refusal] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)


@dataclass(frozen=True)
class Kind:
    """How records of one kind are published."""

    store: Store[Any]
    create: Callable[[AsyncSession, Party, Sequence[Document]], Awaitable[None]]
    update: Callable[[AsyncSession, Party, Document, Document, str], Awaitable[Outcome]]
    """Takes what is stored, the record's document, and the date of what changes."""


def with_tariff(
    records: Iterable[Imported | Refusal], tariff_id: str
) -> Iterator[Imported | Refusal]:
    """The records of stations with this Tariff at each Connector that names none."""
    for record in records:
        if isinstance(record, Imported):
            for evse in record.document.get("evses", []):
                for connector in evse["connectors"]:
                    connector.setdefault("tariff_ids", [tariff_id])
        yield record


async def publish_records(
    database: Database,
    records: Iterable[Imported | Refusal],
    kind: Kind,
    owner: Party,
    *,
    dry_run: bool,
    seen: Callable[[int], None],
) -> Report:
    """Publish records as objects of one of our parties, a transaction for each batch.

    `seen` hears how many records each batch had. With `dry_run` nothing is kept.
    """
    report = Report()
    stream = iter(records)
    while batch := list(islice(stream, BATCH)):
        report.refusals.extend(record for record in batch if isinstance(record, Refusal))
        imported = [record for record in batch if isinstance(record, Imported)]
        owned = [_owned(record, owner, report) for record in imported]
        report.counts += await _publish_batch(database, kind, owner, owned, dry_run=dry_run)
        seen(len(batch))
    return report


async def _publish_batch(
    database: Database, kind: Kind, owner: Party, records: Sequence[Imported], *, dry_run: bool
) -> Counter[Outcome]:
    async with database.write() as db:
        counts = await _publish(db, kind, owner, records)
        if dry_run:
            await db.rollback()
    return counts


async def _publish(
    db: AsyncSession, kind: Kind, owner: Party, records: Sequence[Imported]
) -> Counter[Outcome]:
    """New objects by a few statements for all of them, known ones each by itself."""
    stored = await _locked(db, kind, owner, [record.document for record in records])
    now = later(None, await clock_of(db, Stream.STATE))
    counts: Counter[Outcome] = Counter()
    new: list[Document] = []
    for record in records:
        document = _by_now(record.document, now)
        known = stored.get(object_key(owner, document["id"]))
        if known is None:
            # By an older date, partners that pull what is new would miss it (IP-24).
            new.append({**document, "last_updated": now})
        else:
            document = _with_refused(known, document, record.refused)
            counts[await kind.update(db, owner, known, document, now)] += 1
    if new:
        await kind.create(db, owner, new)
        counts[Outcome.NEW] = len(new)
    return counts


async def _locked(
    db: AsyncSession, kind: Kind, owner: Party, documents: Sequence[Document]
) -> dict[str, Document]:
    """Those of them that are known, by key; nobody creates one of the others any more."""
    stored = await kind.store.lock_many(db, owner, [each["id"] for each in documents])
    await stamp(db, "created", 0)
    # Whoever created one meanwhile has committed: creators wait for each other's stamps.
    new = [each["id"] for each in documents if object_key(owner, each["id"]) not in stored]
    return stored | await kind.store.lock_many(db, owner, new) if new else stored


def _owned(record: Imported, owner: Party, report: Report) -> Imported:
    report.remarks.extend(record.remarks)
    named = Party(*record.owner)
    if named.key != owner.key:
        reason = f"was {named}; it is published as {owner}"
        report.remarks.append(Remark(record.document["id"], "party_id", reason))
    owned = {"country_code": owner.country_code, "party_id": owner.party_id}
    return replace(record, document={**record.document, **owned})


async def _update_location(
    db: AsyncSession, owner: Party, stored: Document, document: Document, now: str
) -> Outcome:
    """The live status of an EVSE outlives an older file."""
    document = modules.locations.own.with_removed(
        stored, {**_beside_stored(stored, document, now), "last_updated": _after(stored, now)}
    )
    if modules.locations.own.same_content(stored, document):
        return Outcome.UNCHANGED
    await modules.locations.own.store_own(db, owner, Place(document["id"]), document)
    return Outcome.UPDATED


async def _update_tariff(
    db: AsyncSession, owner: Party, stored: Document, document: Document, now: str
) -> Outcome:
    if modules.tariffs.own.same_content(stored, document):
        return Outcome.UNCHANGED
    dated = {**document, "last_updated": _after(stored, now)}
    await modules.tariffs.own.store_own(db, owner, document["id"], dated)
    return Outcome.UPDATED


async def _create_tariffs(db: AsyncSession, owner: Party, documents: Sequence[Document]) -> None:
    # One by one: the feed may still know a Tariff of that name that was deleted.
    for document in documents:
        await modules.tariffs.own.store_own(db, owner, document["id"], document)


LOCATIONS = Kind(locations, modules.locations.own.create_own, _update_location)
TARIFFS = Kind(tariffs, _create_tariffs, _update_tariff)


def _by_now(document: Document, now: str) -> Document:
    """The document with parts that a file dates later dated now: else no change would be newer."""
    dated = dict(document)
    for name in ("evses", "connectors"):
        if name in document:
            dated[name] = [_by_now(part, now) for part in document[name]]
    dated["last_updated"] = min(document.get("last_updated", now), now, key=parse_moment)
    return dated


def _with_refused(stored: Document, document: Document, refused: Parts) -> Document:
    """The Location with what is stored of the parts that the file has, but in no form to be used.

    Where it cannot be told which part that was, any that is missing may be it.
    """
    if not refused:
        return document
    lost: dict[str | None, set[str | None]] = {}
    for uid, connector_id in refused:
        lost.setdefault(uid and uid.lower(), set()).add(connector_id and connector_id.lower())
    before = stored.get("evses", [])
    known = {evse["uid"].lower(): evse["connectors"] for evse in before}
    evses = []
    for evse in document.get("evses", []):
        uid = evse["uid"].lower()
        theirs = lost.get(uid, set()) | lost.get(None, set())
        connectors = _and_lost("id", known.get(uid, []), evse["connectors"], theirs)
        evses.append({**evse, "connectors": connectors})
    evses = _and_lost("uid", before, evses, set(lost))
    return {**document, "evses": evses} if evses else document


def _and_lost(
    name: str, before: Sequence[Document], parts: Sequence[Document], lost: set[str | None]
) -> list[Document]:
    """Parts, and of those before them the lost ones, in the old order; None is any missing."""
    now = {part[name].lower(): part for part in parts}
    kept = {part[name].lower(): part for part in before}
    kept = {key: part for key, part in kept.items() if key in now or lost & {key, None}}
    return list({**kept, **now}.values())


def _beside_stored(stored: Document, document: Document, now: str) -> Document:
    """The Location as the file has it, with live states kept and every changed EVSE dated."""
    if "evses" not in document:
        return document
    known = {evse["uid"].lower(): evse for evse in stored.get("evses", [])}
    evses = [_live(known.get(evse["uid"].lower()), evse, now) for evse in document["evses"]]
    return {**document, "evses": evses}


def _live(stored: Document | None, evse: Document, now: str) -> Document:
    if stored is None:
        return evse
    if parse_moment(stored["last_updated"]) > parse_moment(evse["last_updated"]):
        # The station has reported, or was withdrawn, since the file was made.
        evse = {**evse, "status": stored["status"]}
    if evse["status"] == "UNKNOWN" and stored["status"] != modules.locations.own.REMOVED:
        # The file is of what there is, not of how it is.
        evse = {**evse, "status": stored["status"]}
    if modules.locations.own.same_content(stored, evse):
        return stored
    return {**evse, "last_updated": _after(stored, now)}


def _after(stored: Document, now: str) -> str:
    """The date of a change made now, later than the stored one in any case."""
    return later(stored["last_updated"], microseconds(parse_moment(now)))
