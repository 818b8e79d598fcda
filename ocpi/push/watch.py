"""What all lanes of one worker share: id, database time, lease, budget, the heads of the feed."""

import asyncio
from collections.abc import Sequence, Sized
from uuid import uuid4

from ocpi.push.budget import Budget
from ocpi.push.feed import Stream
from ocpi.push.pace import Pace, boottime, micros
from ocpi.push.reading import Line

PlaceInFeed = tuple[int | None, Stream, int, int]
"""The server, and where in a stream of its feed a page begins, with the head known then."""


class Watch:
    """Kept up to date by the worker, read by its lanes."""

    def __init__(self, pace: Pace, lanes: Sized) -> None:
        """`lanes` are those that the worker has at any moment."""
        self.id = uuid4().hex
        self.heads = dict.fromkeys(Stream, 0)
        self.server: int | None = None
        """The one that gave these heads."""
        self.noted = asyncio.Event()
        """A lane has something to store."""
        self.urgent = asyncio.Event()
        """A lane has something to store that a crash must not lose: a receipt."""
        self.budget = Budget(pace.places, lanes)
        self.reading: dict[PlaceInFeed, asyncio.Future[Sequence[Line]]] = {}
        """Pages of the feed that are being read."""
        self._pace = pace
        self._skew = 0
        self._beat_at = float("-inf")

    def set_clock(self, database_now: int) -> bool:
        """Take the database's time; between two looks at it this machine's own clock goes on.

        Gives whether it was set back: what waits for a moment may then wait too long.
        """
        set_back = database_now < self.now() - micros(self._pace.lease)
        self._skew = database_now - micros(boottime())
        return set_back

    def now(self) -> int:
        """The database's time in microseconds, which all workers share."""
        return micros(boottime()) + self._skew

    def beaten(self, at: float) -> None:
        """A beat that began at this `boottime` is stored."""
        self._beat_at = at

    def beat_due(self) -> bool:
        return boottime() >= self._beat_at + self._pace.beat

    def may_send(self) -> bool:
        """A request that starts now ends before another worker may take the lane."""
        spare = self._pace.exchange + self._pace.slack
        return boottime() < self._beat_at + self._pace.lease - spare
