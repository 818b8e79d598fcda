"""What is asked of the service during a soak, in which proportion, and how often."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from ocpi.spec.cdrs import CDR
from ocpi.spec.locations import Location
from ocpi.spec.sessions import Session
from ocpi.spec.types import OCPIModel
from ocpi.testing import samples
from ocpi.testing.mock.outgoing import Asking, PeerFailed, endpoint
from ocpi.testing.mock.strict import find_defects
from tests.chaos.load import OWNER, Load, a_bill, a_session
from tests.chaos.partners import Watched
from tests.chaos.settling import party_of
from tests.soak.crossing import Crossing
from tests.soak.ledger import Ledger

SHARES = {
    "change_evse": 50,
    "change_evse_at_hub": 10,
    "go_on_charging": 15,
    "list_some": 10,
    "forward": 10,
    "authorize": 4,
    "bill": 1,
}
LISTS: dict[str, type[OCPIModel]] = {"locations": Location, "sessions": Session, "cdrs": CDR}
PAGE = 10
AT_ONCE = 5
"""Sessions that go on side by side."""
CHANGES = 12
"""Of a Session, before it ends."""


@dataclass(kw_only=True)
class Mix(Load):
    """The load of a soak; whatever is asked stands in the ledger."""

    ledger: Ledger
    crossing: Crossing
    drivers: Sequence[Watched]
    """Partners whose drivers present a token, and who read lists."""
    _readers: list[Asking] = field(default_factory=list)
    _charging: deque[tuple[str, int]] = field(default_factory=deque)
    _finished: deque[str] = field(default_factory=deque)

    async def begin(self) -> None:
        """Have drivers' tokens known; whether they may charge is asked each time."""
        for mock in self.drivers:
            assert mock.peer is not None
            party = party_of(mock)
            await mock.push_token(samples.token(party_id=party, uid=party, whitelist="NEVER"))
            self._readers.append(Asking(mock, mock.peer.token_out))

    async def press(self, rate: float, seconds: float) -> None:
        """So many requests a second, whether or not earlier ones were answered."""
        began = time.monotonic()
        names, weights = list(SHARES), list(SHARES.values())
        async with asyncio.TaskGroup() as hands:
            for number in range(int(rate * seconds)):
                await asyncio.sleep(began + number / rate - time.monotonic())
                (name,) = self.chance.choices(names, weights)
                hands.create_task(getattr(self, name)())

    async def end(self) -> None:
        for reader in self._readers:
            await reader.http.aclose()

    async def send(self, method: str, path: str, body: dict[str, Any]) -> httpx.Response:
        kind = f"{method} {path.partition('/')[0]}"
        with self.ledger.request(kind, {path: body}) as entry:
            answer = await super().send(method, path, body)
            entry.outcome = str(answer.status_code)
            if answer.is_success and not body.items() <= answer.json().items():
                entry.outcome = "answered with another state"
        return answer

    async def change_evse_at_hub(self) -> None:
        await self.crossing.change_evse()

    async def forward(self) -> None:
        await self.crossing.forward()

    async def go_on_charging(self) -> None:
        """A driver begins, goes on or ends."""
        if len(self._charging) < AT_ONCE:
            await self._begin_charging()
            return
        name, changes = self._charging.popleft()
        path = f"sessions/{OWNER}/{name}"
        if changes < CHANGES:
            await self.write("PATCH", path, {"kwh": 10.5 + changes})
            self._charging.append((name, changes + 1))
        else:
            await self.write("PATCH", path, {"status": "COMPLETED"})
            self._finished.append(name)

    async def _begin_charging(self) -> None:
        self._count += 1
        name, party = f"S{self._count}", self.chance.choice(self.parties)
        path = f"sessions/{OWNER}/{name}"
        self.audiences[path] = party
        await self.write("PUT", path, a_session(name, party))
        self._charging.append((name, 0))

    async def bill(self) -> None:
        """A driver who is done gets a bill; where none is, another goes on."""
        if not self._finished:
            await self.go_on_charging()
            return
        name = self._finished.popleft()
        path = f"cdrs/{OWNER}/{name}"
        self.audiences[path] = party = self.audiences[f"sessions/{OWNER}/{name}"]
        await self.write("POST", path, a_bill(name, party))

    async def authorize(self) -> None:
        """Our backend asks whether a driver may charge, and we ask the eMSP."""
        uid = party_of(self.chance.choice(self.drivers))
        with self.ledger.request("POST authorize", uid) as entry, suppress(httpx.TransportError):
            answer = await self.admins[0].post("authorize", json={"uid": uid})
            entry.outcome = str(answer.status_code)
            if answer.is_success and answer.json()["allowed"] != "ALLOWED":
                entry.outcome = answer.text

    async def list_some(self) -> None:
        """A partner reads a page of a list, strictly."""
        reader, module = self.chance.choice(self._readers), self.chance.choice(list(LISTS))
        assert reader.state.peer is not None
        url = endpoint(reader.state.peer, module, "SENDER")
        offset = self.chance.randrange(self.locations)
        url += f"?date_from={samples.UPDATED}&limit={PAGE}&offset={offset}"
        with self.ledger.request(f"GET {module}", url) as entry, suppress(PeerFailed):
            reply = await reader.ask("GET", url, to=("DE", "CPO"))
            entry.outcome = f"{reply.http_status}/{reply.status_code}"
            for document in reply.data or ():
                for defect in find_defects(document, LISTS[module]):
                    reply.message.blame(f"a list cannot be read strictly: {defect}")
