"""What was reported of one session, in whatever order it came: pure, and nothing in it is lost.

A record takes every report and says what came of it; out of it a Session and a CDR are made. The
meter's register never falls here: a value below an earlier one is kept, noted and not used. What
comes after the Session's end was told is noted only, since neither it nor its CDR ever changes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from typing import Any

from modules.tariffs.pricing import Measured, Reading, State, StateChange, TariffChange
from modules.tariffs.pricing.money import half_up
from ocpi.spec.moments import format_moment, parse_moment

Values = Mapping[str, Decimal]
SECOND = timedelta(seconds=1)
_DECIMALS = 4  # As charging periods have them.
_MOST_NOTES = 100


class Taken(StrEnum):
    """What a report came to."""

    TAKEN = "taken"
    REPEATED = "repeated"  # It was known already, and changed nothing.
    KEPT = "kept"  # It cannot be used, at least not yet; the note says why.
    REFUSED = "refused"  # It is wrong in itself; the error says why.


@dataclass
class Record:
    """One session at a station. Moments are texts as OCPI writes them; energy is in kWh."""

    transaction_id: str
    location_id: str
    owner: list[str]
    """Country code and party id of our party, as it spells them."""
    evse_uid: str | None = None
    connector_id: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    reserved_at: str | None = None
    """When the reservation began that was used."""
    readings: list[dict[str, Any]] = field(default_factory=list)
    """What the meter said, in order of time and then of the register."""
    states: list[dict[str, str]] = field(default_factory=list)
    meter_id: str | None = None
    signed_data: dict[str, Any] | None = None
    profile: dict[str, Any] | None = None
    """The ActiveChargingProfile that the station last told."""
    presented: dict[str, Any] = field(default_factory=dict)
    """How the start named the driver: `token`, `command_id`, `reservation_id`."""
    session: dict[str, Any] | None = None
    """What the start fixed for Session and CDR (CD-13), see modules.stations.reports.origins."""
    tariffs: list[dict[str, Any]] = field(default_factory=list)
    """The Tariffs of the Connector at the start."""
    tariff_changes: list[dict[str, str]] = field(default_factory=list)
    """From which moment on which of them prices the session: `at`, `tariff_id`."""
    told_at: list[str] = field(default_factory=list)
    """Up to where charging periods were published: they end there for good."""
    completed: bool = False
    """The end was told: nothing changes any more."""
    billed: bool = False
    notes: list[str] = field(default_factory=list)

    @classmethod
    def load(cls, document: Mapping[str, Any]) -> "Record":
        """A record as `dump` wrote it."""
        return cls(**document)

    def dump(self) -> dict[str, Any]:
        """The record as JSON-able values, without what is empty."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in values.items() if value not in (None, [], {}, False)}

    @property
    def begun(self) -> bool:
        return self.started_at is not None

    @property
    def ended(self) -> bool:
        return self.ended_at is not None

    def note(self, sentence: str) -> str:
        """Keep a sentence for staff, once."""
        if sentence not in self.notes and len(self.notes) < _MOST_NOTES:
            self.notes.append(sentence)
        return sentence

    def begin(self, at: datetime, evse_uid: str, values: Values) -> tuple[Taken, str | None]:
        """Take the start; another start under the same transaction id is not believed."""
        moment = format_moment(at)
        if self.begun:
            if self.started_at == moment and str(self.evse_uid).lower() == evse_uid.lower():
                return Taken.REPEATED, None
            return Taken.KEPT, self.note(
                f"A second start was reported for {moment} at {evse_uid}; the first counts."
            )
        self.started_at, self.evse_uid = moment, evse_uid
        if self.ended_at is not None and moment_before(self.ended_at, moment):
            self.note(f"The stop of {self.ended_at} lies before the start of {moment}.")
            self._move_readings(self.ended_at, moment)
            self.ended_at = moment
        sentence = self._add_reading(moment, values)
        if any(moment_before(each["at"], moment) for each in self.readings if "kwh" in each):
            self.note("Meter values from before the start are not used.")
        return Taken.TAKEN, sentence

    def measure(self, at: datetime, values: Values, state: str | None) -> tuple[Taken, str | None]:
        """Take meter values and the vehicle's state."""
        moment = format_moment(at)
        entry = {"at": moment, "state": state}
        if self._has(moment, values) and (state is None or entry in self.states):
            return Taken.REPEATED, None
        if self.completed:
            return Taken.KEPT, self.note(_too_late(moment, values))
        sentence = self._add_reading(moment, values)
        if state is not None and entry not in self.states:
            self.states.append({"at": moment, "state": state})
            self.states.sort(key=_moment_of)
        sentence = sentence or self._out_of_place(moment)
        return (Taken.TAKEN, None) if sentence is None else (Taken.KEPT, sentence)

    def _out_of_place(self, moment: str) -> str | None:
        if not self.begun:
            return "The start was not reported yet."
        if moment_before(moment, self.started_at):
            return self.note(f"Values of {moment} lie before the start of the session.")
        if self.ended_at is not None and moment_before(self.ended_at, moment):
            return self.note(f"Values of {moment} lie behind the end of the session.")
        return None

    def end(
        self, at: datetime, values: Values, signed_data: dict[str, Any] | None
    ) -> tuple[Taken, str | None]:
        """Take the stop; the first one counts."""
        moment = format_moment(at)
        if self.ended:
            same = self.ended_at == moment
            if same and not (values.get("kwh", Decimal(0)) > self._highest()):
                return Taken.REPEATED, None
            return Taken.KEPT, self.note(f"A second stop was reported. {_too_late(moment, values)}")
        if self.begun and moment_before(moment, self.started_at):
            self.note(f"The stop of {moment} lies before the start of {self.started_at}.")
            moment = str(self.started_at)
        self.ended_at, self.signed_data = moment, signed_data
        sentence = self._add_reading(moment, values)
        if any(moment_before(moment, each["at"]) for each in self.readings if "kwh" in each):
            sentence = self.note("Meter values from behind the stop are not used.")
        if not self.begun:
            return Taken.KEPT, "The start was not reported yet."
        return Taken.TAKEN, sentence

    def close(self, reason: str) -> None:
        """End a session that no stop will be reported of, at the last that is known of it."""
        self.ended_at = format_moment(self.known_until())
        self.note(reason)

    def _highest(self) -> Decimal:
        return max((each["kwh"] for each in self.readings if "kwh" in each), default=Decimal(0))

    def _add_reading(self, moment: str, values: Values) -> str | None:
        """Put values in their place by time; gives a sentence where the register falls."""
        if self._has(moment, values):
            return None
        self.readings.append({"at": moment, **values})
        self.readings.sort(key=_place_of)
        return self._falls(moment, values["kwh"]) if "kwh" in values else None

    def _has(self, moment: str, values: Values) -> bool:
        known = (each.items() for each in self.readings if each["at"] == moment)
        return not values or any(items >= values.items() for items in known)

    def _falls(self, moment: str, kwh: Decimal) -> str | None:
        if moment_before(moment, self.started_at) or moment_before(self.ended_at or moment, moment):
            return None
        metered = [each for each in self.readings if "kwh" in each]
        inside = [each for each in metered if not moment_before(each["at"], self.started_at)]
        if any(each["kwh"] > kwh for each in inside if moment_before(each["at"], moment)):
            return self.note(f"The meter fell to {kwh} kWh at {moment}: not used.")
        if any(each["kwh"] < kwh for each in inside if moment_before(moment, each["at"])):
            return self.note(f"Values below the {kwh} kWh of {moment} came later: not used.")
        return None

    def _move_readings(self, moment: str, to: str) -> None:
        for each in self.readings:
            if each["at"] == moment:
                each["at"] = to
        self.readings.sort(key=_place_of)

    def used_readings(self) -> Iterator[Reading]:
        """The readings of the session in order of time, the register never falling."""
        for each, kwh in self._used():
            yield Reading(
                parse_moment(each["at"]), kwh, each.get("power_kw"), each.get("current_a")
            )

    def _used(self) -> Iterator[tuple[dict[str, Any], Decimal | None]]:
        highest: Decimal | None = None
        for each in self.readings:
            outside = moment_before(self.ended_at or each["at"], each["at"])
            if outside or moment_before(each["at"], self.started_at):
                continue
            kwh = each.get("kwh")
            if kwh is not None and highest is not None and kwh < highest:
                kwh = None
            highest = kwh if kwh is not None else highest
            yield each, kwh

    def _span(self) -> tuple[datetime, datetime]:
        known = [str(self.started_at)]
        if self.ended_at is not None:
            known.append(self.ended_at)
        else:
            known += [each["at"] for each in (*self.readings[-1:], *self.states[-1:])]
        return parse_moment(known[0]), parse_moment(max(known, key=_sortable))

    @property
    def kwh(self) -> Decimal:
        """The energy so far, with the decimals that its charging periods have."""
        used = [kwh for _, kwh in self._used() if kwh is not None]
        return half_up(Fraction(used[-1]) - Fraction(used[0]) if used else Fraction(0), _DECIMALS)

    @property
    def lasted(self) -> bool:
        """Whether it is known to have gone on for a second, the reservation before it included."""
        measured = self.measured(told=False)
        return measured.start + SECOND <= self.known_until()

    def known_until(self) -> datetime:
        """The moment up to which something is known of the session."""
        return self._span()[1]

    def measured(self, *, told: bool) -> Measured:
        """The material of the price; with `told`, periods end where published ones did.

        A session of no length lasts a second, so that its energy is not lost.
        """
        start, end = self._span()
        reserved = start if self.reserved_at is None else parse_moment(self.reserved_at)
        begin, end = min(reserved, start), max(end, start + SECOND)
        return Measured(
            start=begin,
            end=end,
            readings=tuple(self._readings_over(end)),
            states=self._states(begin, start, self.told_at if told else ()),
            tariff_changes=tuple(
                TariffChange(max(parse_moment(each["at"]), begin), each["tariff_id"])
                for each in self.tariff_changes
            ),
        )

    def _readings_over(self, end: datetime) -> Iterator[Reading]:
        """Pricing knows whole seconds: in the first one the first value of the register counts.

        A later one of that second stands at the end, if it is the last of all.
        """
        used = list(self.used_readings())
        metered = [each for each in used if each.kwh is not None]
        for each in used:
            if each.kwh is None or each is metered[0] or _second(each) != _second(metered[0]):
                yield each
            elif each is metered[-1]:
                yield replace(each, at=end)
            else:
                yield replace(each, kwh=None)

    def _states(
        self, begin: datetime, start: datetime, cuts: Sequence[str]
    ) -> tuple[StateChange, ...]:
        changes: dict[datetime, State | None] = {begin: State.RESERVED, start: State.CHARGING}
        for each in self.states:
            changes[max(parse_moment(each["at"]), start)] = State(each["state"])
        for cut in cuts:
            changes.setdefault(parse_moment(cut), None)
        found = []
        current = State.CHARGING
        for at in sorted(changes):
            current = changes[at] or current
            found.append(StateChange(at, current))
        return tuple(found)


def _too_late(moment: str, values: Values) -> str:
    told = ", ".join(f"{name} {value}" for name, value in values.items())
    return f"What came of {moment} after the end is not used: {told or 'no values'}."


def _second(reading: Reading) -> datetime:
    return reading.at.replace(microsecond=0)


def _sortable(moment: str) -> str:
    """A moment as `format_moment` writes it, so that the order of texts is that of moments."""
    return moment.removesuffix("Z")


def _moment_of(entry: Mapping[str, Any]) -> str:
    return _sortable(entry["at"])


def _place_of(reading: Mapping[str, Any]) -> tuple[str, Decimal]:
    return _moment_of(reading), reading.get("kwh", Decimal(-1))


def moment_before(moment: str, other: str | None) -> bool:
    """Whether a moment as OCPI writes it lies before another."""
    return other is not None and _sortable(moment) < _sortable(other)
