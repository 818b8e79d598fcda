"""Which values of a meter's register are believed: pure."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from decimal import Decimal


def rising(values: Sequence[Decimal]) -> Iterator[int]:
    """Where the values stand, the last first, that are the most that never fall from the first on.

    Where as many would do with another end, the lowest end counts: a glitch is high, and a meter
    that was reset begins below the first.
    """
    ends: list[Decimal] = []  # The lowest end of a row of so many values.
    places: list[int] = []
    before: dict[int, int] = {}
    for place, value in enumerate(values):
        length = bisect_right(ends, value)
        if length:
            before[place] = places[length - 1]
        if length or not place:
            ends[length : length + 1], places[length : length + 1] = [value], [place]
    last = places[-1] if places else None
    while last is not None:
        yield last
        last = before.get(last)
