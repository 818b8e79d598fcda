"""Which component prices what: per kind the first whose restrictions all hold (TA-06, TA-07)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from modules.tariffs.pricing.bill import Choice, Skipped
from modules.tariffs.pricing.policy import Policy
from modules.tariffs.pricing.restrictions import Range, Situation, Weekdays
from modules.tariffs.pricing.terms import Component
from modules.tariffs.pricing.usage import Kind, Note, Period

_NONE = Fraction(0)
_INSTANT = timedelta(microseconds=1)
_TRACE = Fraction(1, 10**12)  # kWh, less than any meter or tariff tells.


def choose(
    candidates: Sequence[Component], now: Situation, policy: Policy, remarks: list[Note]
) -> Choice:
    """Take the first candidate that applies now, and remark where a policy decided."""
    skipped: list[Skipped] = []
    for component in candidates:
        for restriction in component.restrictions:
            if isinstance(restriction, (Range, Weekdays)) and (
                remark := restriction.remark(now, policy)
            ):
                remarks.append(remark)
            if not restriction.holds(now, policy):
                skipped.append(Skipped(component.element, restriction, now))
                break
        else:
            return Choice(component, tuple(skipped), now)
    return Choice(None, tuple(skipped), now)


def applying(candidates: Sequence[Component], now: Situation, policy: Policy) -> Component | None:
    """The first candidate that applies now, without saying why."""
    for component in candidates:
        if all(restriction.holds(now, policy) for restriction in component.restrictions):
            return component
    return None


class Progress:
    """How far a session has come: what restrictions on energy, duration and clock look at."""

    def __init__(self, periods: Sequence[Period], zone: ZoneInfo | None) -> None:
        self.zone = zone
        self.kwh = _NONE
        self.reserved_since = periods[0].start
        self.used_since = next((each.start for each in periods if each.used), periods[0].start)

    def at_start(self, period: Period, kind: Kind) -> Situation:
        return Situation(
            self._local(period.start),
            self.kwh,
            self._seconds(period.start, kind),
            period.ranges,
        )

    def before_end(self, period: Period, kind: Kind) -> Situation:
        """The last instant of the period: restrictions with exclusive ends still hold."""
        last = max(period.end - _INSTANT, period.start)
        energy = period.volumes.get(Kind.ENERGY, Fraction(0))
        trace = _TRACE if energy > 0 else -_TRACE if energy < 0 else 0
        kwh = self.kwh + energy - trace
        return Situation(self._local(last), kwh, self._seconds(last, kind), period.ranges)

    def pass_by(self, period: Period) -> None:
        if energy := period.volumes.get(Kind.ENERGY):
            self.kwh += energy

    def _local(self, moment: datetime) -> datetime | None:
        return moment.astimezone(self.zone) if self.zone else None

    def _seconds(self, moment: datetime, kind: Kind) -> Fraction:
        """Count a session from its first period that is no reservation, a reservation from its own.

        OCPI does not say whether the time of a reservation counts for min_duration.
        """
        reservation = kind in {Kind.RESERVATION_TIME, Kind.RESERVATION_FLAT}
        since = self.reserved_since if reservation else self.used_since
        return _NONE if moment == since else Fraction((moment - since) // _INSTANT, 10**6)


def moves(candidates: Sequence[Component]) -> bool:
    """Whether the choice may change while a period lasts, other than by measured ranges."""
    return any(
        not isinstance(restriction, Range)
        for component in candidates
        for restriction in component.restrictions
    )
