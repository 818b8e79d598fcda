"""From measurements to charging periods: a new one wherever the price may change (CD-17, CD-18)."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from itertools import groupby, pairwise
from typing import TypeVar
from zoneinfo import ZoneInfo

from modules.tariffs.pricing.boundaries import (
    clock_boundaries,
    duration_boundaries,
    thresholds,
)
from modules.tariffs.pricing.curves import (
    FIRST_MOMENT,
    LAST_MOMENT,
    SECOND,
    EnergyCurve,
    FlowingValues,
    Point,
    Stretch,
    seconds,
    whole_second,
)
from modules.tariffs.pricing.measured import Measured, Reading, State, StateChange, TariffChange
from modules.tariffs.pricing.money import half_up
from modules.tariffs.pricing.policy import ChargerPause, Policy
from modules.tariffs.pricing.selection import first_valid
from modules.tariffs.pricing.terms import Terms
from modules.tariffs.pricing.usage import Kind, Note, Period, PricingError, Usage

DECIMALS = 4  # OCPI's numbers have four; sums are kept exact by rounding what adds up.

Mark = TypeVar("Mark", Reading, StateChange, TariffChange)
Value = TypeVar("Value")


def split_session(
    measured: Measured,
    tariffs: Sequence[Terms],
    zone: ZoneInfo | None,
    policy: Policy,
    *,
    expired: bool | None = None,
) -> Usage:
    """Cut a session at every boundary of the tariffs; volumes have the decimals of a CDR.

    `expired` says that a reservation ran out; if not told, it has when there is nothing else.
    Raises PricingError for a session that does not last a second.
    """
    timeline = _Timeline(measured, tariffs, zone, policy)
    periods = tuple(timeline.periods())
    ran_out = not any(period.used for period in periods) if expired is None else expired
    start, end = timeline.start, timeline.end
    return Usage(start, end, periods, None, ran_out, tuple(timeline.notes))


class _Timeline:
    """One session's measurements as functions of time."""

    def __init__(
        self, measured: Measured, tariffs: Sequence[Terms], zone: ZoneInfo | None, policy: Policy
    ) -> None:
        self.start, self.end = whole_second(measured.start), whole_second(measured.end)
        if self.end <= self.start:
            raise PricingError("no_duration", "The session does not last a second.")
        self.zone, self.policy = zone, policy
        self.notes: list[Note] = []
        self.states = {whole_second(each.at): each.state for each in _by_time(measured.states)}
        self.tariffs = {
            whole_second(each.at): each.tariff_id for each in _by_time(measured.tariff_changes)
        }
        self.first_tariff = first_valid(self.start, tariffs, self.notes).id
        used = {name.lower() for name in (self.first_tariff, *self.tariffs.values())}
        self.restrictions = [
            each for terms in tariffs if terms.id.lower() in used for each in terms.restrictions()
        ]
        stretches = list(self._flowing())
        around = ((FIRST_MOMENT, self.start), *stretches, (self.end, LAST_MOMENT))
        self.energy = EnergyCurve(_values(measured, "kwh"), self.start, around)
        mean = list(self.energy.mean_power())
        self.held = {
            "POWER": FlowingValues(self._told(measured, "power_kw"), stretches, mean),
            "CURRENT": FlowingValues(self._told(measured, "current_a"), stretches),
        }
        self._remark()

    def periods(self) -> Iterator[Period]:
        """Each period's volume is what the rounded running total grew by, so nothing is lost."""
        totals: dict[Kind, Fraction] = defaultdict(Fraction)
        written: dict[Kind, Fraction] = defaultdict(Fraction)
        energy = self._energies()
        for (start, before), (end, after) in pairwise(sorted(energy.items())):
            state = self._state(start)
            totals[self._kind(state)] += seconds(end - start) / 3600
            totals[Kind.ENERGY] += after - before
            volumes = {}
            for kind in (Kind.ENERGY, self._kind(state)):
                total = Fraction(half_up(totals[kind], DECIMALS))
                volumes[kind] = total - written[kind]
                written[kind] = total
            if not volumes[Kind.ENERGY]:
                del volumes[Kind.ENERGY]
            yield Period(start, end, volumes, self._ranges(state, start, end), self._tariff(start))

    def _energies(self) -> dict[datetime, Fraction]:
        """Every boundary with the kWh so far; exactly the threshold where one is crossed."""
        energies = {moment: self.energy.at(moment) for moment in self._cuts()}
        for threshold in thresholds(self.restrictions, "kwh"):
            for crossing in self.energy.crossings(threshold):
                inside = min(max(crossing, self.start + SECOND), self.end - SECOND)
                reached = crossing < self.end or threshold < energies[self.end]
                if self.start <= crossing <= self.end and self.start < inside and reached:
                    energies[inside] = threshold
        return energies

    def _cuts(self) -> Iterator[datetime]:
        yield from (self.start, self.end)
        for moment in self._inner_cuts():
            if self.start < moment < self.end:
                yield moment

    def _inner_cuts(self) -> Iterator[datetime]:
        yield from self.states
        yield from self.tariffs
        yield from clock_boundaries(self.restrictions, self.zone, self.start, self.end)
        for since in (self.start, self._used_since()):
            yield from duration_boundaries(self.restrictions, since, self.end)
        for name, held in self.held.items():
            if bounds := thresholds(self.restrictions, name.lower()):
                yield from held.crossings(bounds)

    def _used_since(self) -> datetime:
        """When the session proper began: with the first state that is no reservation."""
        if self._state(self.start) != State.RESERVED:
            return self.start
        used = (at for at, state in self.states.items() if state != State.RESERVED)
        return next((at for at in used if at > self.start), self.start)

    def _state(self, moment: datetime) -> State:
        return _held_at(self.states, moment) or State.CHARGING

    def _tariff(self, moment: datetime) -> str:
        return _held_at(self.tariffs, moment) or self.first_tariff

    def _flowing(self) -> Iterator[Stretch]:
        """Each stretch of time in which it charges, so that something may flow."""
        changes = {self.start: self._state(self.start)} | {
            at: state for at, state in self.states.items() if self.start < at < self.end
        }
        ends = [*list(changes)[1:], self.end]
        spans = zip(changes.values(), changes, ends, strict=True)
        for charging, group in groupby(spans, lambda span: span[0] == State.CHARGING):
            stretch = list(group)
            if charging:
                yield stretch[0][1], stretch[-1][2]

    def _told(self, measured: Measured, name: str) -> list[Point]:
        """The values of a thing; one from before the session holds from its start."""
        return [(max(at, self.start), value) for at, value in _values(measured, name)]

    def _kind(self, state: State) -> Kind:
        if state == State.PAUSED_BY_STATION:
            return Kind(self.policy.charger_pause.value)
        return {State.RESERVED: Kind.RESERVATION_TIME, State.PARKED: Kind.PARKING_TIME}.get(
            state, Kind.TIME
        )

    def _ranges(self, state: State, start: datetime, end: datetime) -> dict[str, Fraction]:
        """Lowest and highest power and current, where a price depends on them; none flows idle."""
        ranges: dict[str, Fraction] = {}
        for name, held in self.held.items():
            if state == State.RESERVED or not thresholds(self.restrictions, name.lower()):
                continue
            idle = state != State.CHARGING and held.known
            values = [Fraction(0)] if idle else held.within(start, end)
            if values:
                ranges |= {f"MIN_{name}": min(values), f"MAX_{name}": max(values)}
        return {name: Fraction(half_up(value, DECIMALS)) for name, value in ranges.items()}

    def _remark(self) -> None:
        if State.PAUSED_BY_STATION in self.states.values():
            parking = self.policy.charger_pause == ChargerPause.PARKING_TIME
            sentence = (
                "The station paused the charging; that counts as "
                f"{'parking' if parking else 'charging'} time."
            )
            policy = self.policy.setting("charger_pause")
            self.notes.append(Note("charger_pause", sentence, policy=policy))
        if self.held["POWER"].estimated and thresholds(self.restrictions, "power"):
            sentence = (
                "Where no power was measured, the mean between two meter values stands for it."
            )
            self.notes.append(Note("power_from_energy", sentence))


def _values(measured: Measured, name: str) -> list[Point]:
    """What the readings tell of one thing, in order of time."""
    values = ((each.at, getattr(each, name)) for each in _by_time(measured.readings))
    return [(whole_second(at), Fraction(value)) for at, value in values if value is not None]


def _by_time(marks: Iterable[Mark]) -> list[Mark]:
    return sorted(marks, key=lambda mark: mark.at)


def _held_at(values: Mapping[datetime, Value], moment: datetime) -> Value | None:
    """The last value at or before the moment; the mapping is in order of time."""
    return next((value for at, value in reversed(list(values.items())) if at <= moment), None)
