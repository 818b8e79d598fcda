"""Measurements as functions of time: energy rises in straight lines, power and current hold."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise

from modules.tariffs.pricing.money import half_up

Point = tuple[datetime, Fraction]
Stretch = tuple[datetime, datetime]
SECOND = timedelta(seconds=1)
FIRST_MOMENT, LAST_MOMENT = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def whole_second(moment: datetime) -> datetime:
    """Cut to the second, in UTC: what every partner can read."""
    return moment.astimezone(UTC).replace(microsecond=0)


class EnergyCurve:
    """kWh since a moment, linear between two; points come in order of time.

    Between two points it rises in the stretches only, unless none of them lies there.
    """

    def __init__(
        self, points: Iterable[Point], since: datetime, stretches: Sequence[Stretch]
    ) -> None:
        values = dict(_bent(list(dict(points).items()), stretches))
        self._moments, self._values = list(values), list(values.values())
        first = self.at(since)
        self._values = [value - first for value in self._values]

    def at(self, moment: datetime) -> Fraction:
        index = bisect_right(self._moments, moment)
        if index == 0:
            return self._values[0] if self._values else Fraction(0)
        if index == len(self._moments):
            return self._values[-1]
        begun, done = self._moments[index - 1 : index + 1]
        low, high = self._values[index - 1 : index + 1]
        return low + (high - low) * seconds(moment - begun) / seconds(done - begun)

    def crossings(self, threshold: Fraction) -> Iterator[datetime]:
        """Yield the moments, to the second, at which the threshold is reached or left."""
        points = zip(self._moments, self._values, strict=True)
        for (begun, low), (done, high) in pairwise(points):
            if low < threshold <= high or high <= threshold < low:
                share = (threshold - low) / (high - low)
                yield begun + SECOND * int(half_up(share * seconds(done - begun), 0))

    def mean_power(self) -> Iterator[Point]:
        """Yield the mean kW between each two meter values, at the first of them."""
        points = zip(self._moments, self._values, strict=True)
        for (begun, low), (done, high) in pairwise(points):
            yield begun, (high - low) * 3600 / seconds(done - begun)


def _bent(points: Sequence[Point], stretches: Sequence[Stretch]) -> Iterator[Point]:
    """The points, and between each two those at which what flows begins and ends to flow."""
    starts, ends = [start for start, _ in stretches], [end for _, end in stretches]
    for (begun, low), (done, high) in pairwise(points):
        yield begun, low
        near = stretches[bisect_right(ends, begun) : bisect_left(starts, done)]
        inside = [(max(begun, start), min(done, end)) for start, end in near]
        flowing = sum((seconds(end - start) for start, end in inside), Fraction(0))
        flowed = Fraction(0)
        for start, end in inside:
            yield start, low + (high - low) * flowed / flowing
            flowed += seconds(end - start)
            yield end, low + (high - low) * flowed / flowing
    yield from points[-1:]


class HeldValues:
    """Values that each hold from their moment until the next; points come in order of time."""

    def __init__(self, points: Iterable[Point]) -> None:
        values = dict(points)
        self._moments, self._values = list(values), list(values.values())

    def between(self, start: datetime, end: datetime) -> list[Point]:
        """What holds from one moment until another; empty where the first is not known."""
        values = self.within(start, end)
        last = bisect_right(self._moments, end - SECOND)
        moments = self._moments[last - len(values) : last]
        return [(max(at, start), value) for at, value in zip(moments, values, strict=True)]

    def within(self, start: datetime, end: datetime) -> Sequence[Fraction]:
        """All values between two moments; empty where the first of them is not known."""
        first = bisect_right(self._moments, start) - 1
        last = bisect_right(self._moments, end - SECOND)
        return self._values[first:last] if first >= 0 else []

    def crossings(self, thresholds: Sequence[Fraction]) -> Iterator[datetime]:
        """Yield the moments at which the value comes to lie on another side of a threshold."""
        before: list[bool] | None = None
        for moment, value in zip(self._moments, self._values, strict=True):
            sides = [value >= threshold for threshold in thresholds]
            if sides != before:
                yield moment
            before = sides


class FlowingValues(HeldValues):
    """Power or current while something flows: what was told of it, and before that the mean.

    Where no mean is known either, the next value of the same stretch stands in, else the last one
    before it, else the first one of all.
    """

    def __init__(
        self, told: Sequence[Point], stretches: Sequence[Stretch], mean: Sequence[Point] = ()
    ) -> None:
        self.known = bool(told or mean)
        self.estimated = False
        means, moments = HeldValues(mean), [at for at, _ in told]
        parts = [
            told[bisect_left(moments, begin) : bisect_left(moments, end)]
            for begin, end in stretches
        ]
        last = next((value for part in (*parts, mean) for _, value in part), None)
        points: list[Point] = []
        for (begin, end), part in zip(stretches, parts, strict=True):
            first, last = part[0] if part else (end, last)
            if begin < first and (before := means.between(begin, first)):
                self.estimated = True
                points += before
            elif begin < first and last is not None:
                points.append((begin, last))
            points += part
            last = part[-1][1] if part else last
        super().__init__(points)


def seconds(span: timedelta) -> Fraction:
    return Fraction(span // timedelta(microseconds=1), 10**6)
