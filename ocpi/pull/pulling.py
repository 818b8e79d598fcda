"""Pulling a partner's list: all of it, or what changed since the last time (IP-23, IP-24)."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlmodel import select

from ocpi.client import ExchangeFailed
from ocpi.context import Context
from ocpi.crawling import MOST_PAUSES, is_short
from ocpi.errors import Conflict, PeerUnusable, UnknownObject
from ocpi.forgiving import Habit, forgive
from ocpi.headers import Party, routing_headers
from ocpi.messages import log
from ocpi.parties import Partner, State
from ocpi.pull import asking, syncs
from ocpi.pull.absence import mark_absent, read_present
from ocpi.pull.asking import SHOWN, Asked, Pulled
from ocpi.pull.issuers import Issuer, TheirList, lists_of, owners_of, parties_of, read_issuers
from ocpi.pull.merging import Fate, merge, read_page
from ocpi.pull.pullable import Pullables
from ocpi.reply import Reply
from ocpi.spec.moments import format_moment, microseconds, moment_of, parse_moment

# More than most serve at once; they cut it to what they like (PG-04).
PAGE = 500
# Who is slower than any time zone shows no clock: it may be an example that was copied.
_SLOWEST = 24 * syncs.HOUR
# HTTP says with these that it is to be tried again.
_NOT_NOW = (408, 425, 429)


class _Unusable(Exception):
    """A page that is none."""


async def sync_partner(
    context: Context, pullables: Pullables, name: str, *, full: bool = False
) -> list[Pulled]:
    """Pull every list of a partner now, one after the other.

    Raises ``UnknownObject`` for a partner that there is not, ``Conflict`` for one that cannot
    be asked or has no list, ``PeerUnusable`` when one could not be read whole.
    """
    issuer = await _issuer(context, pullables, name)
    lists = lists_of(issuer, pullables)
    if not lists:
        kinds = " or ".join(f"{each.kind}s" for each in pullables[issuer.platform])
        raise Conflict(f"{name} offers no list of {kinds}.")
    pulled = [await pull(context, each, full=full) for each in lists]
    if not all(each.is_complete for each in pulled):
        raise PeerUnusable(" ".join(each.sentence() for each in pulled))
    return pulled


async def _issuer(context: Context, pullables: Pullables, name: str) -> Issuer:
    for platform in pullables:
        for issuer in await read_issuers(context, platform):
            if issuer.target.name == name:
                return issuer
    async with context.database.read() as db:
        partner = (await db.exec(select(Partner).where(Partner.name == name))).one_or_none()
    if partner is None:
        raise UnknownObject(f"There is no partner {name}: see `ocpi partner list`.")
    raise Conflict(f"{name} {_hindrance(partner)}.")


def _hindrance(partner: Partner) -> str:
    """Why a partner cannot be asked for anything."""
    if partner.state == State.UNREGISTERED:
        return "is not registered any more"
    if partner.state == State.OFFERED:
        return f"is not registered yet ({partner.state})"
    if partner.suspended:
        return "is suspended: nothing is asked of it before it is resumed"
    return "cannot be asked: its token or its roles are missing here, see `ocpi partner show`"


async def pull(context: Context, listed: TheirList, *, full: bool = False) -> Pulled:
    """Crawl a list and merge it page by page; what fails meanwhile is noted, not raised.

    Nothing is removed: a list may have its gaps (AT-62). No connection to the database is held
    while a page is awaited.
    """
    async with context.database.write() as db:
        asked, started = await asking.begin(db, listed, full=full)
    pulled = Pulled(listed.pullable, asked)
    owners = await owners_of(context.database, listed.issuer, listed.pullable.module)
    crawl = _Crawl(context, listed, owners, pulled, started)
    try:
        for party in listed.asked:
            if party == listed.issuer.hub or party.key in owners:
                await crawl.run(party)
    except Exception as error:  # noqa: BLE001 - whatever failed, the pull ends, with its note.
        why = _failed_here(listed, error)
        for each in asked:
            each.problem = each.problem or why
    await _finish(context, listed, pulled, started, crawl.started)
    return pulled


def _failed_here(listed: TheirList, error: Exception) -> str:
    log.warning("a pull failed", partner=listed.name, error=repr(error))
    return f"it failed here, with {type(error).__name__}."


async def _finish(
    context: Context, listed: TheirList, pulled: Pulled, began: int, by_theirs: int
) -> None:
    note = pulled.sentence()
    # Where nothing is scheduled, the moment of the next pull means nothing.
    interval = (context.settings.pull_hours or 1) * syncs.HOUR
    since = by_theirs if pulled.is_complete else None
    async with context.database.write() as db:
        await syncs.finish(
            db, listed.key, note, interval, began=began, since=since, full=pulled.full
        )
        for each in pulled.asked:
            await asking.finish(db, listed, each, by_theirs)
    log.info("pulled", partner=listed.name, note=note)


def _refuses(reply: Reply) -> bool:
    """Whether it says that there is nothing for who asks, and not that it cannot tell now."""
    if reply.http_status in _NOT_NOW:
        return False
    return 400 <= reply.http_status < 500 or 2000 <= (reply.status_code or 0) < 3000


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

    async def run(self, party: Party) -> None:
        """Read a party's list to its end, in each name that it is asked for in."""
        asked = self.pulled.asked
        if self.pulled.full:
            # A hub is asked for all of them at once, any other party for what it owns. What it has
            # of those that are offline it may leave out.
            issuer = self.listed.issuer
            database, pullable = self.context.database, self.listed.pullable
            every = parties_of(issuer, pullable.module).values()
            owners = every if party == issuer.hub else [party]
            self.missing = await read_present(database, pullable, owners)
        whole = [await self._try(party, each) for each in asked]
        # What one party of ours does not see another one may; but who was not shown a list for
        # long has none.
        told = zip(whole, asked, strict=True)
        settled = all(done or (each.problem and not each.known) for done, each in told)
        if self.pulled.full and any(whole) and settled:
            await self._mark()

    async def _try(self, party: Party, asked: Asked) -> bool:
        """Read it in one name; gives whether it was all. What fails is noted, not raised."""
        if asked.problem is not None:
            return False
        try:
            return await self._read(party, asked)
        except ExchangeFailed as error:
            asked.problem = f"{error.sentence}."
        except _Unusable as error:
            asked.problem = str(error)
        except Exception as error:  # noqa: BLE001 - another party's list may do better.
            asked.problem = _failed_here(self.listed, error)
        # Many parties may each wait long for nothing.
        await self._go_on()
        return False

    async def _read(self, party: Party, asked: Asked) -> bool:
        since = asked.since
        dates = {} if since is None else {"date_from": format_moment(moment_of(since))}
        met, is_whole, is_first = 0, True, True
        async for reply in self.context.client.pages(
            self.listed.issuer.target,
            self.listed.url,
            params={**dates, "limit": str(PAGE)},
            headers=routing_headers(party, asked.ours),
            pauses=MOST_PAUSES,
        ):
            asked.turned_away = is_first and _refuses(reply)
            await self._take_page(asked, reply)
            met += len(reply.data)
            is_whole, is_first = not is_short(reply, met), False
        asked.short = asked.short or (asked.full and not is_whole)
        return is_whole

    async def _mark(self) -> None:
        """Mark what a whole list was without."""
        database, pullable = self.context.database, self.listed.pullable
        gone = await mark_absent(database, pullable.store, self.missing)
        self.pulled.gone += gone
        with self.context.hearing(self.listed.issuer.target.name):
            for _ in range(gone):
                forgive(Habit.VANISHED, pullable.kind)

    async def _take_page(self, asked: Asked, reply: Reply) -> None:
        name = self.listed.name
        if not reply.success():
            said = f"HTTP {reply.http_status} with status code {reply.status_code}"
            raise _Unusable(f"{name} answered {said}.")
        if not isinstance(reply.data, list):
            raise _Unusable(f"{name} answered with something else than a list.")
        self.started = _earlier(self.started, reply.timestamp)
        # A partner may send far more than it was asked for.
        for first in range(0, len(reply.data), PAGE):
            await self._take_slice(asked, reply.data[first : first + PAGE], first)
            await asyncio.sleep(0)  # Whoever else waits for the loop has a turn.
        await self._go_on()

    async def _go_on(self) -> None:
        async with self.context.database.write() as db:
            await syncs.extend(db, self.listed.key)

    async def _take_slice(self, asked: Asked, data: Sequence[Any], first: int) -> None:
        with self.context.hearing(self.listed.issuer.target.name):
            page = read_page(self.listed.pullable, data, self.parties.keys(), first)
        for reason in page.refused[: SHOWN - len(asked.refused)]:
            log.warning("object passed over", partner=self.listed.name, reason=reason)
            asked.refused.append(reason)
        for key in page.keys:
            self.missing.pop(key, None)
        asked.counts += Counter({Fate.REFUSED: len(page.refused)})
        database = self.context.database
        asked.counts += await merge(database, self.listed, page.found, self.parties)
