"""From page to page of a list, as far as it can be trusted."""

import asyncio
import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from urllib.parse import urlencode, urljoin

from ocpi.admission import away
from ocpi.answer import Broken
from ocpi.egress import same_origin
from ocpi.forgiving import Habit, forgive
from ocpi.links import next_link
from ocpi.reply import Reply, asked_wait

_COUNT = re.compile(r"[0-9]{1,18}")
MOST_PAGES = 10_000
MOST_EMPTY_PAGES = 3
# Those who limit requests do so by the minute. All pauses before one page, and the requests between
# them, must end before the lease of a pull does.
MOST_PAUSES = 4
LONGEST_PAUSE = 60.0
UNSAID_WAIT = 10.0


def with_query(url: str, params: Mapping[str, str]) -> str:
    """The URL of the first page, with what is asked for."""
    if not params:
        return url
    return f"{url}{'&' if '?' in url else '?'}{urlencode(params)}"


def next_page(
    reply: Reply, here: str, endpoint: str, seen: Collection[int], empty: int
) -> str | None:
    """The absolute URL behind rel=next, or None on the last page.

    Raises ``Broken`` for one that leads astray, in circles or on for ever.
    """
    try:
        link = next_link(reply.headers.get("link", ""))
        if link is None:
            return None
        following = urljoin(here, link)
        stays = same_origin(following, endpoint)
    except ValueError as error:
        raise Broken("protocol", f"the link to the next page is unreadable: {error}") from None
    if not stays:
        # Our token would go along (IP-45).
        raise Broken("refused", "the link to the next page leads to a foreign origin")
    if following != link:
        forgive(Habit.LINK, "relative")
    if hash(following) in seen:
        raise Broken("protocol", "the links to the next page lead in a circle")
    if len(seen) >= MOST_PAGES:
        raise Broken("protocol", f"the list has more than {MOST_PAGES} pages")
    if empty >= MOST_EMPTY_PAGES:
        raise Broken("protocol", f"{empty} pages in a row are empty and the list goes on")
    return following


def wait_for(reply: Reply) -> float | None:
    """The seconds after which the same page may be asked for again (IP-38).

    None: nothing says that it would come then, or only after too long.
    """
    asked = asked_wait(reply, datetime.now(UTC))
    if reply.http_status == 429:
        wait = UNSAID_WAIT if asked is None else asked
    elif reply.http_status == 503 and asked is not None:
        wait = asked
    else:
        return None
    return wait if wait <= LONGEST_PAUSE else None


async def pause(seconds: float) -> None:
    """Wait for a partner; whoever else is served here has a turn."""
    with away():
        await asyncio.sleep(seconds)


def is_short(reply: Reply, met: int) -> bool:
    """Whether a list that has ended with this page should, by its own count, have more objects.

    The count may be the one that is wrong (IP-23): what was met is worth as much as ever, but what
    was not met may be there all the same.
    """
    count = reply.headers.get("x-total-count", "")
    return _COUNT.fullmatch(count) is not None and int(count) > met
