"""A queue whose members may get another place, or leave, at any time."""

from heapq import heapify, heappop, heappush
from itertools import count


class Queue:
    """Names by a number each, the least first; of equal ones who came first."""

    def __init__(self) -> None:
        self._places: dict[str, tuple[int, int, str]] = {}
        self._heap: list[tuple[int, int, str]] = []
        self._count = count()

    def put(self, name: str, at: int) -> None:
        """Give a name its place, or another one."""
        place = self._places[name] = (at, next(self._count), name)
        heappush(self._heap, place)
        if len(self._heap) > 2 * len(self._places) + 64:
            # Places that were left are taken out when they come up, which may be never.
            self._heap = list(self._places.values())
            heapify(self._heap)

    def remove(self, name: str) -> None:
        """Take a name out, if it is there."""
        self._places.pop(name, None)

    def first(self) -> tuple[int, str] | None:
        """The least number and its name; None: nobody is there."""
        while self._heap:
            place = self._heap[0]
            if self._places.get(place[2]) is place:
                return place[0], place[2]
            heappop(self._heap)
        return None
