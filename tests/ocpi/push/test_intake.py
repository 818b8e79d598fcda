"""What a lane reads while other things happen to it."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from ocpi.push import intake
from ocpi.push.feed import Stream
from ocpi.push.intake import Intake
from ocpi.push.ledger import Ledger
from ocpi.push.reading import Line, read_page
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
