"""Changes through the admin API, and what of them was acknowledged."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from ocpi.testing import samples
from ocpi.testing.mock.wire import moment
from tests.chaos.partners import State, Watched, state_of
from tests.flows.process import ADMIN_TOKEN

OWNER = "DE/CPO"
STATUSES = ("AVAILABLE", "CHARGING", "BLOCKED", "OUTOFORDER")
BREATH = 0.05
PAUSE = 0.2


@dataclass(frozen=True)
class Acknowledged:
    """A change that the service has promised to keep."""

    path: str
    version: str
    """Its `last_updated`."""
    at: float
    state: State = (None, None)


@asynccontextmanager
async def working(works: Iterable[Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """Do what would go on for ever while the context is open; fails with what failed."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


@dataclass
class Load:
    """Who changes things, at whichever process answers."""

    admins: Sequence[httpx.AsyncClient]
    parties: Sequence[str]
    """Party ids of the eMSPs whose drivers charge."""
    chance: random.Random
    locations: int = 8
    prefix: str = "S"
    """What the ids of its Sessions and CDRs begin with."""
    acknowledged: list[Acknowledged] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """Answers that are neither success nor the failure of a server."""
    unknown: int = 0
    """Changes of which nobody said what became of them."""
    excuses: Counter[tuple[int, str | None]] = field(default_factory=Counter)
    """How often which HTTP status and Retry-After came of a failure of the server."""
    audiences: dict[str, str] = field(default_factory=dict)
    """By path, the party id that a Session or CDR is for."""
    _count: int = 0

    async def put_locations(self) -> None:
        for number in range(self.locations):
            name = f"LOC{number}"
            body = samples.location(id=name)
            assert await self.write("PUT", f"locations/{OWNER}/{name}", body)

    async def change_evse(self) -> None:
        evse = f"LOC{self.chance.randrange(self.locations)}/EVSE-{self.chance.randint(1, 3)}"
        status = {"status": self.chance.choice(STATUSES)}
        await self.write("PATCH", f"locations/{OWNER}/{evse}", status)

    async def charge(self) -> None:
        """A driver charges, and gets a bill; what fails on the way ends it there."""
        self._count += 1
        name, party = f"{self.prefix}{self._count}", self.chance.choice(self.parties)
        session, cdr = f"sessions/{OWNER}/{name}", f"cdrs/{OWNER}/{name}"
        self.audiences |= dict.fromkeys((session, cdr), party)
        _ = (
            await self.write("PUT", session, a_session(name, party))
            and await self.write("PATCH", session, {"kwh": 12.5})
            and await self.write("PATCH", session, {"status": "COMPLETED"})
            and await self.write("POST", cdr, a_bill(name, party))
        )

    async def write(self, method: str, path: str, body: dict[str, Any]) -> bool:
        """Change something; gives whether it was acknowledged."""
        try:
            answer = await self.send(method, path, body)
        except httpx.TransportError:
            self.unknown += 1
            await asyncio.sleep(PAUSE)
            return False
        if answer.is_success:
            now, kept = time.monotonic(), answer.json()
            done = Acknowledged(path, kept["last_updated"], now, state_of(kept))
            self.acknowledged.append(done)
        elif answer.status_code < 500 or not _tells_why(answer):
            self.refused.append(f"{method} {path}: {answer.status_code} {answer.text}")
        else:
            self.unknown += 1
            self.excuses[answer.status_code, answer.headers.get("retry-after")] += 1
            await asyncio.sleep(PAUSE)
        return answer.is_success

    async def send(self, method: str, path: str, body: dict[str, Any]) -> httpx.Response:
        admin = self.chance.choice(self.admins)
        return await admin.request(method, "cdrs" if method == "POST" else path, json=body)

    async def flow(self) -> None:
        """Go on for ever."""
        while True:
            await (self.charge() if self.chance.random() < 0.15 else self.change_evse())
            await asyncio.sleep(BREATH)

    @asynccontextmanager
    async def flowing(self, hands: int = 4) -> AsyncIterator[None]:
        """Change things while the context is open."""
        async with working(self.flow() for _ in range(hands)):
            yield

    def newest(self) -> dict[str, str]:
        """The newest version acknowledged of each object."""
        found: dict[str, str] = {}
        for each in self.acknowledged:
            found[each.path] = max(each.version, found.get(each.path, each.version), key=moment)
        return found


def a_session(name: str, party: str) -> dict[str, Any]:
    """A Session of a driver of that eMSP, as it is put."""
    return undated(samples.session(id=name, cdr_token=samples.cdr_token(party_id=party)))


def a_bill(name: str, party: str) -> dict[str, Any]:
    """Its CDR."""
    token = samples.cdr_token(party_id=party)
    return undated(samples.cdr(id=name, session_id=name, cdr_token=token))


def undated(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "last_updated"}


def _tells_why(answer: httpx.Response) -> bool:
    """Whether it is an answer of the admin API's, and no bare one of the server's."""
    return answer.text.startswith('{"error":')


def an_admin(base_url: str) -> httpx.AsyncClient:
    """A client of one process' admin API."""
    return httpx.AsyncClient(
        base_url=f"{base_url}/admin/",
        headers={"Authorization": f"Bearer {ADMIN_TOKEN}"},
        timeout=30,
    )


def delays(changes: Iterable[Acknowledged], partner: Watched) -> list[float]:
    """How long after its acknowledgement a partner had each change that is for all, sorted."""
    found = []
    for change in changes:
        if change.path.startswith("locations/"):
            took = partner.took(change.path, change.version)
            assert took is not None, f"{change} never came"
            # An answer may be slower than the push of what it acknowledges.
            found.append(max(took - change.at, 0))
    return sorted(found)


def percentile(sorted_values: Sequence[float], part: float) -> float:
    """The value below which that part of them lies."""
    return sorted_values[min(int(len(sorted_values) * part), len(sorted_values) - 1)]
