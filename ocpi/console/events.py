"""Tells open pages that something has changed, by server-sent events; they then ask again."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, Header, Request
from sqlalchemy import func
from sqlmodel import col, select
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from ocpi.alarms.alarm import Alarm
from ocpi.console.access import Viewer
from ocpi.context import Context
from ocpi.database import DATABASE_ERRORS
from ocpi.errors import TooMany
from ocpi.golive.checking import PartnerCheck
from ocpi.parties import IssuedToken, Partner
from ocpi.push.feed import FeedHead
from ocpi.push.lanes import ParkedObject, PartnerLane
from ocpi.request import Here

router = APIRouter()

PAUSE = 1.0
# Streams of a person: pages that are open, in as many browsers.
MOST = 10
# What no number tells of, such as the lapse of time, is shown at least so often.
STALE = 15.0
# A stream ends now and then, so that who has signed out meanwhile is told no more.
LIFETIME = 300.0


class Streams:
    """The streams of a process: all are told by one look at the state, and nobody has many."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._open: Counter[str] = Counter()
        self._turn = asyncio.Lock()
        self._state = ""
        self._old_at = 0.0

    async def state(self) -> str:
        """The state as it was a pause ago at most."""
        async with self._turn:
            time = asyncio.get_running_loop().time
            if time() >= self._old_at:
                self._old_at = time() + PAUSE
                self._state = await state_of(self._context)
            return self._state

    def check(self, name: str) -> None:
        """Raises ``TooMany`` for a person who has as many as may be."""
        if self._open[name] >= MOST:
            raise TooMany(f"You have {MOST} pages open: this one is not told of changes.")

    @contextmanager
    def one_more(self, name: str) -> Iterator[None]:
        """Count a stream for as long as it is open."""
        self._open[name] += 1
        try:
            yield
        finally:
            self._open[name] -= 1


class _Stream(StreamingResponse):
    """Is counted until the browser is gone, whether or not anything was sent by then."""

    def __init__(self, streams: Streams, name: str, messages: AsyncIterator[str]) -> None:
        super().__init__(
            messages, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
        )
        self._streams, self._name = streams, name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._streams.one_more(self._name):
            await super().__call__(scope, receive, send)


@router.get("/events")
async def events(
    request: Request,
    context: Here,
    person: Viewer,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """Named `changed`, at most once a second; nothing else is told.

    A browser that was cut off says what it knows, and is told at once if that is not so any more.
    """
    streams: Streams = request.app.state.streams
    streams.check(person.name)
    return _Stream(streams, person.name, _changes(context, streams, last_event_id))


async def _changes(context: Context, streams: Streams, before: str | None) -> AsyncIterator[str]:
    known = await streams.state()
    yield f"retry: 2000\nid: {known}\n\n"
    if before not in (None, known):
        yield _changed(known)
    loop = asyncio.get_running_loop()
    told, end = loop.time(), loop.time() + LIFETIME
    while loop.time() < end and not await _ended_within(context, PAUSE):
        state = await streams.state()
        if state != known or loop.time() - told >= STALE:
            known, told = state, loop.time()
            yield _changed(known)


def _changed(state: str) -> str:
    return f"event: changed\nid: {state}\ndata:\n\n"


async def _ended_within(context: Context, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await context.ending.wait()
    except TimeoutError:
        return False
    return True


async def state_of(context: Context) -> str:
    """Made of a few cheap numbers, it differs whenever a page would."""
    try:
        async with context.database.read() as db:
            heads = await db.exec(select(FeedHead).order_by(col(FeedHead.stream)))
            lanes = await db.exec(
                select(
                    func.max(col(PartnerLane.last_success_at)),
                    func.sum(col(PartnerLane.epoch)),
                    func.count(col(PartnerLane.breaker)),
                )
            )
            kind, attempts = col(ParkedObject.kind), func.sum(col(ParkedObject.attempts))
            parked = await db.exec(
                select(kind, func.count(), attempts).group_by(kind).order_by(kind)
            )
            standing = col(Partner.state), col(Partner.suspended)
            partners = await db.exec(
                select(*standing, func.count(), func.max(col(Partner.registered_at)))
                .group_by(*standing)
                .order_by(*standing)
            )
            notes = await db.exec(select(func.sum(func.length(col(Partner.note)))))
            alarms = await db.exec(select(func.max(Alarm.id), func.count(col(Alarm.cleared_at))))
            tokens = await db.exec(select(func.count(), func.count(col(IssuedToken.used_at))))
            checks = await db.exec(select(func.max(PartnerCheck.id)))
            numbers = (
                tuple((head.stream, head.seq) for head in heads),
                tuple(lanes.one()),
                tuple(map(tuple, parked)),
                tuple(map(tuple, partners)),
                notes.one(),
                tuple(tokens.one()),
                tuple(alarms.one()),
                checks.one(),
            )
    except DATABASE_ERRORS as error:
        return type(error).__name__
    return hashlib.sha256(repr(numbers).encode()).hexdigest()[:16]
