"""How many requests to one partner may be in flight: as many as it answers without strain."""

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from math import ceil, inf

from ocpi.push.outcome import Kind, Outcome
from ocpi.push.pace import Pace

# Of so many answers, the newest, one in twenty may be slow.
_WINDOW = 20


@dataclass
class Permits:
    """A few at first, or one after a breaker was open; one more after each round of answers.

    Half when the partner is strained. A round is as many proper answers as there are permits.
    Strain is a request to wait, no answer in time, or a round of which every answer took much
    longer than the partner needs for its kind: the floor, the fastest one seen since it last had
    one request at a time. Refusals have no kind, and say nothing of that. And one at a time while
    of the newest answers more than one in twenty takes seconds.
    """

    pace: Pace
    count: int = field(init=False)
    cuts: int = 0
    """How often they were cut. What befalls a request of before says nothing of how it is now."""
    _floors: dict[Hashable, float] = field(default_factory=dict)
    _round: list[bool | None] = field(default_factory=list)
    """Which answers were slow for their kind."""
    _newest: deque[float] = field(default_factory=lambda: deque(maxlen=_WINDOW))

    def __post_init__(self) -> None:
        self.count = min(self.pace.in_flight, self.pace.most_in_flight)

    def weigh(self, outcome: Outcome, seconds: float, cuts: int, kind: Hashable) -> None:
        """See what came of a request of some kind, which was sent after so many cuts."""
        if outcome.kind is Kind.THROTTLE or outcome.late:
            self.strained(cuts)
        elif outcome.kind in (Kind.DELIVERED, Kind.OBJECT_FAULT) and seconds:
            # A refusal is an answer too, but what it takes is not what the work takes.
            self.answered(seconds, cuts, kind if outcome.kind is Kind.DELIVERED else None)

    def answered(self, seconds: float, cuts: int, kind: Hashable) -> None:
        """A request that was sent after so many cuts had a proper answer after that long.

        `kind` is the request's, as some take more work than others; None: it was refused.
        """
        if cuts != self.cuts:
            return
        self._newest.append(seconds)
        self._round.append(None if kind is None else self._is_slow(seconds, kind))
        if len(self._round) < self.count:
            return
        slow = [each for each in self._round if each is not None]
        self._round.clear()
        if self._is_sluggish():
            self._cut(1)
        elif slow and all(slow):
            self.strained(cuts)
        else:
            self.count = min(self.count + 1, self.pace.most_in_flight)

    def _is_slow(self, seconds: float, kind: Hashable) -> bool:
        if self.count == 1:
            # Who has one request at a time is not slow because of us, and may have become slower.
            self._floors.clear()
        floor = self._floors[kind] = min(self._floors.get(kind, inf), seconds)
        return seconds > floor * self.pace.stretch + self.pace.wobble

    def strained(self, cuts: int) -> None:
        """A request that was sent after so many cuts had no answer in time, or was told to wait."""
        if cuts == self.cuts:
            self._cut(max(self.count // 2, 1))

    def restart(self) -> None:
        """The partner does not work: what it took before does not count any more."""
        self._newest.clear()
        self._cut(1)

    def _is_sluggish(self) -> bool:
        """The 95th percentile of the newest answers is too long; of few ones it is the longest."""
        return sorted(self._newest)[ceil(0.95 * len(self._newest)) - 1] > self.pace.sluggish

    def _cut(self, count: int) -> None:
        self.count = count
        self.cuts += 1
        self._round.clear()
