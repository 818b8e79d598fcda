"""A partner is away while statuses change by the thousand, and comes back."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select
from starlette.types import ASGIApp, Receive, Scope, Send

from ocpi.database import Database
from ocpi.push.feed import SyncObject
from ocpi.testing import samples
from ocpi.testing.emsp import Party, create_app
from ocpi.testing.serving import serving
from tests.benchmarks.processor import megabytes
from tests.chaos.load import OWNER, STATUSES, Load, an_admin, delays, percentile, undated
from tests.chaos.partners import Partners, Watched
from tests.chaos.scale import SCALE, WHOLE, seeded
from tests.chaos.settling import party_of, register, show_life
from tests.flows.process import Installation, Serving, free_port, until

EVSES = 10
"""Of each Location."""
ROUNDS = 10
"""How often each of them changes."""
SINGLY = 5
"""In each so many rounds they change one by one, which takes four times as long."""
HANDS = 8
PATIENCE = 120.0
PROBES = 20
"""Pushes beside one for each object: those by which it was found to be away, and to be back."""


@dataclass
class Counted:
    """A partner's app, and how often it was told of what."""

    app: ASGIApp
    pushes: Counter[str] = field(default_factory=Counter)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] in ("PUT", "PATCH"):
            self.pushes[scope["path"]] += 1
        await self.app(scope, receive, send)


@dataclass
class Absentee:
    """A partner that listens only while it is there."""

    partner: Watched
    counted: Counted
    port: int = field(default_factory=free_port)

    @asynccontextmanager
    async def there(self) -> AsyncIterator[None]:
        async with serving(self.counted, port=self.port) as self.partner.base_url:
            yield


@dataclass
class Site:
    """Stations whose statuses change, beside the few Locations of a `Load`."""

    admin: httpx.AsyncClient
    places: int
    newest: dict[str, str] = field(default_factory=dict)
    """The status that was taken last of each EVSE, by its path."""

    async def build(self) -> None:
        for number in range(self.places):
            await self._put(number, STATUSES[0])

    async def change_all(self) -> None:
        """Every EVSE changes again and again: most often with its station, which is put whole."""
        changes = iter([(turn, n) for turn in range(1, ROUNDS + 1) for n in range(self.places)])

        async def change() -> None:
            for turn, number in changes:
                way = self._put if turn % SINGLY else self._report
                await way(number, STATUSES[turn % len(STATUSES)])

        await asyncio.gather(*(change() for _ in range(HANDS)))

    async def _put(self, number: int, status: str) -> None:
        evses = [undated(samples.evse(n, status=status)) for n in range(1, EVSES + 1)]
        body = undated(samples.location(id=f"P{number}", evses=evses))
        answer = await self.admin.put(f"locations/{OWNER}/P{number}", json=body)
        assert answer.is_success, answer.text
        self._note(number, status)

    async def _report(self, number: int, status: str) -> None:
        """They change one by one, and partners hear of each of them."""
        uids = [f"EVSE-{n}" for n in range(1, EVSES + 1)]
        reports = [{"type": "status", "evse_uid": uid, "status": status} for uid in uids]
        answer = await self.admin.post(f"stations/P{number}/reports", json=reports)
        assert answer.is_success, answer.text
        taken: list[dict[str, Any]] = answer.json()["results"]
        assert [each["result"] for each in taken] == ["taken"] * EVSES
        self._note(number, status)

    def _note(self, number: int, status: str) -> None:
        place = f"locations/{OWNER}/P{number}"
        self.newest |= {f"{place}/EVSE-{n}": status for n in range(1, EVSES + 1)}

    def is_known_to(self, partner: Watched) -> bool:
        return all(
            path in partner.taken and partner.taken[path][-1].state[0] == status
            for path, status in self.newest.items()
        )


async def feed_rows(database: Database) -> int:
    rows = await database.fetch("rows", select(func.count()).select_from(SyncObject), {})
    return int(rows[0][0])


async def go_through(
    served: Serving, site: Site, load: Load, away: Absentee, there: Watched
) -> None:
    """Have everything change while one partner is away, and that one come back."""
    database = Database(served.installation.database_url)
    pid = served.process.pid
    rows, memory = await feed_rows(database), megabytes(pid)
    first, began = len(load.acknowledged), time.monotonic()
    async with load.flowing(1):
        await site.change_all()
    took = time.monotonic() - began
    await until(lambda: site.is_known_to(there), PATIENCE)
    late, after = time.monotonic() - began - took, megabytes(pid)
    grown = await feed_rows(database) - rows
    await database.close()
    assert not site.is_known_to(away.partner)
    waits = delays(load.acknowledged[first:], there)
    before, began = away.counted.pushes.total(), time.monotonic()
    async with away.there():
        await show_life(away.partner)
        await until(lambda: site.is_known_to(away.partner), PATIENCE)
        drained = time.monotonic() - began
        await asyncio.sleep(1)
    told = away.counted.pushes.total() - before
    changes = len(site.newest) * ROUNDS
    objects = len(site.newest) + site.places + 3 * load.locations
    print(f"{changes} changes, {changes / took:.0f} a second; the other knew {late:.1f} s later")
    p50, p99 = (round(percentile(waits, part), 3) for part in (0.5, 0.99))
    print(f"it heard of {len(waits)} single ones meanwhile in p50 {p50} s, p99 {p99} s")
    print(f"{told} pushes in {drained:.1f} s to who came back, of {objects} objects")
    print(f"memory {memory:.0f}, {after:.0f}, {megabytes(pid):.0f} MB; {grown} rows more")
    assert told <= objects + PROBES
    assert grown <= objects
    # Of ten changes each nothing is kept but the newest.
    assert max(Counter(away.counted.pushes).values()) <= 3


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"][: 1 + WHOLE], indirect=True)
@pytest.mark.timeout(400)
async def test_who_was_away_hears_of_each_evse_once(database_url: str, tmp_path: Path) -> None:
    there = Watched((Party("DE", "M00"),))
    gone = Watched((Party("DE", "M01"),))
    away = Absentee(gone, Counted(create_app(gone)))
    installation = Installation(database_url, tmp_path, log=tmp_path / "log")
    async with AsyncExitStack() as stack:
        there.base_url = await stack.enter_async_context(serving(create_app(there)))
        served = await stack.enter_async_context(installation.serving())
        admin = await stack.enter_async_context(an_admin(installation.base_url))
        load = Load([admin], [party_of(there)], seeded("draining"))
        # PostgreSQL runs on the same two cores.
        sqlite = database_url.startswith("sqlite")
        site = Site(admin, SCALE.places if sqlite else SCALE.places // 5)
        await load.put_locations()
        await site.build()
        async with away.there():
            await register(admin, Partners([there, gone]))
            paths = {f"locations/{OWNER}/P{number}" for number in range(site.places)}
            for each in (gone, there):
                await until(lambda each=each: paths <= each.taken.keys(), PATIENCE)  # type: ignore[misc]
        await go_through(served, site, load, away, there)
        assert [*there.violations, *gone.violations] == []
