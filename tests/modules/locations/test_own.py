"""Changes of our own Locations: dated, complete, told, and never lost."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sqlmodel import col, select

from modules.locations.own import patch_own, put_own, remove_own
from modules.locations.parts import Place
from modules.locations.store import locations
from ocpi.database import Database
from ocpi.editing import Document, Written
from ocpi.errors import Conflict, InvalidParameters, UnknownLocation
from ocpi.push.feed import SyncObject
from ocpi.spec.document import decode
from ocpi.spec.moments import parse_moment
from ocpi.testing import samples
from tests.house import OURS, OWNER, open_database

T0, T1, T2 = samples.UPDATED, "2026-01-16T00:00:00Z", "2026-01-17T00:00:00Z"
LOC, EVSE, PLUG = Place("LOC-1"), Place("LOC-1", "EVSE-1"), Place("LOC-1", "EVSE-1", "1")


@pytest.fixture
async def database(sqlite_url: str) -> AsyncIterator[Database]:
    async with open_database(sqlite_url) as opened:
        yield opened


def location(**over: Any) -> Document:
    return samples.location(**OWNER, **over)


async def put(database: Database, place: Place, body: Document) -> Written:
    async with database.write() as db:
        return await put_own(db, OURS, place, body)


async def store(database: Database, document: Document) -> None:
    """As a version stored it that refused no dates."""
    async with database.write() as db:
        await locations.put(db, OURS, "LOC-1", document)


async def patch(database: Database, place: Place, body: Document) -> Written:
    async with database.write() as db:
        return await patch_own(db, OURS, place, body)


async def remove(database: Database, place: Place) -> None:
    async with database.write() as db:
        await remove_own(db, OURS, place)


async def stored(database: Database) -> Document:
    document: Document = decode(await locations.text(database, (OURS,), "LOC-1"))
    return document


async def feed(database: Database) -> list[tuple[str, str | None]]:
    async with database.read() as db:
        found = await db.exec(select(SyncObject).order_by(col(SyncObject.seq)))
        return [(row.key.removeprefix("locations/nl*tnm*"), row.patch) for row in found]


def dates(document: Document) -> Iterator[str]:
    yield document["last_updated"]
    for part in [*document.get("evses", []), *document.get("connectors", [])]:
        yield from dates(part)


def assert_parents_are_raised(document: Document) -> None:
    for parent in [document, *document.get("evses", [])]:
        newest = max(dates(parent), key=parse_moment)
        assert parse_moment(parent["last_updated"]) == parse_moment(newest), parent


def without(document: Document, *names: str) -> Document:
    return {name: value for name, value in document.items() if name not in names}


async def test_a_new_location_is_stored_and_told(database: Database) -> None:
    written = await put(database, LOC, location())
    assert (written.created, written.document) == (True, location())
    assert (await stored(database), await feed(database)) == (location(), [("loc-1", None)])


async def test_what_has_no_date_is_dated_now(database: Database) -> None:
    evse = samples.evse(1, connectors=[without(samples.connector(), "last_updated")])
    body = without(location(evses=[without(evse, "last_updated")]), "last_updated")
    written = await put(database, LOC, body)
    now = written.document["last_updated"]
    assert set(dates(written.document)) == {now}
    assert parse_moment(now) > parse_moment(T0)


@pytest.mark.req("LO-03", "LO-09")
@pytest.mark.parametrize(
    ("place", "body"),
    [
        (EVSE, {"status": "CHARGING"}),
        (PLUG, {"max_amperage": 16}),
        (PLUG, samples.connector(1, max_amperage=16)),
        (EVSE, samples.evse(1, status="BLOCKED")),
        (LOC, {"evses": [samples.evse(4)]}),
    ],
)
@pytest.mark.pitfall("IP-15")
async def test_a_part_that_changes_now_moves_its_parents(
    database: Database, place: Place, body: Document
) -> None:
    future = "2099-01-01T00:00:00Z"
    await store(database, location(last_updated=future))
    await patch(database, place, without(body, "last_updated"))
    document = await stored(database)
    # Even where the parent's date lies ahead of the clock, else date filters would miss the change.
    assert parse_moment(document["last_updated"]) > parse_moment(future)
    assert_parents_are_raised(document)


@pytest.mark.req("LO-03")
async def test_a_whole_put_is_raised_to_its_newest_part(database: Database) -> None:
    evse = samples.evse(1, connectors=[samples.connector(1, last_updated=T2)])
    await put(database, LOC, location(evses=[evse, samples.evse(2, last_updated=T1)]))
    document = await stored(database)
    assert_parents_are_raised(document)
    assert [each["last_updated"] for each in document["evses"]] == [T2, T1]
    await patch(database, LOC, {"evses": [samples.evse(3, last_updated="2026-02-01T00:00:00Z")]})
    await put(database, EVSE, {**evse, "floor_level": "2", "last_updated": T2})
    assert_parents_are_raised(await stored(database))


async def test_what_is_unchanged_stays_untouched(database: Database) -> None:
    await put(database, LOC, location())
    told = await feed(database)
    for place, body in (
        (LOC, without(location(), "last_updated")),
        (EVSE, without(samples.evse(1), "last_updated")),
        (PLUG, without(samples.connector(1), "last_updated")),
    ):
        assert not (await put(database, place, body)).changed
    for place, body in ((EVSE, {"status": "AVAILABLE"}), (LOC, {"name": location()["name"]})):
        assert not (await patch(database, place, body)).changed
    assert (await stored(database), await feed(database)) == (location(), told)


@pytest.mark.req("PP-09")
@pytest.mark.parametrize("place", [LOC, EVSE, PLUG])
async def test_an_older_date_is_a_conflict(database: Database, place: Place) -> None:
    await put(database, LOC, location())
    older = {"last_updated": "2026-01-01T00:00:00Z"}
    with pytest.raises(Conflict, match="older than the stored"):
        await patch(database, place, older)
    assert await stored(database) == location()


AHEAD = {"last_updated": "2099-01-01T00:00:00Z"}


@pytest.mark.pitfall("IP-14")
@pytest.mark.parametrize(
    ("place", "body"),
    [
        (LOC, AHEAD),
        (EVSE, AHEAD),
        (PLUG, AHEAD),
        (LOC, {"evses": [samples.evse(1, **AHEAD)]}),
        (EVSE, {"connectors": [samples.connector(1, **AHEAD)]}),
    ],
)
async def test_a_date_ahead_is_refused(database: Database, place: Place, body: Document) -> None:
    await put(database, LOC, location())
    with pytest.raises(InvalidParameters, match="2099-01-01T00:00:00Z lies more than five minutes"):
        await patch(database, place, body)
    with pytest.raises(InvalidParameters, match="without one, the change is dated now"):
        await put(database, LOC, location(evses=[samples.evse(1, **AHEAD)]))
    assert await stored(database) == location()


@pytest.mark.pitfall("IP-14")
@pytest.mark.parametrize(
    ("place", "document"), [(LOC, location()), (EVSE, samples.evse(1)), (PLUG, samples.connector())]
)
async def test_a_date_that_lies_ahead_already_does_not_block(
    database: Database, place: Place, document: Document
) -> None:
    plug = samples.connector(1, **AHEAD)
    whole = location(evses=[samples.evse(1, **AHEAD, connectors=[plug])], **AHEAD)
    await store(database, whole)
    assert not (await put(database, LOC, whole)).changed
    for n in range(2):
        given = {"x_n": n, "last_updated": f"2026-03-0{n + 1}T00:00:00Z"}
        written = await patch(database, place, given)
        assert written.document["x_n"] == n
        # Later than what partners have, who would skip it else.
        assert written.document["last_updated"] == f"2099-01-01T00:00:00.00{n + 1}Z"
        assert not (await patch(database, place, given)).changed
    assert (await put(database, place, document)).changed


@pytest.mark.req("PP-09")
async def test_an_older_evse_in_a_patch_is_a_conflict_too(database: Database) -> None:
    await put(database, LOC, location())
    await patch(database, EVSE, {"status": "CHARGING"})
    before = await stored(database)
    with pytest.raises(Conflict, match=r"older than the stored .* of the EVSE EVSE-1"):
        await patch(database, LOC, {"evses": [samples.evse(1)]})
    assert await stored(database) == before


@pytest.mark.req("LO-12", "LO-13")
@pytest.mark.pitfall("IP-19")
async def test_an_evse_that_is_left_out_becomes_removed(database: Database) -> None:
    await put(database, LOC, location())
    body = location(evses=[samples.evse(2), samples.evse(1)], last_updated=T1)
    await put(database, LOC, body)
    gone = samples.evse(3, status="REMOVED", last_updated=T1)
    assert (await stored(database))["evses"] == [samples.evse(2), samples.evse(1), gone]
    await put(database, LOC, without(body, "evses") | {"last_updated": T2})
    statuses = [(evse["uid"], evse["status"]) for evse in (await stored(database))["evses"]]
    assert sorted(statuses) == [(f"EVSE-{n}", "REMOVED") for n in (1, 2, 3)]


@pytest.mark.req("LO-12", "LO-13")
async def test_to_remove_is_to_set_the_status(database: Database) -> None:
    await put(database, LOC, location())
    await remove(database, EVSE)
    statuses = [evse["status"] for evse in (await stored(database))["evses"]]
    assert statuses == ["REMOVED", "AVAILABLE", "AVAILABLE"]
    assert [key for key, _ in await feed(database)] == ["loc-1", "loc-1/evse-1"]
    await remove(database, LOC)
    assert {evse["status"] for evse in (await stored(database))["evses"]} == {"REMOVED"}
    before = await stored(database)
    await remove(database, LOC)
    assert await stored(database) == before


@pytest.mark.req("LO-11", "ST-15")
@pytest.mark.parametrize("place", [Place("NONE"), Place("LOC-1", "NONE"), Place("NONE", "EVSE-1")])
async def test_nothing_is_changed_below_what_is_not_there(database: Database, place: Place) -> None:
    await put(database, LOC, location())
    below = Place(place.location_id, place.evse_uid or "EVSE-1", "1")
    with pytest.raises(UnknownLocation):
        await patch(database, place, {"last_updated": T1})
    with pytest.raises(UnknownLocation):
        await remove(database, place)
    with pytest.raises(UnknownLocation):
        await put(database, below, samples.connector(1))
    assert await stored(database) == location()


@pytest.mark.req("LO-10")
async def test_an_evse_is_added_by_putting_it_whole(database: Database) -> None:
    await put(database, LOC, location(evses=[]))
    with pytest.raises(ValidationError):
        await put(database, EVSE, {"uid": "EVSE-1", "status": "AVAILABLE", "last_updated": T1})
    assert (await put(database, EVSE, samples.evse(1))).created
    assert (
        await put(database, Place("loc-1", "evse-1", "3"), samples.connector(1, id="3"))
    ).created
    assert [each["id"] for each in (await stored(database))["evses"][0]["connectors"]] == [
        "1",
        "2",
        "3",
    ]


@pytest.mark.req("CO-05")
@pytest.mark.parametrize(
    ("place", "body"),
    [
        (LOC, location(id="OTHER")),
        (LOC, location() | {"party_id": "XXX"}),
        (EVSE, samples.evse(2)),
        (PLUG, samples.connector(2)),
    ],
)
async def test_a_body_that_names_another_is_refused(
    database: Database, place: Place, body: Document
) -> None:
    await put(database, LOC, location())
    with pytest.raises(InvalidParameters):
        await put(database, place, body)
    with pytest.raises(InvalidParameters):
        await patch(database, place, body | {"last_updated": T1})
    assert await stored(database) == location()


@pytest.mark.pitfall("IP-16")
async def test_evses_in_a_patch_must_be_complete(database: Database) -> None:
    await put(database, LOC, location())
    wrong: list[Any] = [[{"uid": "EVSE-1", "status": "CHARGING"}], "x", [1], {}]
    for evses in wrong:
        with pytest.raises((InvalidParameters, ValidationError)):
            await patch(database, LOC, {"evses": evses})
    await patch(database, LOC, {"evses": [samples.evse(2, status="BLOCKED")], "last_updated": T1})
    document = await stored(database)
    assert [each["status"] for each in document["evses"]] == ["AVAILABLE", "BLOCKED", "AVAILABLE"]
    assert await feed(database) == [("loc-1", None)]


@pytest.mark.req("LO-04")
async def test_a_change_is_told_by_its_fields_where_they_are_known(database: Database) -> None:
    await put(database, LOC, location())
    await patch(database, EVSE, {"status": "CHARGING", "last_updated": T1})
    await patch(database, Place("LOC-1", "EVSE-2", "1"), {"max_amperage": 8, "last_updated": T1})
    told = await feed(database)
    changes = '{"status":"CHARGING","last_updated":"2026-01-16T00:00:00Z"}'
    assert told == [("loc-1", None), ("loc-1/evse-1", changes), ("loc-1/evse-2", None)]
    await patch(database, LOC, {"name": "New", "last_updated": T2})
    assert [key for key, _ in await feed(database)] == ["loc-1"]


@pytest.mark.req("LO-03")
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
async def test_no_sequence_of_edits_leaves_a_parent_behind(
    database: Database, data: st.DataObject
) -> None:
    moments = st.integers(0, 9).map(lambda second: f"2026-03-01T00:00:0{second}Z")
    numbers = st.integers(1, 3)
    last = "2026-01-01T00:00:00Z"
    async with database.write() as db:
        await put_own(db, OURS, LOC, location(last_updated=last))
        for _ in range(data.draw(st.integers(1, 5))):
            uid, plug = f"EVSE-{data.draw(numbers)}", str(data.draw(st.integers(1, 2)))
            place = data.draw(
                st.sampled_from([LOC, Place("LOC-1", uid), Place("LOC-1", uid, plug)])
            )
            body: Document = {"x": data.draw(numbers)}
            if data.draw(st.booleans()):
                body["last_updated"] = data.draw(moments)
            try:
                await patch_own(db, OURS, place, body)
            except Conflict:
                continue
            row = await locations.lock(db, OURS, "LOC-1")
            assert row is not None
            assert_parents_are_raised(row)
            assert parse_moment(row["last_updated"]) >= parse_moment(last)
            last = row["last_updated"]
        await db.rollback()


async def test_writers_of_different_parts_lose_nothing(database_url: str) -> None:
    async with open_database(database_url) as database:
        await put(database, LOC, location())

        async def work(number: int) -> None:
            for step in range(10):
                place = Place("LOC-1", f"EVSE-{number % 3 + 1}")
                await patch(database, place, {f"x_{number}_{step}": step})

        await asyncio.gather(*(work(number) for number in range(6)))
        document = await stored(database)
        fields = [name for evse in document["evses"] for name in evse if name.startswith("x_")]
        assert len(fields) == 60
        assert_parents_are_raised(document)
