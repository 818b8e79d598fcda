"""Imported records become Locations and Tariffs of ours; what is unchanged stays untouched."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from sqlmodel.ext.asyncio.session import AsyncSession

import modules.locations.own
import modules.tariffs.own
from modules.locations.parts import Place
from modules.locations.store import locations
from modules.stations.imports.records import Imported, Refusal, Remark
from modules.tariffs.store import tariffs
from ocpi.database import Database, clock
from ocpi.headers import Party
from ocpi.spec.moments import parse_moment
from ocpi.store import Document, later


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


Publish = Callable[[AsyncSession, Party, Document], Awaitable[Outcome]]


async def publish_records(
    database: Database,
    records: Iterable[Imported | Refusal],
    publish: Publish,
    owner: Party,
    *,
    dry_run: bool,
    seen: Callable[[int], None],
) -> Report:
    """Publish records as objects of one of our parties, each in a transaction of its own.

    More than one object in a transaction could lock out, on PostgreSQL, a station that reports on
    the second one while the first one holds the feed. `seen` hears how many records were done. With
    `dry_run` nothing is kept.
    """
    report = Report()
    for record in records:
        if isinstance(record, Refusal):
            report.refusals.append(record)
        else:
            async with database.write() as db:
                await _publish_record(db, record, publish, owner, report)
                if dry_run:
                    await db.rollback()
        seen(1)
    return report


async def _publish_record(
    db: AsyncSession, record: Imported, publish: Publish, owner: Party, report: Report
) -> None:
    report.remarks.extend(record.remarks)
    named = Party(*record.owner)
    if named.key != owner.key:
        reason = f"was {named}; it is published as {owner}"
        report.remarks.append(Remark(record.document["id"], "party_id", reason))
    owned = {"country_code": owner.country_code, "party_id": owner.party_id}
    report.counts[await publish(db, owner, {**record.document, **owned})] += 1


async def publish_location(db: AsyncSession, owner: Party, document: Document) -> Outcome:
    """Publish a Location from a file; the live status of a known EVSE outlives an older file."""
    place = Place(document["id"])
    stored = await locations.lock(db, owner, place.location_id)
    if stored is not None:
        document = _beside_stored(stored, document, later(None, await clock(db)))
        if modules.locations.own.same_content(stored, document):
            return Outcome.UNCHANGED
    await modules.locations.own.put_own(db, owner, place, document)
    return Outcome.NEW if stored is None else Outcome.UPDATED


async def publish_tariff(db: AsyncSession, owner: Party, document: Document) -> Outcome:
    """Publish a Tariff from a file."""
    stored = await tariffs.lock(db, owner, document["id"])
    if stored is not None:
        if modules.tariffs.own.same_content(stored, document):
            return Outcome.UNCHANGED
        document = _newer(stored, document, later(None, await clock(db)))
    await modules.tariffs.own.put_own(db, owner, document["id"], document)
    return Outcome.NEW if stored is None else Outcome.UPDATED


def _beside_stored(stored: Document, document: Document, now: str) -> Document:
    """The Location as the file has it, with live states kept and every change dated."""
    known = {evse["uid"].lower(): evse for evse in stored.get("evses", [])}
    evses = [_live(known.get(evse["uid"].lower()), evse, now) for evse in document.get("evses", [])]
    gone = known.keys() - {evse["uid"].lower() for evse in evses}
    removed = [known[uid] for uid in known if uid in gone and known[uid]["status"] == "REMOVED"]
    merged = _newer(stored, document, now)
    return {**merged, "evses": [*evses, *removed]} if evses or removed else merged


def _live(stored: Document | None, evse: Document, now: str) -> Document:
    if stored is None:
        return evse
    if parse_moment(stored["last_updated"]) > parse_moment(evse["last_updated"]):
        # The station has reported since the file was made.
        evse = {**evse, "status": stored["status"]}
    if modules.locations.own.same_content(stored, evse):
        return stored
    return _newer(stored, evse, now)


def _newer(stored: Document, document: Document, now: str) -> Document:
    """The document, dated now where its own date would hide the change from those who pull."""
    if parse_moment(document["last_updated"]) > parse_moment(stored["last_updated"]):
        return document
    return {**document, "last_updated": max(now, stored["last_updated"], key=parse_moment)}
