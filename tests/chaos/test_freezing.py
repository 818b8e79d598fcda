"""A process freezes for longer than its lease, another has its lanes, and it goes on."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url
from starlette.types import ASGIApp, Receive, Scope, Send

from ocpi.arrival import replay
from ocpi.database import Database, clock
from ocpi.testing import samples
from ocpi.testing.emsp import Party, create_app
from ocpi.testing.serving import serving
from tests.chaos.cluster import Member
from tests.chaos.load import OWNER, Load, an_admin
from tests.chaos.partners import Partners, Watched
from tests.chaos.scale import SCALE, WHOLE, seeded
from tests.chaos.settling import forgotten, party_of, register, settle
from tests.flows.process import Installation, free_port, until
from tests.flows.test_handover import lanes_of
from tests.postgres import execute

# The service as it is, but for leases that a test can wait for.
PROGRAM = """
from functools import partial
from ocpi.push import pace, worker
worker.Pace = partial(pace.Pace, beat=0.5, lease=4, exchange=2, slack=0.5)
from ocpi.start import main
main()
"""
EVSE = f"locations/{OWNER}/LOC1/EVSE-1"


@dataclass
class Gate:
    """Lets a partner have what it is sent only when that is wanted."""

    app: ASGIApp
    closed: bool = False
    waiting: int = 0
    landing: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.closed and scope["type"] == "http" and scope["method"] in ("PUT", "PATCH", "POST"):
            body = await _read(receive)
            self.waiting += 1
            await self.landing.wait()
            self.waiting -= 1
            receive = replay(body, receive)
        await self.app(scope, receive, send)

    def close(self) -> None:
        self.closed, self.landing = True, asyncio.Event()


async def _read(receive: Receive) -> bytes:
    """The whole body: what is only half here when its sender freezes never becomes a request."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


@dataclass
class Frozen:
    """Two processes, one of them frozen now and then, and a partner behind a gate."""

    members: list[Member]
    database: Database
    load: Load
    partner: Watched
    gate: Gate

    async def owner(self) -> Member:
        """The process that tells the partner."""
        (pid,) = await lanes_of(self.database)
        return next(each for each in self.members if each.life and each.life.process.pid == pid)

    async def freeze(self, name: str) -> float:
        """Freeze who tells the partner, in the midst of it; gives how long old state stayed."""
        session = samples.session(id=name, cdr_token=self._token)
        del session["last_updated"]
        assert await self.load.write("PUT", self._path("sessions", name), session)
        await until(lambda: self._path("sessions", name) in self.partner.taken)
        self.gate.close()
        await self._change("BLOCKED")
        await self._bill(name)
        await until(lambda: self.gate.waiting >= 2)
        owner = await self.owner()
        assert owner.life is not None
        # Not while it has the lock of SQLite's file, for which the other would wait.
        async with self.database.write() as db:
            await clock(db)
            owner.life.process.send_signal(signal.SIGSTOP)
        try:
            self.gate.closed = False
            (other,) = (each for each in self.members if each is not owner)
            admins = self.load.admins
            self.load.admins = [admins[self.members.index(other)]]
            await self._change("CHARGING")
            await until(self._is_newest, 60)
            await until(lambda: self._path("cdrs", name) in self.partner.posted, 60)
            assert await self.owner() is other
            self.gate.landing.set()
            await until(lambda: not self._is_newest())
            landed = time.monotonic()
        finally:
            self.load.admins = admins
            owner.life.process.send_signal(signal.SIGCONT)
        await until(self._is_newest, 60)
        return time.monotonic() - landed

    @property
    def _token(self) -> dict[str, str]:
        token: dict[str, str] = samples.cdr_token(party_id=party_of(self.partner))
        return token

    def _path(self, module: str, name: str) -> str:
        path = f"{module}/{OWNER}/{name}"
        self.load.audiences[path] = party_of(self.partner)
        return path

    async def _change(self, status: str) -> None:
        assert await self.load.write("PATCH", EVSE, {"status": status})

    async def _bill(self, name: str) -> None:
        bill = samples.cdr(id=name, session_id=name, cdr_token=self._token)
        del bill["last_updated"]
        assert await self.load.write("POST", self._path("cdrs", name), bill)

    def _is_newest(self) -> bool:
        """A partner that ignores `last_updated` holds what came last."""
        return self.partner.taken[EVSE][-1].version == self.load.newest()[EVSE]


def end_idle_transactions(database_url: str) -> None:
    """Have the server do what it must be told to do: who freezes there would keep its locks."""
    url = make_url(database_url)
    if url.get_backend_name() == "postgresql":
        execute(
            url.set(drivername="postgresql"),
            f"ALTER DATABASE \"{url.database}\" SET idle_in_transaction_session_timeout = '2s'",
        )


@asynccontextmanager
async def two_processes(database_url: str, folder: Path) -> AsyncIterator[Frozen]:
    async with AsyncExitStack() as stack:
        partner = Watched((Party("DE", "MSP"),))
        gate = Gate(create_app(partner))
        partner.base_url = await stack.enter_async_context(serving(gate))
        first = Installation(database_url, folder, program=PROGRAM)
        shared = {"OCPI_BASE_URL": first.base_url}
        members = [Member(first), Member(replace(first, port=free_port(), settings=shared))]
        for member in members:
            stack.push_async_callback(member.stop)
            await member.start()
        admins = [await stack.enter_async_context(an_admin(each.url)) for each in members]
        database = Database(database_url)
        stack.push_async_callback(database.close)
        load = Load(admins, [party_of(partner)], seeded("freezing"))
        yield Frozen(members, database, load, partner, gate)


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"][: 1 + WHOLE], indirect=True)
@pytest.mark.timeout(300)
async def test_what_a_frozen_process_had_in_flight_does_not_stay(
    database_url: str, tmp_path: Path
) -> None:
    await asyncio.to_thread(end_idle_transactions, database_url)
    async with two_processes(database_url, tmp_path) as frozen:
        partners = Partners([frozen.partner])
        load, admin = frozen.load, frozen.load.admins[0]
        await load.put_locations()
        await register(admin, partners)
        await until(lambda: EVSE in frozen.partner.taken)
        healed = [await frozen.freeze(f"S{number}") for number in range(SCALE.freezes)]
        ours = await settle(admin, load, partners)
        print(f"old state stayed for {', '.join(f'{each:.1f}' for each in healed)} s")
        posts = [len(frozen.partner.taken[bill]) for bill in frozen.partner.posted]
        print(f"times that a bill was posted: {sorted(posts)}")
        assert forgotten(ours, load) == []
        assert load.refused == []
        assert load.unknown == 0
        assert [each for each in frozen.partner.violations if "goes back" not in str(each)] == []
