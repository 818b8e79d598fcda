"""Which component prices what: per kind the first whose restrictions all hold (TA-06, TA-07)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from modules.tariffs.pricing.bill import Choice, Skipped
from modules.tariffs.pricing.policy import Policy
from modules.tariffs.pricing.restrictions import Situation
from modules.tariffs.pricing.terms import Component
from modules.tariffs.pricing.usage import Kind, Note, Period

_ENERGY, _OF_RESERVATION = Kind.ENERGY, {Kind.RESERVATION_TIME, Kind.RESERVATION_FLAT}
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
            if (doubt := restriction.remark) and (remark := doubt(now, policy)):
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
        for restriction in component.restrictions:
            if not restriction.holds(now, policy):
                break
        else:
            return component
    return None


class Progress:
    """How far a session has come: what restrictions on energy, duration and clock look at."""

    def __init__(self, periods: Sequence[Period], zone: ZoneInfo | None) -> None:
        self.zone = zone
        self.kwh = _NONE
        self.reserved_since = periods[0].start
        self.used_since = next((each for each in periods if each.used), periods[0]).start

    def begin(self, period: Period) -> None:
        """Of each period all kinds of a session see the same, and all of a reservation."""
        self.period = period
        self.starts: dict[bool, Situation] = {}
        self.ends: dict[bool, Situation] = {}

    def at_start(self, kind: Kind) -> Situation:
        reserved = kind in _OF_RESERVATION
        if reserved not in self.starts:
            self.starts[reserved] = self._situation(self.period.start, self.kwh, reserved=reserved)
        return self.starts[reserved]

    def before_end(self, kind: Kind) -> Situation:
        """The last instant of the period: restrictions with exclusive ends still hold."""
        reserved = kind in _OF_RESERVATION
        if reserved not in self.ends:
            last = max(self.period.end - _INSTANT, self.period.start)
            energy = self.period.volumes.get(_ENERGY, _NONE)
            trace = _TRACE if energy > 0 else -_TRACE if energy < 0 else 0
            kwh = self.kwh + energy - trace
            self.ends[reserved] = self._situation(last, kwh, reserved=reserved)
        return self.ends[reserved]

    def _situation(self, moment: datetime, kwh: Fraction, *, reserved: bool) -> Situation:
        """Count a session from its first period that is no reservation, a reservation from its own.

        OCPI does not say whether the time of a reservation counts for min_duration.
        """
        since = self.reserved_since if reserved else self.used_since
        seconds = _NONE if moment == since else Fraction((moment - since) // _INSTANT, 10**6)
        local = moment.astimezone(self.zone) if self.zone else None
        return Situation(local, kwh, seconds, self.period.ranges)

    def pass_by(self, period: Period) -> None:
        """Add its energy; adding to nothing would take as long as any addition."""
        if energy := period.volumes.get(_ENERGY):
            self.kwh = self.kwh + energy if self.kwh else energy
