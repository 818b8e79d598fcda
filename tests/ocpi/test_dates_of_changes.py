"""Our own changes bear a date at which they could be seen: who pulls by date misses none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from modules.cdrs.own import credit_own, post_own
from modules.locations import own
from modules.locations.parts import Place
from modules.locations.store import locations
from modules.sessions.own import put_own
from modules.stations.imports.records import Imported
from modules.stations.publishing import LOCATIONS, publish_records
from modules.tariffs.own import put_own as put_tariff
from ocpi.database import Database, clock, stamp
from ocpi.editing import Written
from ocpi.push.feed import Stream
from ocpi.push.writing import write
from ocpi.spec.document import decode
from ocpi.spec.moments import microseconds, parse_moment
from ocpi.testing import samples
from tests.house import OURS, add_party, open_database

OWNER = {"country_code": OURS.country_code, "party_id": OURS.party_id}
MILLISECOND = 1000
CDR = samples.cdr()["id"]


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url) as opened:
        await add_party(opened, OURS)
        yield opened


def undated(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "last_updated"}


async def a_session(database: Database) -> Written:
    session = undated(samples.session(**OWNER))
    return await put_own(database, OURS, session["id"], session)


async def a_cdr(database: Database) -> Written:
    return await post_own(database, OURS, undated(samples.cdr(**OWNER)))


async def a_location(database: Database) -> Written:
    place = Place("LOC-1")
    edit = own.putting_own(OURS, place, undated(samples.location(**OWNER, id="LOC-1")))
    return await write(database, locations, edit, own.telling(OURS, place))


async def a_credit(database: Database) -> Written:
    async with database.write() as db:
        return await credit_own(db, OURS, CDR)


async def a_tariff(database: Database) -> Written:
    async with database.write() as db:
        return await put_tariff(db, OURS, "TARIFF-1", undated(samples.tariff(**OWNER)))


async def an_import(database: Database) -> Written:
    record = Imported(undated(samples.location(**OWNER, id="LOC-1")), [])
    await publish_records(database, [record], LOCATIONS, OURS, dry_run=False, seen=lambda _: None)
    return Written(decode(await locations.text(database, (OURS,), "LOC-1")))


@pytest.mark.pitfall("IP-24")
@pytest.mark.parametrize(
    ("change", "stream"),
    [
        (a_session, Stream.MONEY),
        (a_cdr, Stream.MONEY),
        (a_credit, Stream.MONEY),
        (a_location, Stream.STATE),
        (a_tariff, Stream.STATE),
        (an_import, Stream.STATE),
    ],
)
async def test_a_change_that_waits_for_another_is_dated_when_its_turn_has_come(
    database: Database,
    change: Callable[[Database], Coroutine[Any, Any, Written]],
    stream: Stream,
) -> None:
    await post_own(database, OURS, samples.cdr(**OWNER, id="OTHER" if change is a_cdr else CDR))
    async with database.write() as db:
        await stamp(db, stream)
        waiting = asyncio.create_task(change(database))
        await asyncio.sleep(0.2)
        # Whoever pulls now, up to now, does not see it.
        pulled = await clock(db)
    dated = microseconds(parse_moment((await waiting).document["last_updated"]))
    assert dated > pulled - MILLISECOND
