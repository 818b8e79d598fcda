"""Reading who is behind hubs that are partners of ours: at the start, and now and then."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from modules.hubclientinfo.announcing import (
    MOST_BEHIND_ONE,
    RoleKey,
    announce,
    has_parties,
    read_client_info,
    withdraw_others,
)
from modules.hubclientinfo.store import MODULE
from ocpi.client import ExchangeFailed
from ocpi.context import Context
from ocpi.crawling import MOST_PAUSES, is_short
from ocpi.crew import Repeated
from ocpi.errors import OCPIError
from ocpi.headers import Party
from ocpi.messages import log
from ocpi.parties import PlatformID
from ocpi.pull import syncs
from ocpi.pull.issuers import Issuer, read_issuers
from ocpi.spec.moments import format_moment, moment_of
from ocpi.spec.reading import problems

DAY_HOURS = 24
# Few enough for a transaction that nobody waits for.
_AT_ONCE = 200


@dataclass
class Learned:
    """What reading a hub's list came to."""

    named: set[RoleKey] = field(default_factory=set)
    """All that is in the list."""
    met: int = 0
    """How many entries the list has, whatever they are worth."""
    refused: list[str] = field(default_factory=list)
    gone: int = 0
    short: bool = False
    """Whether the list tells of more parties than it has: then none is gone."""
    doubted: bool = False
    """Whether the list is empty though parties were behind it: it is read once more first."""
    problem: str | None = None
    """Why the list was not read whole; None when it was."""

    def sentence(self) -> str:
        """For staff."""
        parties = len({party for _, party in self.named})
        told = f"{parties} parties are behind it, {self.gone} are gone."
        if self.refused:
            told += f" {len(self.refused)} were refused, the first: {self.refused[0]}"
        if self.doubted:
            told += " Nobody at all is in the list, which is believed the second time only."
        if self.short:
            told += " Its X-Total-Count tells of more, so none counts as gone."
        return f"{told} Not complete: {self.problem}" if self.problem else told


async def learn(context: Context, issuer: Issuer) -> Learned:
    """Read a hub's whole list of parties (HC-03); what fails is noted, not raised."""
    key = (issuer.partner_id, MODULE)
    async with context.database.write() as db:
        sync, now = await syncs.begin(db, key)
    learned = Learned()
    try:
        # Nobody else reads it for as long as the lease lasts, and no other hub waits longer.
        async with asyncio.timeout(syncs.LEASE / 1_000_000):
            await _crawl(context, issuer, learned, format_moment(moment_of(now)))
    except (ExchangeFailed, _Unusable) as error:
        learned.problem = f"{error}."
    except Exception as error:  # noqa: BLE001 - one hub's list must not stop those of others.
        log.warning("a list of parties failed", partner=issuer.target.name, error=repr(error))
        learned.problem = f"it failed here, with {type(error).__name__}."
    # The last one that was read was not believed, see below.
    is_second = sync.synced_at is not None and sync.synced_at != sync.full_at
    await _finish(context, issuer, learned, now, is_second=is_second)
    return learned


async def _finish(
    context: Context, issuer: Issuer, learned: Learned, began: int, *, is_second: bool
) -> None:
    """Suspend who is gone, and note it. A list that is empty is believed the second time only."""
    hours = context.settings.pull_hours or DAY_HOURS
    interval = hours * syncs.HOUR
    async with context.database.write() as db:
        if learned.problem is None and not learned.met and not is_second:
            learned.doubted = await has_parties(db, issuer.partner_id)
        if learned.problem is None and not learned.short and not learned.doubted:
            learned.gone = await withdraw_others(db, issuer.partner_id, learned.named, began)
        note = learned.sentence()
        await syncs.finish(
            db,
            (issuer.partner_id, MODULE),
            note,
            min(syncs.RETRY, interval) if learned.doubted else interval,
            began=began,
            since=began if learned.problem is None else None,
            full=not learned.doubted,
        )
    log.info("parties learned", partner=issuer.target.name, note=note)


class _Unusable(Exception):
    """A page that is none."""


async def _crawl(context: Context, issuer: Issuer, learned: Learned, now: str) -> None:
    async for reply in context.client.pages(
        issuer.target, issuer.lists[MODULE], pauses=MOST_PAUSES
    ):
        if not reply.success() or not isinstance(reply.data, list):
            said = f"HTTP {reply.http_status} with status code {reply.status_code}"
            raise _Unusable(f"{issuer.target.name} answered {said}")
        learned.met += len(reply.data)
        learned.short = is_short(reply, learned.met)
        if learned.met > MOST_BEHIND_ONE:
            raise _Unusable(f"{issuer.target.name} lists more than {MOST_BEHIND_ONE} parties")
        for first in range(0, len(reply.data), _AT_ONCE):
            await _take(context, issuer, learned, now, reply.data[first : first + _AT_ONCE])


async def _take(
    context: Context, issuer: Issuer, learned: Learned, now: str, listed: Sequence[Any]
) -> None:
    async with context.database.write() as db:
        for each in listed:
            try:
                with context.hearing(issuer.target.name):
                    info = read_client_info(each, now)
                learned.named.add((str(info.role), Party(info.country_code, info.party_id).key))
                await announce(db, issuer.partner_id, info)
            except (ValidationError, OCPIError) as error:
                learned.refused.append(_why(error))


def _why(error: Any) -> str:
    return problems(error) if isinstance(error, ValidationError) else str(error)


class Learner(Repeated):
    """Reads the lists that are due, in any number of processes; each by one at a time."""

    def __init__(self, context: Context, *, look: float = 10.0) -> None:
        complaint = "the parties behind hubs were not read"
        super().__init__(self.turn, pause=look, complaint=complaint)
        self._context = context

    async def turn(self) -> None:
        """Read every list that is due."""
        hubs = {
            (issuer.partner_id, MODULE): issuer
            for platform in PlatformID
            for issuer in await read_issuers(self._context, platform)
            if issuer.hub is not None and MODULE in issuer.lists
        }
        if not hubs:
            return
        async with self._context.database.write() as db:
            due = await syncs.take_due(db, hubs.keys(), syncs.AT_ONCE)
        await asyncio.gather(*(learn(self._context, hubs[key]) for key in due))
