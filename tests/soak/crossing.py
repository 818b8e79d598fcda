"""A CPO and two eMSPs that meet at the hub of the service."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ocpi.testing import samples
from ocpi.testing.cpo import MockCPO
from ocpi.testing.emsp import MockEMSP, Party, running
from ocpi.testing.mock.outgoing import PeerFailed, Reply
from ocpi.testing.mock.platform import MockPlatform
from ocpi.testing.mock.state import key_of
from ocpi.testing.mock.wire import Document
from tests.chaos.load import STATUSES
from tests.chaos.partners import KEPT
from tests.flows.hubs import Hub, introduced, owned_by
from tests.flows.process import Installation
from tests.soak.ledger import Ledger

HUB = ("NL", "HUB")
SETTINGS = {"OCPI_HUB_COUNTRY_CODE": HUB[0], "OCPI_HUB_PARTY_ID": HUB[1]}
LOCATIONS = 20


@dataclass
class Crossing:
    """What they tell and ask each other across the hub."""

    cpo: MockCPO
    emsps: list[MockEMSP]
    ledger: Ledger
    chance: random.Random
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """What the CPO tells arrives in the order in which it happened."""

    @property
    def _locations(self) -> list[Document]:
        return self.cpo.documents("locations")

    @property
    def _sessions(self) -> list[Document]:
        """One of each eMSP."""
        return self.cpo.documents("sessions")

    @property
    def mocks(self) -> list[MockPlatform]:
        return [self.cpo, *self.emsps]

    async def begin(self, installation: Installation) -> None:
        """Register all, and tell the eMSPs what there is."""
        async with installation.admin() as admin:
            await Hub(HUB, installation.base_url, admin).admit(*self.mocks)
        await introduced(*self.mocks)
        for number in range(LOCATIONS):
            location = samples.location(**owned_by(self.cpo), id=f"HUB{number}")
            await self._ask("hub: PUT location", self.cpo.put_location(location))
        for emsp in self.emsps:
            party = owned_by(emsp)
            emsp.issue_token(samples.token(**party, uid=party["party_id"]))
            token = samples.cdr_token(**party)
            session = samples.session(**owned_by(self.cpo), id=party["party_id"], cdr_token=token)
            await self._ask("hub: PUT session", self.cpo.put_session(session))

    async def change_evse(self) -> None:
        """Tell everybody."""
        async with self._turn:
            changes = {"status": self.chance.choice(STATUSES), "last_updated": now()}
            location, uid = self.chance.choice(self._locations), f"EVSE-{self.chance.randint(1, 3)}"
            await self._ask("hub: PATCH evse", self.cpo.patch_evse(location, uid, changes))

    async def forward(self) -> None:
        """Ask or tell one of them something."""
        forwards = (self._change_session, self._authorize, self._command)
        await self.chance.choice(forwards)(self.chance.randrange(len(self.emsps)))

    async def _change_session(self, number: int) -> None:
        async with self._turn:
            changes = {"kwh": self.chance.randint(1, 10**6), "last_updated": now()}
            told = self.cpo.patch_session(self._sessions[number], changes)
            await self._ask("hub: PATCH session", told)

    async def _authorize(self, number: int) -> None:
        to = self.emsps[number].own_party()
        await self._ask("hub: authorize", self.cpo.authorize(to[1], to=to))

    async def _command(self, number: int) -> None:
        place = {"location_id": "HUB0", "evse_uid": "EVSE-1", "connector_id": "1"}
        emsp, to = self.emsps[number], self.cpo.own_party()
        with (
            self.ledger.request("hub: command", place) as entry,
            suppress(PeerFailed, TimeoutError),
        ):
            command = await emsp.command("UNLOCK_CONNECTOR", place, to=to)
            result = await emsp.result_of(command)
            entry.outcome = "200" if result["result"] == "ACCEPTED" else str(result)
            del emsp.errands[command.uid]

    async def _ask(self, kind: str, asked: Awaitable[Reply]) -> None:
        with self.ledger.request(kind, None) as entry, suppress(PeerFailed):
            reply = await asked
            entry.outcome = f"{reply.http_status}/{reply.status_code}"

    def differing(self, ours: Iterable[Document]) -> list[str]:
        """What eMSPs do not hold as the CPO does, or of what is `ours`, which they hear too."""
        faults = []
        for emsp, session in zip(self.emsps, self._sessions, strict=True):
            told = {"sessions": [session], "locations": [*self._locations, *ours]}
            for module, documents in told.items():
                wanted = {key_of(module, each): each for each in documents}
                held = emsp.objects[module]
                faults += [
                    f"{emsp.own_party()[1]}: {module} {key}"
                    for key in wanted.keys() | held.keys()
                    if wanted.get(key) != held.get(key)
                ]
        return faults


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@asynccontextmanager
async def a_crossing(ledger: Ledger, chance: random.Random) -> AsyncIterator[Crossing]:
    """Serve them while the context is open."""
    cpo = MockCPO((Party("BE", "BEC", "CPO", "CPO"),))
    emsps = [MockEMSP((Party("GB", name),)) for name in ("GB1", "GB2")]
    async with AsyncExitStack() as stack:
        for mock in (cpo, *emsps):
            mock.kept = KEPT
            mock.reset()
            await stack.enter_async_context(running(mock))
        yield Crossing(cpo, emsps, ledger, chance)
