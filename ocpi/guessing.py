"""Who presents many wrong tokens is slowed down and reported; who presents a good one never is.

Only failures count, and only those with a token that was not tried before: so a good partner behind
the address of a guesser is let in as ever, and one whose token has died goes on hearing that (401).
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

from ocpi.errors import TooMany
from ocpi.messages import log
from ocpi.sealing import hash_token

WINDOW = 60.0
"""Seconds after which the count begins anew."""
MOST_OF_ONE = 20
MOST_OF_ALL = 200
"""Different wrong tokens within a window, of one address and of all of them (TA-11)."""
SHOWN_OF_ONE = 5
SHOWN_OF_ALL = 50
"""Of those who are not let in, how many the message log has, or anybody could fill the disk by it.

The same share of both, so that who is slowed down has been shown: nothing comes of it beyond that.
"""


class Guesses:
    """The wrong tokens that this process has seen of late, as hashes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._tried: dict[str, set[str]] = defaultdict(set)
        self._all = 0
        self._shown: Counter[str] = Counter()

    def wrong(self, address: str, token: str) -> None:
        """Note a wrong token; raises ``TooMany`` for one more than a window has."""
        self._begin_anew()
        place = neighbourhood(address)
        hashed = hash_token(token)
        if hashed in self._tried[place]:
            return
        if len(self._tried[place]) >= MOST_OF_ONE or self._all >= MOST_OF_ALL:
            raise TooMany("Too many wrong tokens were presented: wait a minute, and check yours.")
        self._tried[place].add(hashed)
        self._all += 1
        if len(self._tried[place]) == MOST_OF_ONE or self._all == MOST_OF_ALL:
            log.error("tokens are guessed", address=address, tried=self._all)

    def shows(self, address: str) -> bool:
        """Whether one more request that nobody was let in by is to be in the message log."""
        self._begin_anew()
        place = neighbourhood(address)
        if self._shown[place] >= SHOWN_OF_ONE or self._shown.total() >= SHOWN_OF_ALL:
            return False
        self._shown[place] += 1
        return True

    def _begin_anew(self) -> None:
        now = self._clock()
        if now - self._began >= WINDOW:
            self._began, self._all = now, 0
            self._tried.clear()
            self._shown.clear()


def neighbourhood(address: str) -> str:
    """An address, or the network of one in IPv6, where everybody has many."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(IPv6Address(int(parsed) >> 64 << 64))
    return address
