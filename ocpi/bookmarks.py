"""Where pages of lists ended, for those who count to the next one instead of following the link."""

import time
from collections.abc import Callable

MOST = 4_096
SECONDS = 60.0
"""Who takes longer for a page is counted for again."""


class Bookmarks:
    """Positions by list and offset.

    To pass over a hundred thousand objects takes longer than to give a page of them, and counts
    anew: where one of them has gone meanwhile, it leaves out another. Most who crawl by offsets ask
    for the page after the one that they were just given, so it is begun behind that one's last
    object, as the link would have it. A bookmark tells where, and nothing of what may be seen.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._left: dict[tuple[int, int], tuple[int, float]] = {}

    def leave(self, which: int, offset: int, position: int) -> None:
        """The page of a list that begins at an offset stands behind this position."""
        self._left.pop((which, offset), None)
        self._left[which, offset] = position, self._now() + SECONDS
        if len(self._left) > MOST:
            del self._left[next(iter(self._left))]

    def find(self, which: int, offset: int) -> int | None:
        """The position behind which the page at an offset begins; None: it has to be counted."""
        position, until = self._left.get((which, offset), (None, 0.0))
        return position if self._now() < until else None
