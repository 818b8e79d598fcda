"""What a lane reads while other things happen to it."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from ocpi.push import intake
from ocpi.push.feed import Stream
from ocpi.push.intake import Intake
from ocpi.push.lanes import ParkedObject
from ocpi.push.ledger import Ledger
from ocpi.push.parking import Why
from ocpi.push.reading import Line, ParkedLine, read_page, read_parked
from ocpi.push.watch import Watch
from tests.ocpi.push.world import QUICK, World

if TYPE_CHECKING:
    from ocpi.database import Database
    from ocpi.push.teller import Teller


async def test_a_page_that_was_passed_over_while_it_was_read_is_not_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.put_locations(10)
    watch = Watch(QUICK, [])
    watch.heads[Stream.STATE] = 10
    ledger = Ledger(QUICK, dict.fromkeys(Stream, 0), watch.heads)
    everything = SimpleNamespace(concerns=lambda *_: True, may_hear=lambda *_: True)
    teller = cast("Teller", SimpleNamespace(addressee=everything))
    reader = Intake(world.database, ledger, teller, QUICK, watch, 1, lambda: None)

    async def read_slowly(database: Database, *rest: Any) -> Sequence[Line]:
        page = await read_page(database, *rest)
        ledger.pass_over(Stream.STATE, 10)
        return page

    monkeypatch.setattr(intake, "read_page", read_slowly)
    await reader.read()
    assert len(ledger) == 0
    assert ledger.watermark(Stream.STATE) == 10


async def test_what_is_parked_is_known_though_something_was_stored_while_it_was_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.add_partner("msp")
    await world.put_location("a")
    key = "locations/nl*tnm*a"
    async with world.database.write() as db:
        row = ParkedObject(
            partner_id=world.ids["msp"],
            object_key=key,
            seq=1,
            kind=Why.DEAD,
            attempts=7,
            first_failed_at=1,
        )
        db.add(row)
    watch = Watch(QUICK, [])
    ledger = Ledger(QUICK, dict.fromkeys(Stream, 0), watch.heads)
    given = world.database, ledger, cast("Teller", None), QUICK, watch, world.ids["msp"]
    reader = Intake(*given, lambda: None)
    reads = 0

    async def read_meanwhile(database: Database, *rest: Any) -> Sequence[ParkedLine]:
        nonlocal reads
        lines = await read_parked(database, *rest)
        reads += 1
        reader.taken += reads == 1
        return lines

    monkeypatch.setattr(intake, "read_parked", read_meanwhile)
    await reader.load_parked()
    # Nothing reads it later: it is never due.
    assert (reads, len(ledger)) == (2, 1)
