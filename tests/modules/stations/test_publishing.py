"""What a file's records become: Locations and Tariffs of ours, touched only where they changed."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from sqlmodel import col, select

from modules.locations.own import patch_own, put_own, remove_own
from modules.locations.parts import Place
from modules.locations.store import locations
from modules.stations.imports.records import Imported, Refusal, Remark
from modules.stations.publishing import (
    LOCATIONS,
    TARIFFS,
    Kind,
    Outcome,
    Report,
    publish_records,
)
from modules.tariffs.store import tariffs
from ocpi.database import Database, stamp
from ocpi.editing import Document
from ocpi.push.feed import SyncObject
from ocpi.spec.document import decode
from ocpi.spec.moments import parse_moment
from ocpi.testing import samples
from tests.house import OURS, OWNER, open_database

T1, T2 = "2026-01-16T00:00:00Z", "2026-01-17T00:00:00Z"


@pytest.fixture
async def database(sqlite_url: str) -> AsyncIterator[Database]:
    async with open_database(sqlite_url) as opened:
        yield opened


def location(name: str = "LOC-1", **over: Any) -> Document:
    return samples.location(**{**OWNER, "id": name, **over})


def tariff(**over: Any) -> Document:
    return samples.tariff(**{**OWNER, **over})


async def publish(
    database: Database,
    *documents: Document,
    by: Kind = LOCATIONS,
    dry_run: bool = False,
    seen: Callable[[int], None] = lambda _: None,
) -> Report:
    records = [Imported(document, []) for document in documents]
    return await publish_records(database, records, by, OURS, dry_run=dry_run, seen=seen)


async def stored(database: Database, name: str = "LOC-1") -> Document:
    document: Document = decode(await locations.text(database, (OURS,), name))
    return document


def undated(document: Document) -> Document:
    """The document but for its own date, which is that of its publication."""
    return {name: value for name, value in document.items() if name != "last_updated"}


async def change(database: Database, place: Place, **changes: Any) -> None:
    async with database.write() as db:
        await patch_own(db, OURS, place, changes)


async def feed(database: Database) -> list[str]:
    async with database.read() as db:
        found = await db.exec(select(col(SyncObject.key)).order_by(col(SyncObject.seq)))
        return list(found.all())


async def test_what_is_new_is_published_as_it_is(database: Database) -> None:
    report = await publish(database, location(), location("LOC-2"))
    assert report == Report(Counter({Outcome.NEW: 2}))
    assert undated(await stored(database)) == undated(location())
    assert await feed(database) == ["locations/nl*tnm*loc-1", "locations/nl*tnm*loc-2"]


async def test_what_is_unchanged_stays_untouched(database: Database) -> None:
    await publish(database, location(), location("LOC-2"))
    before = await stored(database)
    report = await publish(database, location(last_updated=T1), location("LOC-2", city="Neustadt"))
    assert report.counts == {Outcome.UNCHANGED: 1, Outcome.UPDATED: 1}
    assert await stored(database) == before
    assert (await feed(database))[0] == "locations/nl*tnm*loc-1"


@pytest.mark.req("LO-03")
async def test_what_is_new_or_changed_is_dated_when_it_is_published(database: Database) -> None:
    await publish(database, location(last_updated=T2))
    first = parse_moment((await stored(database))["last_updated"])
    assert first > parse_moment(T2)
    await publish(database, location(city="Neustadt", last_updated=T1))
    assert parse_moment((await stored(database))["last_updated"]) > first


async def test_the_state_that_a_station_told_outlives_an_older_file(database: Database) -> None:
    await publish(database, location())
    await change(database, Place("LOC-1", "EVSE-1"), status="CHARGING")
    before = await stored(database)
    assert (await publish(database, location())).counts == {Outcome.UNCHANGED: 1}
    assert await stored(database) == before
    await publish(database, location(city="Neustadt"))
    assert (await stored(database))["evses"][0]["status"] == "CHARGING"


async def test_a_file_that_knows_no_status_takes_none_back(database: Database) -> None:
    def silent(moment: str, **over: Any) -> Document:
        return location(evses=[samples.evse(1, status="UNKNOWN", last_updated=moment)], **over)

    await publish(database, silent(T1))
    assert (await stored(database))["evses"][0]["status"] == "UNKNOWN"
    await change(database, Place("LOC-1", "EVSE-1"), status="CHARGING")
    later = (await stored(database))["evses"][0]["last_updated"]
    assert (await publish(database, silent(later))).counts == {Outcome.UNCHANGED: 1}
    await publish(database, silent(later, city="Neustadt"))
    assert (await stored(database))["evses"][0]["status"] == "CHARGING"
    await change(database, Place("LOC-1", "EVSE-1"), status="REMOVED")
    await publish(database, silent((await stored(database))["evses"][0]["last_updated"]))
    assert (await stored(database))["evses"][0]["status"] == "UNKNOWN"


@pytest.mark.req("LO-12", "LO-13")
async def test_an_evse_that_the_file_lacks_is_removed_once(database: Database) -> None:
    await publish(database, location())
    shorter = location(evses=[samples.evse(1), samples.evse(3)])
    assert (await publish(database, shorter)).counts == {Outcome.UPDATED: 1}
    statuses = {evse["uid"]: evse["status"] for evse in (await stored(database))["evses"]}
    assert statuses == {"EVSE-1": "AVAILABLE", "EVSE-3": "AVAILABLE", "EVSE-2": "REMOVED"}
    assert (await publish(database, shorter)).counts == {Outcome.UNCHANGED: 1}


async def test_tariffs_are_published_the_same_way(database: Database) -> None:
    for document, outcome in (
        (tariff(), Outcome.NEW),
        (tariff(last_updated=T1), Outcome.UNCHANGED),
        (tariff(currency="CHF"), Outcome.UPDATED),
    ):
        report = await publish(database, document, by=TARIFFS)
        assert report.counts == {outcome: 1}
    now = decode(await tariffs.text(database, (OURS,), "TARIFF-1"))
    assert parse_moment(now["last_updated"]) > parse_moment(T2)


async def test_records_of_others_are_published_as_ours_and_remarked(database: Database) -> None:
    report = await publish(database, location(country_code="FR", party_id="XYZ"))
    assert undated(await stored(database)) == undated(location())
    assert report.remarks == [Remark("LOC-1", "party_id", "was FR*XYZ; it is published as NL*TNM")]


async def test_refusals_and_remarks_are_passed_on(database: Database) -> None:
    refusal, remark = Refusal("X", "id", "is required"), Remark("LOC-1", "name", "was cut")
    records: list[Imported | Refusal] = [refusal, Imported(location(), [remark])]
    report = await publish_records(
        database, records, LOCATIONS, OURS, dry_run=False, seen=lambda _: None
    )
    assert report == Report(Counter({Outcome.NEW: 1}), [refusal], [remark])


async def test_a_dry_run_counts_and_keeps_nothing(database: Database) -> None:
    await publish(database, location())
    documents = [location(city="Neustadt"), location("LOC-2")]
    report = await publish(database, *documents, dry_run=True)
    assert report.counts == {Outcome.UPDATED: 1, Outcome.NEW: 1}
    assert undated(await stored(database)) == undated(location())
    assert await feed(database) == ["locations/nl*tnm*loc-1"]


async def test_every_record_is_seen_once(database: Database) -> None:
    counts: list[int] = []
    documents = [location(f"L{number}", evses=[]) for number in range(7)]
    await publish(database, *documents, seen=counts.append)
    assert sum(counts) == 7


async def test_an_import_and_a_live_report_do_not_lock_each_other_out(postgres_url: str) -> None:
    async with open_database(postgres_url) as database:
        await publish(database, location("A"), location("B"))
        locked = asyncio.Event()

        async def report() -> None:
            async with database.write() as db:
                await locations.lock(db, OURS, "B")
                locked.set()
                # Long enough for an import that takes what it needs one by one to hold the feed.
                await asyncio.sleep(0.2)
                await patch_own(db, OURS, Place("B", "EVSE-1"), {"status": "CHARGING"})

        async def read_file() -> None:
            await locked.wait()
            await publish(database, location("A", city="Neustadt"), location("B", city="Neustadt"))

        await asyncio.gather(report(), read_file())
        document = await stored(database, "B")
        assert (document["city"], document["evses"][0]["status"]) == ("Neustadt", "CHARGING")


async def test_an_object_that_somebody_creates_meanwhile_is_updated(postgres_url: str) -> None:
    async with open_database(postgres_url) as database:
        async with database.write() as db:
            await stamp(db, "created", 0)
            publishing = asyncio.create_task(publish(database, location()))
            await asyncio.sleep(0.2)
            moment = {"last_updated": "2026-01-01T00:00:00Z"}
            await LOCATIONS.create(db, OURS, [location(city="Neustadt") | moment])
        assert (await publishing).counts == {Outcome.UPDATED: 1}
        assert (await stored(database))["city"] == location()["city"]


async def test_a_removed_evse_comes_back_with_a_newer_file_only(database: Database) -> None:
    async with database.write() as db:
        await put_own(db, OURS, Place("LOC-1"), location())
        await remove_own(db, OURS, Place("LOC-1", "EVSE-1"))
    assert (await publish(database, location())).counts == {Outcome.UNCHANGED: 1}
    newer = location(evses=[samples.evse(1, last_updated="2099-01-01T00:00:00Z")])
    await publish(database, newer)
    assert (await stored(database))["evses"][0]["status"] == "AVAILABLE"


@pytest.mark.pitfall("IP-14")
async def test_what_a_file_dates_ahead_is_dated_when_it_is_published(database: Database) -> None:
    ahead = {"last_updated": "2099-01-01T00:00:00Z"}
    plug = samples.connector(1, **ahead)
    await publish(database, location(evses=[samples.evse(1, **ahead, connectors=[plug])], **ahead))
    document = await stored(database)
    [evse] = document["evses"]
    dates = {each["last_updated"] for each in (document, evse, *evse["connectors"])}
    assert len(dates) == 1
    assert parse_moment(dates.pop()).year < 2099
