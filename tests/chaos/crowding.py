"""Many callers at once: drivers' Tokens that eMSPs put, and Locations that are large."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from ocpi.testing import samples
from ocpi.testing.mock.outgoing import addresses, endpoint, first_party, known_peer
from ocpi.testing.mock.wire import Document, authorization, message_ids
from tests.chaos.load import BREATH, OWNER, STATUSES, Load, undated, working
from tests.chaos.partners import Watched

REFUSAL = {"status_code", "status_message", "timestamp"}
"""What the envelope of a refusal holds."""


@dataclass(frozen=True)
class Press:
    """How many come at once."""

    callers: int
    rest: float
    """Seconds for which each rests at most, with its connection open."""
    large: int = 0
    """Of large Locations, each of which somebody puts again and again."""
    evses: int = 0
    """Of each of them."""


@dataclass
class Crowd:
    """Callers with a connection each, beside the load of the admin API."""

    load: Load
    emsps: Sequence[Watched]
    chance: random.Random
    press: Press
    tokens: list[Document] = field(default_factory=list)
    """Those that were acknowledged."""
    answers: Counter[str] = field(default_factory=Counter)
    """By HTTP status and OCPI code, or why there was none."""
    unfit: list[str] = field(default_factory=list)
    """Answers that are neither an acknowledgement nor a refusal in an envelope."""
    _count: int = 0

    async def begin(self) -> None:
        """Have the large Locations there."""
        first = self.load.locations
        self._large = range(first, first + self.press.large)
        for number in self._large:
            await self._put_large(number)
        self.load.locations += self.press.large

    @asynccontextmanager
    async def calling(self) -> AsyncIterator[None]:
        """Call while the context is open."""
        works = [self._call() for _ in range(self.press.callers)]
        works += [self._bring(number) for number in self._large]
        async with working(works):
            yield

    async def put_token(self, client: httpx.AsyncClient) -> bool:
        """An eMSP puts a new Token; gives whether that was acknowledged."""
        self._count += 1
        emsp = self.chance.choice(self.emsps)
        country_code, party_id = emsp.own_party()
        owner = {"country_code": country_code, "party_id": party_id}
        token = samples.token(**owner, uid=f"T{self._count}")
        peer = known_peer(emsp)
        url = f"{endpoint(peer, 'tokens', 'RECEIVER')}/{_place(token)}"
        headers = {
            **message_ids(),
            **addresses(first_party(peer), emsp.own_party()),
            "authorization": authorization(peer.token_out),
        }
        try:
            answer = await client.put(url, json=token, headers=headers)
        except httpx.TransportError as error:
            self.answers[type(error).__name__] += 1
            return False
        acknowledged = self._judge(answer)
        self.tokens += [token] if acknowledged else []
        return acknowledged

    def _judge(self, answer: httpx.Response) -> bool:
        try:
            said = answer.json()
        except ValueError:
            said = {}
        code = said.get("status_code", 0)
        self.answers[f"{answer.status_code}/{code}"] += 1
        if answer.is_success and code == 1000:
            return True
        refused = answer.status_code == 503 and code // 1000 == 3 and said.keys() == REFUSAL
        if not refused or "retry-after" not in answer.headers:
            self.unfit.append(f"{answer.status_code} {answer.text}")
        return False

    async def answers_soon(self, seconds: float) -> float:
        """Fail unless a caller that was not there before is served soon; gives after how long."""
        began = time.monotonic()
        async with asyncio.timeout(seconds):
            while True:
                async with a_caller() as client:
                    if await self.put_token(client):
                        return time.monotonic() - began
                await asyncio.sleep(BREATH)

    async def forgotten(self, admin: httpx.AsyncClient) -> list[str]:
        """What was acknowledged and is not there as it was put."""
        lost = []
        for token in self.tokens:
            answer = await admin.get(f"tokens/{_place(token)}")
            if answer.status_code != 200 or answer.json() != token:
                lost.append(f"{_place(token)}: {answer.status_code} {answer.text}")
        return lost

    async def _call(self) -> None:
        async with a_caller() as client:
            while True:
                await self.put_token(client)
                await asyncio.sleep(self.chance.uniform(0, self.press.rest))

    async def _bring(self, number: int) -> None:
        while True:
            await self._put_large(number)
            await asyncio.sleep(BREATH)

    async def _put_large(self, number: int) -> None:
        status = self.chance.choice(STATUSES)
        # Without dates, for what has changed meanwhile must not become older again.
        parts = [undated(samples.evse(n + 1, status=status)) for n in range(self.press.evses)]
        body = undated(samples.location(id=f"LOC{number}", evses=parts))
        await self.load.write("PUT", f"locations/{OWNER}/LOC{number}", body)


def a_caller() -> httpx.AsyncClient:
    """A client with a connection of its own; to read the system's certificates takes longer."""
    return httpx.AsyncClient(timeout=30, verify=False, trust_env=False)  # noqa: S501 - plain http


def _place(token: Document) -> str:
    return "/".join(token[name] for name in ("country_code", "party_id", "uid"))
