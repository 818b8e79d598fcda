"""The requests that all lanes of a process may have in flight together, and who may have more."""

from collections.abc import Sized


class Budget:
    """Every lane has a place of its own; the rest is lent, as long as something is left of it.

    A lane may borrow while it has borrowed less than what is left. So however many partners keep
    their places for long, they leave room for those that give them back; and as a lane that is
    refused asks again when it gets an answer, who answers fast gets more.
    """

    def __init__(self, places: int, lanes: Sized) -> None:
        """`lanes` are those that there are at any moment."""
        self._places = places
        self._lanes = lanes
        self._lent = 0

    @property
    def left(self) -> int:
        """How many places may still be lent."""
        return self._places - len(self._lanes) - self._lent

    def allows(self, busy: int) -> bool:
        """Whether a lane that has so many requests in flight may have one more."""
        return busy == 0 or busy - 1 < self.left

    def take(self, busy: int) -> None:
        """A lane has so many requests in flight with the one that it starts now."""
        self._lent += busy > 1

    def give(self, busy: int) -> None:
        """A lane has so many requests in flight without the one that has ended."""
        self._lent -= busy > 0
