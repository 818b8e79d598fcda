"""Partners over real sockets: some that do as they should, and some that do not."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ocpi.testing.emsp import MockEMSP, Party, create_app
from ocpi.testing.mock import state
from ocpi.testing.mock.wire import moment
from ocpi.testing.serving import hang_up, serving
from tests.chaos.scale import SCALE


class Mood(StrEnum):
    """How a partner misbehaves."""

    WELL = "well"
    HANGS = "never answers"
    FAILS = "500"
    RESETS = "closes the connection"
    THROTTLES = "429"
    HTML = "200 with a page"
    LOCKS_OUT = "401"
    DRIPS = "answers byte by byte"
    LOSES = "takes it and loses the answer"
    SLOW = "answers after half a second"
    FLAPS = "is down for a while, again and again"
    HOSTILE = "another of these each time"


TEN = (Mood.WELL, *list(Mood)[:9])
"""Two that do as they should, and eight that do not."""
SPELL = 15
"""Seconds for which a partner that flaps is down, or up."""

# How often; a partner that always fails would only show that its breaker opens.
CHANCE = {
    Mood.HANGS: SCALE.hangs,
    Mood.FAILS: 0.3,
    Mood.RESETS: 0.2,
    Mood.THROTTLES: 0.1,
    Mood.HTML: 0.2,
    Mood.LOCKS_OUT: 1.0,
    Mood.DRIPS: SCALE.hangs,
    Mood.LOSES: 0.2,
    Mood.SLOW: 1.0,
    Mood.HOSTILE: 0.3,
}
HOSTILITIES = [mood for mood in TEN[2:] if CHANCE[mood]]
REFUSALS = {
    Mood.FAILS: (500, 3000),
    Mood.FLAPS: (500, 3000),
    Mood.THROTTLES: (429, 2000),
    Mood.LOCKS_OUT: (401, 2000),
}
KEPT = 1000
"""Messages that a partner keeps, of all that it may be told in hours."""


State = tuple[str | None, float | None]
"""The `status` and `kwh` of a version, as far as it tells them."""


def state_of(body: Mapping[str, Any]) -> State:
    return body.get("status"), body.get("kwh")


class Taken(NamedTuple):
    """A version of an object that a partner took."""

    at: float
    version: str
    state: State


class Watched(MockEMSP):
    """A strict eMSP that also notes when it took which version of what."""

    def reset(self) -> None:
        self.kept = KEPT
        super().reset()
        self.taken: dict[str, list[Taken]] = {}
        """By path below the module's owner."""
        self.posted: dict[str, set[str]] = {}
        """The bodies that came of each CDR, by its path."""

    def record(self, message: state.Message) -> None:
        super().record(message)
        if message.direction != "in" or not message.body or "/receiver/" not in message.path:
            return
        module, *rest = message.path.partition("/receiver/")[2].split("/")
        if message.status_code == 1000:
            body, path = json.loads(message.body), "/".join((module, *rest))
            if path == "cdrs":
                path = f"cdrs/{body['country_code']}/{body['party_id']}/{body['id']}"
                self.posted.setdefault(path, set()).add(message.body)
            self._note(path, body)

    def _note(self, path: str, body: dict[str, Any]) -> None:
        taken = Taken(time.monotonic(), body["last_updated"], state_of(body))
        self.taken.setdefault(path, []).append(taken)
        for evse in body.get("evses", ()):
            self._note(f"{path}/{evse['uid']}", evse)

    def took(self, path: str, version: str) -> float | None:
        """When it first held this version of an object, or a newer one."""
        wanted = moment(version)
        found = (each.at for each in self.taken.get(path, ()) if moment(each.version) >= wanted)
        return next(found, None)


@dataclass
class Moody:
    """A partner's app behind its moods."""

    app: ASGIApp
    mood: Mood
    chance: random.Random
    active: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        ocpi = scope["type"] == "http" and scope["path"].startswith("/ocpi/")
        if ocpi and self.active and self._would():
            await self._misbehave(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _would(self) -> bool:
        if self.mood is Mood.FLAPS:
            return int(time.monotonic() / SPELL) % 2 == 1
        return self.chance.random() < CHANCE.get(self.mood, 0)

    async def _misbehave(self, scope: Scope, receive: Receive, send: Send) -> None:
        mood = self.chance.choice(HOSTILITIES) if self.mood is Mood.HOSTILE else self.mood
        if mood in REFUSALS:
            http, code = REFUSALS[mood]
            text = f'{{"status_code": {code}, "timestamp": "2026-01-02T03:04:05Z"}}'
            await _answer(send, http, "application/json", text)
        elif mood is Mood.HTML:
            await _answer(send, 200, "text/html", "<!doctype html><title>Maintenance</title>")
        elif mood is Mood.HANGS:
            while (await receive())["type"] != "http.disconnect":
                pass
        elif mood is Mood.DRIPS:
            await self.app(scope, receive, _dripping(send))
        elif mood is Mood.SLOW:
            await asyncio.sleep(self.chance.uniform(0.3, 0.7))
            await self.app(scope, receive, send)
        else:
            if mood is Mood.LOSES:
                await self.app(scope, receive, _swallow)
            await hang_up(receive)


async def _answer(send: Send, http: int, content_type: str, text: str) -> None:
    headers = [(b"content-type", content_type.encode()), (b"retry-after", b"1")]
    # Only a 429 asks for a pause; elsewhere the header would make one of a plain failure.
    kept = headers if http == 429 else headers[:1]
    await send({"type": "http.response.start", "status": http, "headers": kept})
    await send({"type": "http.response.body", "body": text.encode()})


async def _swallow(_message: MutableMapping[str, Any]) -> None:
    """The answer is lost."""


def _dripping(send: Send) -> Callable[[Message], Awaitable[None]]:
    async def drip(message: Message) -> None:
        body = message.get("body", b"")
        for place in range(len(body)):
            part = {**message, "body": body[place : place + 1], "more_body": True}
            await send(part)
            # Longer in all than a whole exchange may last.
            await asyncio.sleep(0.4)
        await send({**message, "body": b""} if body else message)

    return drip


@dataclass
class Partners:
    """All of them, and the moods that they have once `misbehave` was called."""

    mocks: list[Watched] = field(default_factory=list)
    moods: list[Moody] = field(default_factory=list)

    @property
    def healthy(self) -> list[Watched]:
        pairs = zip(self.mocks, self.moods, strict=True)
        return [mock for mock, moody in pairs if moody.mood is Mood.WELL]

    def misbehave(self, *, active: bool = True) -> None:
        for each in self.moods:
            each.active = active

    def behave(self, *moods: Mood) -> None:
        """Those with one of the moods given do as they should from now on."""
        for each in self.moods:
            each.active = each.active and each.mood not in moods


@asynccontextmanager
async def partners_of(
    chance: random.Random, moods: Iterable[Mood] = TEN
) -> AsyncIterator[Partners]:
    """Serve partners while the context is open; they do as they should at first."""
    found = Partners()
    async with AsyncExitStack() as stack:
        for number, mood in enumerate(moods):
            mock = Watched((Party("DE", f"M{number:02}"),))
            found.mocks.append(mock)
            moody = Moody(create_app(mock), mood, random.Random(chance.random()))  # noqa: S311
            found.moods.append(moody)
            mock.base_url = await stack.enter_async_context(serving(moody))
        yield found
