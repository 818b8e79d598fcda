"""Pulling a partner's list: all of it, or what changed since the last time (IP-23, IP-24)."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ocpi.client import ExchangeFailed
from ocpi.context import Context
from ocpi.crawling import is_short
from ocpi.errors import Conflict, PeerUnusable, UnknownObject
from ocpi.forgiving import Habit, forgive
from ocpi.headers import Party, routing_headers
from ocpi.messages import log
from ocpi.parties import our_parties
from ocpi.pull import syncs
from ocpi.pull.absence import mark_absent, read_present
from ocpi.pull.issuers import Issuer, TheirList, lists_of, owners_of, parties_of, read_issuers
from ocpi.pull.merging import Fate, merge, read_page
from ocpi.pull.pullable import Pullable, Pullables
from ocpi.reply import Reply
from ocpi.spec.moments import format_moment, microseconds, moment_of, parse_moment

# More than most serve at once; they cut it to what they like (PG-04).
PAGE = 500
_SHOWN = 20
# Who is slower than any time zone shows no clock: it may be an example that was copied.
_SLOWEST = 24 * syncs.HOUR


@dataclass
class Pulled:
    """What pulling a list came to."""

    pullable: Pullable
    full: bool
    counts: Counter[Fate] = field(default_factory=Counter)
    gone: int = 0
    """How many objects were in it before, and are not any more; found by a full pull alone."""
    short: bool = False
    """Whether it tells of more objects than it has: then none is gone."""
    refused: list[str] = field(default_factory=list)
    """Why objects were passed over; the first of them only."""
    problem: str | None = None
    """Why the list was not read whole; None when it was."""

    def sentence(self) -> str:
        """For staff."""
        parts = [f"{self.counts[fate]} {fate}" for fate in Fate if self.counts[fate]]
        asked = "All" if self.full else "Recent"
        told = f"{asked} {self.pullable.kind}s: {', '.join(parts) or 'none'}."
        if self.gone:
            told += f" {self.gone} {'is' if self.gone == 1 else 'are'} gone."
        if self.short:
            told += " Its X-Total-Count tells of more, so none counts as gone."
        return f"{told} Not complete: {self.problem}" if self.problem else told


class _Unusable(Exception):
    """A page that is none."""


async def sync_partner(
    context: Context, pullables: Pullables, name: str, *, full: bool = False
) -> list[Pulled]:
    """Pull every list of a partner now, one after the other.

    Raises ``UnknownObject`` for a partner that is not registered, ``Conflict`` for one that has no
    list, ``PeerUnusable`` when one could not be read whole.
    """
    issuer = await _issuer(context, pullables, name)
    lists = lists_of(issuer, pullables)
    if not lists:
        kinds = " or ".join(f"{each.kind}s" for each in pullables[issuer.platform])
        raise Conflict(f"{name} offers no list of {kinds}.")
    pulled = [await pull(context, each, full=full) for each in lists]
    if any(each.problem is not None for each in pulled):
        raise PeerUnusable(" ".join(each.sentence() for each in pulled))
    return pulled


async def _issuer(context: Context, pullables: Pullables, name: str) -> Issuer:
    for platform in pullables:
        for issuer in await read_issuers(context, platform):
            if issuer.target.name == name:
                return issuer
    raise UnknownObject(f"No partner {name} is registered: see `ocpi partner list`.")


async def pull(context: Context, listed: TheirList, *, full: bool = False) -> Pulled:
    """Crawl a list and merge it page by page; what fails meanwhile is noted, not raised.

    Nothing is removed: a list may have its gaps (AT-62). No connection to the database is held
    while a page is awaited.
    """
    async with context.database.write() as db:
        sync, started = await syncs.begin(db, listed.key)
    since = None if full else sync.since(started)
    pulled = Pulled(listed.pullable, full=since is None)
    crawl = _Crawl(context, listed, owners_of(listed.issuer), pulled, started)
    try:
        for party in listed.asked:
            await crawl.run(party, since)
    except ExchangeFailed as error:
        pulled.problem = f"{error.sentence}."
    except _Unusable as error:
        pulled.problem = str(error)
    except Exception as error:  # noqa: BLE001 - whatever failed, the pull ends, with its note.
        log.warning("a pull failed", partner=listed.name, error=repr(error))
        pulled.problem = f"it failed here, with {type(error).__name__}."
    await _finish(context, listed, pulled, started, crawl.started)
    return pulled


async def _finish(
    context: Context, listed: TheirList, pulled: Pulled, began: int, by_theirs: int
) -> None:
    note = pulled.sentence()
    # Where nothing is scheduled, the moment of the next pull means nothing.
    interval = (context.settings.pull_hours or 1) * syncs.HOUR
    since = by_theirs if pulled.problem is None else None
    async with context.database.write() as db:
        await syncs.finish(
            db, listed.key, note, interval, began=began, since=since, full=pulled.full
        )
    log.info("pulled", partner=listed.name, note=note)


def _earlier(moment: int, timestamp: str | None) -> int:
    """A moment, or a partner's timestamp that is clearly earlier and may be its clock's."""
    try:
        theirs = microseconds(parse_moment(timestamp or ""))
    except ValueError:
        return moment
    return theirs if moment - _SLOWEST < theirs < moment - syncs.MINUTE else moment


@dataclass
class _Crawl:
    """The way through a partner's list, party by party and page by page."""

    context: Context
    listed: TheirList
    parties: Mapping[str, Party]
    """Whose objects the partner may list."""
    pulled: Pulled
    started: int
    """When it began, by the partner's clock where that is slower: changes are dated by that."""
    missing: dict[str, int] = field(default_factory=dict)
    """What is stored and was not met yet, of those who must list it now; see `read_present`."""

    async def run(self, party: Party, since: int | None) -> None:
        """Read a party's list to its end; raises what tells why it was not."""
        database, pullable = self.context.database, self.listed.pullable
        if since is None:
            # A hub is asked for all of them at once, any other party for what it owns. What it has
            # of those that are offline it may leave out.
            issuer = self.listed.issuer
            owners = parties_of(issuer).values() if party == issuer.hub else [party]
            self.missing = await read_present(database, pullable, owners)
        ours = await our_parties(database, self.listed.issuer.platform)
        dates = {} if since is None else {"date_from": format_moment(moment_of(since))}
        met, is_whole = 0, True
        async for reply in self.context.client.pages(
            self.listed.issuer.target,
            self.listed.url,
            params={**dates, "limit": str(PAGE)},
            headers=routing_headers(party, ours[0] if ours else None),
        ):
            await self._take_page(reply)
            met += len(reply.data)
            is_whole = not is_short(reply, met)
        if since is not None:
            return
        if is_whole:
            await self._mark()
        else:
            self.pulled.short = True

    async def _mark(self) -> None:
        """Mark what a whole list was without."""
        database, pullable = self.context.database, self.listed.pullable
        gone = await mark_absent(database, pullable.store, self.missing)
        self.pulled.gone += gone
        with self.context.hearing(self.listed.issuer.target.name):
            for _ in range(gone):
                forgive(Habit.VANISHED, pullable.kind)

    async def _take_page(self, reply: Reply) -> None:
        name = self.listed.name
        if not reply.success():
            said = f"HTTP {reply.http_status} with status code {reply.status_code}"
            raise _Unusable(f"{name} answered {said}.")
        if not isinstance(reply.data, list):
            raise _Unusable(f"{name} answered with something else than a list.")
        self.started = _earlier(self.started, reply.timestamp)
        # A partner may send far more than it was asked for.
        for first in range(0, len(reply.data), PAGE):
            await self._take_slice(reply.data[first : first + PAGE], first)
            await asyncio.sleep(0)  # Whoever else waits for the loop has a turn.
        async with self.context.database.write() as db:
            await syncs.extend(db, self.listed.key)

    async def _take_slice(self, data: Sequence[Any], first: int) -> None:
        pulled = self.pulled
        with self.context.hearing(self.listed.issuer.target.name):
            page = read_page(self.listed.pullable, data, self.parties.keys(), first)
        for reason in page.refused[: _SHOWN - len(pulled.refused)]:
            log.warning("object passed over", partner=self.listed.name, reason=reason)
            pulled.refused.append(reason)
        for key in page.keys:
            self.missing.pop(key, None)
        pulled.counts += Counter({Fate.REFUSED: len(page.refused)})
        database = self.context.database
        pulled.counts += await merge(database, self.listed, page.found, self.parties)
