"""How a changed Location is told: PATCH first where it may be, then whole parts, then all."""

import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlmodel import col, select

from modules.locations.own import patch_own, put_own, remove_own
from modules.locations.parts import Place
from modules.locations.source import LocationSource
from modules.locations.store import locations
from ocpi.database import Database
from ocpi.push.feed import SyncObject
from ocpi.push.source import Send
from ocpi.spec.document import decode, encode
from ocpi.testing import samples
from tests.house import OURS, OWNER, open_database

LOC, EVSE, PLUG = Place("Loc/1"), Place("Loc/1", "EVSE 1"), Place("Loc/1", "EVSE 1", "1")
PATH = "NL/TNM/Loc%2F1"
T1 = "2026-01-16T00:00:00Z"


def location(**over: Any) -> dict[str, Any]:
    return samples.location(
        **{**OWNER, "id": "Loc/1", "evses": [samples.evse(1, uid="EVSE 1")], **over}
    )


@pytest.fixture
async def database(sqlite_url: str) -> AsyncIterator[Database]:
    async with open_database(sqlite_url) as opened:
        async with opened.write() as db:
            await put_own(db, OURS, LOC, location())
        yield opened


async def newest(database: Database, *, patch: bool) -> list[Send]:
    """Give what the newest change in the feed is told by."""
    async with database.read() as db:
        query = select(SyncObject).order_by(col(SyncObject.seq).desc())
        row = (await db.exec(query)).first()
    assert row is not None
    return list(await LocationSource().sends(database, row, patch=patch))


async def change(database: Database, place: Place, body: dict[str, Any]) -> None:
    async with database.write() as db:
        await patch_own(db, OURS, place, body)


async def whole(database: Database) -> Send:
    return Send("PUT", PATH, (await locations.text(database, (OURS,), "loc/1")).decode())


@pytest.mark.req("LO-04", "CO-01")
async def test_a_new_location_is_put(database: Database) -> None:
    for patch in (True, False):
        assert await newest(database, patch=patch) == [Send("PUT", PATH, encode(location()))]


@pytest.mark.req("LO-04")
async def test_a_changed_location_is_patched_or_put(database: Database) -> None:
    await change(database, LOC, {"name": "New", "last_updated": T1})
    changes = Send("PATCH", PATH, f'{{"name":"New","last_updated":"{T1}"}}')
    assert await newest(database, patch=True) == [changes, await whole(database)]
    assert await newest(database, patch=False) == [await whole(database)]


@pytest.mark.req("LO-04")
@pytest.mark.pitfall("IP-16", "IP-40")
async def test_a_changed_evse_is_patched_or_put_or_told_with_its_location(
    database: Database,
) -> None:
    await change(database, EVSE, {"status": "CHARGING", "last_updated": T1})
    path = f"{PATH}/EVSE%201"
    changes = Send("PATCH", path, f'{{"status":"CHARGING","last_updated":"{T1}"}}')
    all_of_it = await whole(database)
    evse = Send("PUT", path, encode(decode(all_of_it.body or "")["evses"][0]))
    assert await newest(database, patch=True) == [changes, evse, all_of_it]
    assert await newest(database, patch=False) == [evse, all_of_it]


@pytest.mark.req("LO-04")
async def test_a_changed_connector_is_told_with_its_evse(database: Database) -> None:
    await change(database, PLUG, {"max_amperage": 8, "last_updated": T1})
    first, *_ = await newest(database, patch=True)
    assert (first.method, first.path) == ("PUT", f"{PATH}/EVSE%201")
    assert decode(first.body or "")["connectors"][0]["max_amperage"] == 8


@pytest.mark.req("LO-12")
@pytest.mark.pitfall("IP-19")
async def test_a_removed_evse_is_told_by_its_status(database: Database) -> None:
    async with database.write() as db:
        await remove_own(db, OURS, EVSE)
    first, *_ = await newest(database, patch=True)
    assert first.method == "PATCH"
    assert decode(first.body or "")["status"] == "REMOVED"


async def test_what_is_told_is_the_state_now(database: Database) -> None:
    await change(database, EVSE, {"status": "CHARGING", "last_updated": T1})
    await change(database, EVSE, {"status": "BLOCKED", "last_updated": T1})
    sends = await newest(database, patch=False)
    assert decode(sends[0].body or "")["status"] == "BLOCKED"


async def test_of_large_locations_few_are_kept_in_memory(database: Database) -> None:
    evses = [samples.evse(number) for number in range(200)]
    for number in range(5):
        name = Place(f"LARGE{number}")
        async with database.write() as db:
            await put_own(db, OURS, name, location(id=f"LARGE{number}", evses=evses))
        (send,) = await newest(database, patch=False)
        assert len(decode(send.body or "")["evses"]) == 200
    kept = [each for each in gc.get_objects() if isinstance(each, dict) and "evses" in each]
    assert sum(len(each["evses"]) == 200 for each in kept if isinstance(each["evses"], list)) <= 3


@pytest.mark.parametrize("key", ["locations/nl*tnm*none", "locations/nl*tnm*none/evse"])
async def test_of_what_is_gone_nothing_is_told(database: Database, key: str) -> None:
    row = SyncObject(
        key=key, module="locations", owner="nl*tnm", stream="state", seq=9, prev_seq=0, order_key=""
    )
    assert list(await LocationSource().sends(database, row, patch=True)) == []
