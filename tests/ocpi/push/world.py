"""Our objects, simulated partners and workers between them, at a scaled pace."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx
from pydantic import SecretStr
from sqlalchemy import Column, MetaData, Table, Text, bindparam, delete, insert, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.client import Client
from ocpi.context import Context
from ocpi.database import Database, clock
from ocpi.parties import OurParty, Partner, PartnerEndpoint, PartnerRole, State
from ocpi.push.feed import Change, FeedRow, Stream, changed, read_key
from ocpi.push.lanes import close_lane, open_lane
from ocpi.push.pace import Pace
from ocpi.push.source import Send
from ocpi.push.worker import Worker
from ocpi.sealing import Seal
from ocpi.settings import Settings
from tests.ocpi.push.simulated import Document, Simulated
from tests.schema import create_schema

OWNER = "nl*tnm"
QUICK = Pace(
    poll=0.03,
    gather=0.002,
    commit=0.01,
    beat=0.25,
    lease=1.5,
    exchange=0.4,
    slack=0.1,
    refresh=0.05,
    batch=32,
    page=20,
    recover=0.05,
    retries=(0.02, 0.03, 0.04, 0.05, 0.06, 0.07),
    again=0.02,
    probe=0.03,
    probe_cap=0.06,
    probe_cap_later=0.2,
    auth=0.1,
    gone=0.2,
    throttle=0.05,
)

Found = TypeVar("Found")


@dataclass
class Ours:
    """What we hold, as the table below has it once a change is committed."""

    locations: dict[str, Document] = field(default_factory=dict)
    cdrs: dict[str, Document] = field(default_factory=dict)


THINGS = Table("thing", MetaData(), Column("key", Text, primary_key=True), Column("body", Text))


async def body_of(database: Database, key: str) -> Any:
    """Read an object's document as it is now."""
    query = select(THINGS.c.body).where(THINGS.c.key == bindparam("key"))
    rows = await database.fetch("thing", query, {"key": key})
    return json.loads(rows[0][0]) if rows else None


@dataclass
class Locations:
    """Tells locations whole, or their EVSEs."""

    module: str = "locations"

    async def sends(self, database: Database, row: FeedRow, *, patch: bool) -> Sequence[Send]:
        whole_key, uid = read_key(row.key)
        name = whole_key.removeprefix(f"{OWNER}*")
        path = f"NL/TNM/{name}"
        if row.deleted:
            return [Send("DELETE", path, None)]
        location = await body_of(database, row.order_key)
        if location is None:
            return []
        whole = Send("PUT", path, json.dumps(location))
        if not uid:
            return [whole]
        part = f"{path}/{uid}"
        rest = [Send("PUT", part, json.dumps(location["evses"][uid])), whole]
        return [Send("PATCH", part, row.patch), *rest] if patch else rest


@dataclass
class CDRs:
    """Posts CDRs."""

    module: str = "cdrs"

    async def sends(self, database: Database, row: FeedRow, *, patch: bool) -> Sequence[Send]:
        assert not patch
        return [Send("POST", "", json.dumps(await body_of(database, row.key)))]


class World:
    """A database with one party of ours, and whatever partners and workers a test adds."""

    def __init__(self, database_url: str, database: Database | None = None) -> None:
        self.database_url = database_url
        self.database = database or Database(database_url)
        self.seal = Seal("k" * 32)
        self.ours = Ours()
        self.partners: dict[str, Simulated] = {}
        self.ids: dict[str, int] = {}
        self.parties: dict[str, str] = {}
        """The party of each partner, which keeps it when it is added again."""
        self.workers: list[tuple[Worker, asyncio.Task[None], Context]] = []
        self.contexts: list[Context] = []
        self.count = 0

    async def begin(self) -> None:
        await create_schema(self.database)
        async with self.database.engine.begin() as connection:
            await connection.run_sync(THINGS.metadata.create_all)
        async with self.database.write() as db:
            db.add(
                OurParty(
                    platform="cpo",
                    role="CPO",
                    party=OWNER,
                    country_code="NL",
                    party_id="TNM",
                    business_details={"name": "Ours"},
                )
            )

    async def end(self) -> None:
        for worker, task, _ in self.workers:
            with suppress(asyncio.CancelledError):
                if not task.done():
                    await worker.stop()
                await task
        for context in self.contexts:
            await context.close()
        await self.database.close()

    async def add_partner(
        self, name: str, *, modules: Iterable[str] = ("locations", "cdrs"), **options: Any
    ) -> Simulated:
        """Register a partner, as the credentials handshake would."""
        simulated = self.partners[name] = Simulated(name, f"token-of-{name}")
        async with self.database.write() as db:
            partner = Partner(
                name=name,
                platform="cpo",
                state=State.CONFIRMED,
                versions_url=f"https://{name}.example/2.2.1/versions",
                token_out=self.seal.close(simulated.token),
                options=options,
                created_at=await clock(db),
            )
            db.add(partner)
            await db.flush()
            self.ids[name] = partner.key
            for module in modules:
                url = f"https://{name}.example/2.2.1/{module}"
                db.add(
                    PartnerEndpoint(
                        partner_id=partner.key, identifier=module, role="RECEIVER", url=url
                    )
                )
            party_id = self.parties.setdefault(name, f"{partner.key:03}")
            role = PartnerRole(
                partner_id=partner.key,
                platform="cpo",
                role="EMSP",
                party=f"de*{party_id}",
                country_code="DE",
                party_id=party_id,
                business_details={"name": "Theirs"},
            )
            db.add(role)
            await open_lane(db, partner.key)
        return simulated

    async def unregister(self, name: str) -> None:
        async with self.database.write() as db:
            partner = await db.get(Partner, self.ids[name])
            assert partner is not None
            partner.state, partner.token_out = State.UNREGISTERED, None
            db.add(partner)
            await close_lane(db, partner.key)

    async def remove(self, name: str) -> None:
        async with self.database.write() as db:
            await close_lane(db, self.ids[name])
            await db.delete(await db.get_one(Partner, self.ids[name]))

    async def register_again(self, name: str, token: str) -> None:
        self.partners[name].token = token
        async with self.database.write() as db:
            partner = await db.get(Partner, self.ids[name])
            assert partner is not None
            partner.state, partner.token_out = State.ISSUED, self.seal.close(token)
            db.add(partner)
            await open_lane(db, partner.key)

    async def suspend(self, name: str, *, suspended: bool = True) -> None:
        async with self.database.write() as db:
            partner = await db.get(Partner, self.ids[name])
            assert partner is not None
            partner.suspended = suspended
            db.add(partner)

    async def rotate(self, name: str, token: str) -> None:
        """Store a new token to present; the simulated partner is not told."""
        async with self.database.write() as db:
            partner = await db.get(Partner, self.ids[name])
            assert partner is not None
            partner.token_out = self.seal.close(token)
            db.add(partner)

    def context(self, *, own_database: bool = False) -> Context:
        """Give what a process has at hand; it is closed with the world."""
        context = Context(
            settings=Settings(database_url=self.database_url, secret_key=SecretStr("k" * 32)),
            database=Database(self.database_url) if own_database else self.database,
            seal=self.seal,
            client=Client(allow_private=True, transport=httpx.MockTransport(self._answer)),
        )
        self.contexts.append(context)
        return context

    def add_worker(self, *, own_database: bool = False, pace: Pace = QUICK) -> Worker:
        """Start a worker, with `own_database` as a process of its own would have it."""
        context = self.context(own_database=own_database)
        sources = {source.module: source for source in (Locations(), CDRs())}
        worker = Worker(context, sources, pace=pace)
        self.workers.append((worker, asyncio.create_task(worker.run()), context))
        return worker

    async def kill(self, worker: Worker) -> None:
        """End a worker as a crash would: it stores nothing and hands nothing back."""
        task, context = next((t, c) for known, t, c in self.workers if known is worker)
        # Not in the middle of a transaction, which SQLite's driver does not survive in one process.
        async with context.database.write():
            task.cancel()
            await asyncio.wait([task])

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        return await self.partners[request.url.host.partition(".")[0]].answer(request)

    def _next(self) -> int:
        self.count += 1
        return self.count

    async def put_location(self, name: str, *evses: str) -> None:
        """Make a location, or replace it as a whole."""
        version = self._next()
        parts = {uid: {"version": version, "a": 0, "b": 0} for uid in evses}
        location = self.ours.locations[name] = {"version": version, "evses": parts}
        await self._stamp(Change("locations", f"{OWNER}*{name}"), location)

    async def put_locations(self, count: int) -> None:
        """Make that many locations in one transaction, `l0` and so on."""
        async with self.database.write() as db:
            for number in range(count):
                location = {"version": self._next(), "evses": {}}
                self.ours.locations[f"l{number}"] = location
                await store(db, Change("locations", f"{OWNER}*l{number}"), location)

    async def change_evse(self, name: str, uid: str, letter: str = "a") -> None:
        """Change one field of an EVSE."""
        location = copy.deepcopy(self.ours.locations[name])
        version = self._next()
        patch = {"version": version, letter: version}
        evse = location["evses"].setdefault(uid, {"version": version, "a": 0, "b": 0})
        evse.update(patch)
        self.ours.locations[name] = location
        await self._stamp(Change("locations", f"{OWNER}*{name}", part=uid, patch=patch), location)

    async def delete_location(self, name: str) -> None:
        self.ours.locations.pop(name)
        await self._stamp(Change("locations", f"{OWNER}*{name}", deleted=True), None)

    async def post_cdr(self, name: str, audience: str | None = None) -> None:
        cdr = self.ours.cdrs[name] = {"id": name, "version": self._next()}
        party = None if audience is None else f"de*{self.parties[audience]}"
        await self._stamp(
            Change("cdrs", f"{OWNER}*{name}", stream=Stream.MONEY, audience=party), cdr
        )

    async def _stamp(self, change: Change, document: Document | None) -> None:
        async with self.database.write() as db:
            await store(db, change, document)

    def is_up_to_date(self, partner: Simulated) -> bool:
        sent = sorted(cdr["id"] for cdr in partner.cdrs)
        return partner.locations == self.ours.locations and sent == sorted(self.ours.cdrs)

    async def until_told(self, *partners: Simulated) -> None:
        """Wait until partners hold what we hold; all of them when none is named."""
        wanted = partners or tuple(self.partners.values())
        await until(lambda: all(self.is_up_to_date(partner) for partner in wanted))


async def store(db: AsyncSession, change: Change, document: Document | None) -> None:
    """Store a document, or none any more, with its place in the feed."""
    key = change.order_key
    await db.exec(delete(THINGS).where(THINGS.c.key == key))
    if document is not None:
        await db.exec(insert(THINGS).values(key=key, body=json.dumps(document)))
    await changed(db, change)


@asynccontextmanager
async def a_world(database_url: str, database: Database | None = None) -> AsyncIterator[World]:
    """Give an empty world, and end its workers afterwards."""
    world = World(database_url, database)
    await world.begin()
    try:
        yield world
    finally:
        await world.end()


async def until(condition: Callable[[], bool], *, seconds: float = 15) -> None:
    """Wait until something is so, and fail when it does not come about."""

    async def found() -> bool:
        return condition()

    await until_found(found, seconds=seconds)


async def until_found(look: Callable[[], Awaitable[Found]], *, seconds: float = 15) -> Found:
    """Look until there is something, give it, and fail when it does not come about."""
    async with asyncio.timeout(seconds):
        # What is waited for is in a database or at a partner: no event tells of it.
        while not (found := await look()):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        return found
