"""Whose turn it is of those that are parked."""

from collections import defaultdict
from collections.abc import Container, Mapping

from ocpi.push.entry import Entry
from ocpi.push.queueing import Queue


class Waiting:
    """Parked objects by when they are due, and those that are by when they were last tried."""

    def __init__(self, parked: Mapping[str, Entry]) -> None:
        """`parked` are all that are so at any moment."""
        self._parked = parked
        self._later, self._due = Queue(), Queue()
        self._behind: defaultdict[str, dict[str, Entry]] = defaultdict(dict)
        """Those that are due, by what is in flight that they must not be sent beside."""

    def put(self, entry: Entry) -> None:
        """Give a parked object its place; what is in flight has none."""
        self.remove(entry)
        if entry.parking and entry.parking.next_at is not None and not entry.busy:
            self._later.put(entry.key, entry.parking.next_at)

    def remove(self, entry: Entry) -> None:
        self._later.remove(entry.key)
        self._due.remove(entry.key)

    def free(self, entry: Entry) -> None:
        """It is not in flight any more: it and what stood behind it have places again."""
        for waiting in (entry, *self._behind.pop(entry.order_key, {}).values()):
            if self._parked.get(waiting.key) is waiting:
                self.put(waiting)

    def first(self, now: int, busy: Container[str]) -> Entry | None:
        """Of those that are due, and not behind what is `busy`, the one not tried for longest."""
        while (later := self._later.first()) and later[0] <= now:
            entry = self._parked[later[1]]
            self._later.remove(entry.key)
            self._due.put(entry.key, entry.tried_at)
        while due := self._due.first():
            entry = self._parked[due[1]]
            if entry.order_key not in busy:
                return entry
            self._due.remove(entry.key)
            self._behind[entry.order_key][entry.key] = entry
        return None

    def next_due(self) -> int | None:
        """When the next one is due, of those that were not so when one was last asked for."""
        later = self._later.first()
        return None if later is None else later[0]
