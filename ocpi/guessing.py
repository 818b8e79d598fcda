"""Who presents many wrong tokens is slowed down and reported; who presents a good one never is.

Only failures count, and only those with a token that was not tried before: so a good partner behind
the address of a guesser is let in as ever, and one whose token has died goes on hearing that (401).
"""

import time
from collections import defaultdict
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


class Guesses:
    """The wrong tokens that this process has seen of late, as hashes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began = clock()
        self._tried: dict[str, set[str]] = defaultdict(set)
        self._all = 0

    def wrong(self, address: str, token: str) -> None:
        """Note a wrong token; raises ``TooMany`` for one more than a window has."""
        now = self._clock()
        if now - self._began >= WINDOW:
            self._began, self._all = now, 0
            self._tried.clear()
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


def neighbourhood(address: str) -> str:
    """An address, or the network of one in IPv6, where everybody has many."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(IPv6Address(int(parsed) >> 64 << 64))
    return address
