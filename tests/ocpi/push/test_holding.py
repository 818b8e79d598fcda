"""What is sent of an object to a partner with rules, and what is remembered of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlmodel import select

from modules.hubclientinfo.source import ClientInfoSource
from modules.hubclientinfo.store import client_infos
from modules.locations.own import patch_own, put_own
from modules.locations.parts import Place
from modules.locations.source import LocationSource
from ocpi.database import Database
from ocpi.headers import Party
from ocpi.parties import Partner
from ocpi.push.feed import Change, SyncObject, changed
from ocpi.push.holding import Holding
from ocpi.push.lanes import HeldObject
from ocpi.push.operating import list_parked
from ocpi.push.reading import read_row
from ocpi.sight import Sight, SightRule
from ocpi.spec.document import decode
from ocpi.testing import samples
from tests.house import OURS, OWNER, open_database, open_service
from tests.ocpi.push.test_verifying import Holder, told
from tests.ocpi.push.world import until, until_found

FRENCH = Sight((SightRule(module="locations", country="FR"),))
SOURCE = LocationSource()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url) as opened:
        async with opened.write() as db:
            db.add(Partner(id=1, name="them", platform="cpo", state="confirmed", created_at=0))
        yield opened


async def put(database: Database, country: str) -> None:
    async with database.write() as db:
        location = samples.location(**OWNER, id="L1", country=country)
        for each in (location, *location["evses"]):
            each.pop("last_updated")
        await put_own(db, OURS, Place("L1"), location)


async def changed_evse(database: Database) -> SyncObject:
    """Change an EVSE, and give its row of the feed."""
    async with database.write() as db:
        await patch_own(db, OURS, Place("L1", "EVSE-1"), {"status": "CHARGING"})
    async with database.read() as db:
        rows = await db.exec(select(SyncObject).where(SyncObject.key.endswith("evse-1")))
        return rows.one()


async def held(database: Database) -> list[tuple[str, bool]]:
    async with database.read() as db:
        return [(row.object_key, row.whole) for row in (await db.exec(select(HeldObject))).all()]


async def tell(database: Database, row: SyncObject, sight: Sight = FRENCH, **over: Any) -> Any:
    """Give what is sent; it arrives unless told otherwise."""
    holding = Holding(database, 1, sight)
    seen = await holding.sees(SOURCE, row)
    sends = await holding.sends(SOURCE, row, seen=seen, patch=False)
    if over.get("arrives", True) and sends:
        await holding.settle(row, seen=seen)
    return sends


KEY = "locations/nl*tnm*l1"


async def test_without_rules_nothing_is_remembered(database: Database) -> None:
    await put(database, "DEU")
    sends = await tell(database, await changed_evse(database), Sight())
    assert [send.path for send in sends] == ["NL/TNM/L1/EVSE-1", "NL/TNM/L1"]
    assert await held(database) == []


async def test_what_a_partner_never_saw_it_is_neither_told_nor_told_to_be_gone(
    database: Database,
) -> None:
    await put(database, "DEU")
    assert await tell(database, await changed_evse(database)) == ()
    assert await held(database) == []


@pytest.mark.req("LO-12", "LO-13", "LO-14")
async def test_what_moves_out_of_sight_is_removed_once_and_comes_back_whole(
    database: Database,
) -> None:
    await put(database, "FRA")
    row = await changed_evse(database)
    (first,) = await tell(database, row)  # All of it, though only an EVSE has changed.
    assert (first.method, first.path) == ("PUT", "NL/TNM/L1")
    assert await held(database) == [(KEY, True)]
    evse, _ = await tell(database, row)
    assert evse.path == "NL/TNM/L1/EVSE-1"

    await put(database, "DEU")
    row = await changed_evse(database)
    (gone,) = await tell(database, row)
    told = decode(gone.body or "")
    assert {each["status"] for each in told["evses"]} == {"REMOVED"}
    assert await held(database) == []
    assert await tell(database, row) == ()

    await put(database, "FRA")
    (back,) = await tell(database, await changed_evse(database))
    again = decode(back.body or "")
    assert {each["status"] for each in again["evses"]} != {"REMOVED"}
    assert again["last_updated"] >= told["last_updated"]


@pytest.mark.parametrize("hide_again", [True, False])
async def test_until_it_has_arrived_it_is_told_whole_or_taken_back(
    database: Database, *, hide_again: bool
) -> None:
    await put(database, "FRA")
    row = await changed_evse(database)
    for _ in range(2):
        (send,) = await tell(database, row, arrives=False)
        assert send.path == "NL/TNM/L1"
        assert await held(database) == [(KEY, False)]
    if hide_again:
        await put(database, "DEU")
        (gone,) = await tell(database, row)
        assert "REMOVED" in (gone.body or "")
        assert await held(database) == []
    else:
        await tell(database, row)
        assert await held(database) == [(KEY, True)]


@pytest.mark.req("HC-05")
async def test_who_is_parted_anew_is_told_again_though_the_first_time_is_only_settled_now(
    database: Database,
) -> None:
    """As when a process that lost the lane meanwhile gets its answer late."""
    async with database.write() as db:
        bec = {"party_id": "BEC", "country_code": "BE", "role": "CPO", "status": "CONNECTED"}
        info = {**bec, "last_updated": "2026-01-01T00:00:00.000Z"}
        await client_infos.put(db, Party("BE", "BEC"), "CPO", info)
        await changed(db, Change("hubclientinfo", "be*bec*cpo"))
    row = await read_row(database, "hubclientinfo/be*bec*cpo")
    assert row is not None
    holding, source = Holding(database, 1, Sight()), ClientInfoSource()
    for _ in range(2):
        async with database.write() as db:
            await db.merge(HeldObject(partner_id=1, object_key=row.key, whole=True))
        await holding.settle(row, seen=False)
        assert await held(database) == [(row.key, True)]
        (gone,) = await holding.sends(source, row, seen=False, patch=False)
        assert decode(gone.body or "")["status"] == "SUSPENDED"
    await holding.settle(row, seen=False)
    assert await holding.sends(source, row, seen=False, patch=False) == ()


async def test_what_is_hidden_is_taken_back_though_a_gateway_has_nobody_behind_it(
    sqlite_url: str,
) -> None:
    def is_removed(holder: Holder) -> bool:
        evses = holder.held["/locations/NL/TNM/L0"]["evses"]
        return all(each["status"] == "REMOVED" for each in evses)

    async with open_service(sqlite_url) as service, told(service) as holder:
        holder.gateway = httpx.Response(404, text="default backend")
        rule = {"module": "locations", "hide": True, "id": "L0"}
        answer = await service.admin.post("/admin/partners/one/rules", json=rule)
        assert answer.is_success, answer.text

        async def is_refused() -> bool:
            return "rejected" in {row["kind"] for row in await list_parked(service.database, "one")}

        await until_found(is_refused)
        assert not is_removed(holder)
        holder.gateway = None
        await until(lambda: is_removed(holder))
