"""Our own Locations put back as they were read: what changed in them meanwhile is not undone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from modules.locations.own import create_own
from modules.locations.parts import Place, find_part
from ocpi.database import Database
from ocpi.editing import Document
from ocpi.errors import Conflict, InvalidParameters
from ocpi.testing import samples
from tests.house import OURS, open_database
from tests.modules.locations.test_own import (
    EVSE,
    LOC,
    PLUG,
    T1,
    T2,
    location,
    patch,
    put,
    stored,
    without,
)


@pytest.fixture
async def database(sqlite_url: str) -> AsyncIterator[Database]:
    async with open_database(sqlite_url) as opened:
        yield opened


@pytest.mark.req("PP-09")
@pytest.mark.parametrize(
    ("place", "changes", "part"),
    [
        (LOC, {"name": "New"}, "EVSE EVSE-1"),
        (LOC, {"evses": [samples.evse(1, last_updated=T2)]}, "Connector 1"),
        (EVSE, {"floor_level": "2"}, "Connector 1"),
    ],
)
async def test_a_whole_that_is_put_back_does_not_undo_what_changed_in_it_meanwhile(
    database: Database, place: Place, changes: Document, part: str
) -> None:
    await put(database, LOC, location())
    whole = location() if place is LOC else samples.evse(1)
    await patch(database, PLUG, {"max_amperage": 8, "last_updated": T1})
    await patch(database, EVSE, {"status": "CHARGING", "last_updated": T1})
    before = await stored(database)
    with pytest.raises(Conflict, match=f"older than the stored 2026-01-16T.*Z of the {part}"):
        await put(database, place, without(whole, "last_updated") | changes)
    assert await stored(database) == before


@pytest.mark.pitfall("IP-14")
async def test_an_evse_of_the_same_second_is_not_older_by_a_clock_without_fractions(
    database: Database,
) -> None:
    await put(database, LOC, location())
    for status in ("BLOCKED", "CHARGING", "CHARGING", "AVAILABLE"):
        await patch(database, EVSE, {"status": status, "last_updated": T1})
    date = "2026-01-16T00:00:00.002Z"
    assert find_part(await stored(database), EVSE)["last_updated"] == date
    evse = samples.evse(1, status="RESERVED", last_updated=T1)
    await put(database, LOC, without(location(evses=[evse]), "last_updated"))
    evse = find_part(await stored(database), EVSE)
    assert (evse["status"], evse["last_updated"]) == ("RESERVED", date)


@pytest.mark.req("LO-13")
@pytest.mark.parametrize("place", [LOC, EVSE])
async def test_no_connector_is_deleted_by_leaving_it_out(database: Database, place: Place) -> None:
    await put(database, LOC, location())
    evse = samples.evse(1, connectors=[samples.connector(2)], last_updated=T1)
    body = {"evses": [evse]} if place is LOC else evse
    with pytest.raises(Conflict, match="connectors: 1 of the EVSE EVSE-1 is left out"):
        await put(database, place, location(last_updated=T1) | body if place is LOC else evse)
    with pytest.raises(Conflict, match="connectors: 1 of the EVSE EVSE-1 is left out"):
        await patch(database, place, body)
    assert await stored(database) == location()
    await put(database, EVSE, {**evse, "status": "REMOVED"})
    # What stands there again may have others.
    await put(database, EVSE, samples.evse(1, connectors=[samples.connector(3)], last_updated=T2))
    assert [each["id"] for each in find_part(await stored(database), EVSE)["connectors"]] == ["3"]


async def test_what_a_file_brought_that_is_wrong_hinders_no_other_change(
    database: Database,
) -> None:
    wrong = {"power_type": "AC_3_phase"}
    evse = samples.evse(1, connectors=[samples.connector(1, **wrong)])
    async with database.write() as db:
        await create_own(db, OURS, [location(evses=[evse])])
    await patch(database, EVSE, {"status": "CHARGING", "last_updated": T1})
    assert find_part(await stored(database), EVSE)["status"] == "CHARGING"
    with pytest.raises(InvalidParameters, match="AC_1_phase"):
        await patch(database, PLUG, {"power_type": "AC_1_phase", "last_updated": T2})
