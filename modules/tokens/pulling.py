"""Pulling a partner's Tokens: all of them, or what changed since the last time (TK-13)."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from modules.tokens import syncs
from modules.tokens.issuers import Issuer, read_issuers
from modules.tokens.merging import Fate, merge, read_page
from ocpi.client import ExchangeFailed
from ocpi.context import Context
from ocpi.errors import Conflict, PeerUnusable, UnknownObject
from ocpi.headers import Party, routing_headers
from ocpi.messages import log
from ocpi.parties import PlatformID, our_parties
from ocpi.reply import Reply
from ocpi.spec.moments import format_moment, moment_of

# More than most serve at once; they cut it to what they like (PG-04).
PAGE = 500
_SHOWN = 20


@dataclass
class Pulled:
    """What a pull came to."""

    full: bool
    counts: Counter[Fate] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)
    """Why Tokens were passed over; the first of them only."""
    problem: str | None = None
    """Why the list was not read whole; None when it was."""

    def sentence(self) -> str:
        """For staff."""
        parts = [f"{self.counts[fate]} {fate}" for fate in Fate if self.counts[fate]]
        told = f"{'All' if self.full else 'Recent'} Tokens: {', '.join(parts) or 'none'}."
        return f"{told} Not complete: {self.problem}" if self.problem else told


class _Unusable(Exception):
    """A page that is none."""


async def sync_partner(context: Context, name: str, *, full: bool = False) -> Pulled:
    """Pull a partner's Tokens now.

    Raises ``UnknownObject`` for a partner that is not registered, ``Conflict`` for one that has no
    list, ``PeerUnusable`` when the list could not be read whole.
    """
    issuers = await read_issuers(context)
    issuer = next((each for each in issuers if each.target.name == name), None)
    if issuer is None:
        raise UnknownObject(f"No partner {name} is registered: see `ocpi partner list`.")
    if issuer.url is None:
        raise Conflict(f"{name} offers no list of Tokens.")
    pulled = await pull(context, issuer, full=full)
    if pulled.problem is not None:
        raise PeerUnusable(pulled.sentence())
    return pulled


async def pull(context: Context, issuer: Issuer, *, full: bool = False) -> Pulled:
    """Crawl a partner's list and merge it page by page; what fails meanwhile is noted, not raised.

    Nothing is removed: OCPI withdraws a Token by `valid`, and a list may have its gaps (AT-62). No
    connection to the database is held while a page is awaited.
    """
    async with context.database.write() as db:
        sync, started = await syncs.begin(db, issuer.partner_id)
    since = None if full else sync.since(started)
    pulled = Pulled(full=since is None)
    try:
        for emsp in issuer.emsps:
            await _crawl(context, issuer, emsp, since, pulled)
    except ExchangeFailed as error:
        pulled.problem = f"{error.sentence}."
    except _Unusable as error:
        pulled.problem = str(error)
    except Exception as error:  # noqa: BLE001 - whatever failed, the pull ends, with its note.
        log.warning("tokens: a pull failed", partner=issuer.target.name, error=repr(error))
        pulled.problem = f"it failed here, with {type(error).__name__}."
    await _finish(context, issuer, pulled, started)
    return pulled


async def _crawl(
    context: Context, issuer: Issuer, emsp: Party, since: int | None, pulled: Pulled
) -> None:
    assert issuer.url is not None
    ours = await our_parties(context.database, PlatformID.CPO)
    dates = {} if since is None else {"date_from": format_moment(moment_of(since))}
    async for reply in context.client.pages(
        issuer.target,
        issuer.url,
        params={**dates, "limit": str(PAGE)},
        headers=routing_headers(emsp, ours[0] if ours else None),
    ):
        await _take_page(context, issuer, reply, pulled)


async def _take_page(context: Context, issuer: Issuer, reply: Reply, pulled: Pulled) -> None:
    name = issuer.target.name
    if not reply.success():
        said = f"HTTP {reply.http_status} with status code {reply.status_code}"
        raise _Unusable(f"{name} answered {said}.")
    if not isinstance(reply.data, list):
        raise _Unusable(f"{name} answered with something else than a list.")
    # A partner may send far more than it was asked for.
    for first in range(0, len(reply.data), PAGE):
        await _take_slice(context, issuer, reply.data[first : first + PAGE], first, pulled)
        await asyncio.sleep(0)  # Whoever else waits for the loop has a turn.
    async with context.database.write() as db:
        await syncs.extend(db, issuer.partner_id)


async def _take_slice(
    context: Context, issuer: Issuer, data: Sequence[Any], first: int, pulled: Pulled
) -> None:
    found, refused = read_page(data, issuer.parties.keys(), first)
    for reason in refused[: _SHOWN - len(pulled.refused)]:
        log.warning("token passed over", partner=issuer.target.name, reason=reason)
        pulled.refused.append(reason)
    pulled.counts += Counter({Fate.REFUSED: len(refused)})
    pulled.counts += await merge(context.database, found, issuer.parties)


async def _finish(context: Context, issuer: Issuer, pulled: Pulled, started: int) -> None:
    note = pulled.sentence()
    # Where nothing is scheduled, the moment of the next pull means nothing.
    interval = (context.settings.token_pull_hours or 1) * syncs.HOUR
    since = started if pulled.problem is None else None
    async with context.database.write() as db:
        await syncs.finish(db, issuer.partner_id, note, interval, since=since, full=pulled.full)
    log.info("tokens pulled", partner=issuer.target.name, note=note)
