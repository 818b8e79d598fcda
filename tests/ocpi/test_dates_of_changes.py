"""Our own changes bear a date at which they could be seen: who pulls by date misses none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest

from modules.cdrs.own import post_own
from modules.locations import own
from modules.locations.parts import Place
from modules.locations.store import locations
from modules.sessions.own import put_own
from ocpi.database import Database, clock, stamp
from ocpi.editing import Written
from ocpi.push.feed import Stream
from ocpi.push.writing import write
from ocpi.spec.moments import microseconds, parse_moment
from ocpi.testing import samples
from tests.house import OURS, add_party, open_database

OWNER = {"country_code": OURS.country_code, "party_id": OURS.party_id}
MILLISECOND = 1000


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


@pytest.mark.pitfall("IP-24")
@pytest.mark.parametrize(
    ("change", "stream"),
    [
        (a_session, Stream.MONEY),
        (a_cdr, Stream.MONEY),
        (a_location, Stream.STATE),
    ],
)
async def test_a_change_that_waits_for_another_is_dated_when_its_turn_has_come(
    database: Database,
    change: Callable[[Database], Coroutine[Any, Any, Written]],
    stream: Stream,
) -> None:
    async with database.write() as db:
        await stamp(db, stream)
        waiting = asyncio.create_task(change(database))
        await asyncio.sleep(0.2)
        # Whoever pulls now, up to now, does not see it.
        pulled = await clock(db)
    dated = microseconds(parse_moment((await waiting).document["last_updated"]))
    assert dated > pulled - MILLISECOND
