"""Whether a partner asks for a pause, or for one object or module alone: without I/O.

Who wants less takes, after the pause, what it did not take before. What it puts off again and
again while it takes others, it puts off for what that is, and would keep all others from it.
"""

from ocpi.push.entry import Entry
from ocpi.push.pace import Pace

_TWICE = 2


class Throttling:
    """What one partner has asked for pauses at, and what it has taken meanwhile."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._taken = 0
        """How many objects were."""
        self._in_row: set[str] = set()
        """Those at which it asked for a pause since it last answered anything else."""
        self._choosy: set[str] = set()
        """Modules of which it puts off some objects for what they are."""

    @property
    def doubtful(self) -> bool:
        """Nothing has shown yet that it wants to be told again."""
        return bool(self._in_row)

    @property
    def is_crowd(self) -> bool:
        """It puts off so many in a row that it rather asks for a pause, whatever they are."""
        return len(self._in_row) >= self._pace.faults

    def is_own(self, entry: Entry) -> bool:
        """Take note that it puts off an object, and see whether that is for what that is."""
        parked = entry.parking is not None and entry.parking.is_put_off
        if entry.put_off is not None and self._taken > entry.put_off:
            entry.suspicion += 1
            if entry.suspicion >= _TWICE:
                self._choosy.add(entry.module)
        entry.put_off = self._taken
        self._in_row.add(entry.key)
        return parked or entry.suspicion >= _TWICE or entry.module in self._choosy

    def answered(self) -> None:
        """It gave another answer than to wait."""
        self._in_row.clear()

    def took(self, entry: Entry) -> None:
        """It took an object; where that was put aside, it was not put off for what it is."""
        self.answered()
        self._taken += 1
        if entry.parking is not None and entry.put_off is not None:
            self._choosy.discard(entry.module)
