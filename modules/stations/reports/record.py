"""What was reported of one session, in whatever order it came: pure, and nothing in it is lost.

A record takes every report and says what came of it; out of it a Session and a CDR are made. The
meter's register never falls here: of values that contradict each other as few as can be are left
out, which is noted. What comes after the Session's end was told is noted only, since neither it nor
its CDR ever changes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise
from typing import Any

from modules.stations.reports.register import rising
from modules.tariffs.pricing import Measured, Reading, State, StateChange, TariffChange
from modules.tariffs.pricing.money import half_up
from ocpi.spec.moments import format_moment, parse_moment

Values = Mapping[str, Decimal]
SECOND = timedelta(seconds=1)
_DECIMALS = 4  # As charging periods have them.
_MOST_NOTES = 100
MOST_VALUES = 10_000
"""Meter values and states of a session: those of a day, one in ten seconds."""
_NOT_USED = ": not used."  # So end the notes that a further value may make untrue.
BY_STAFF = (
    "out what was charged, and bill it by POST /admin/cdrs under the session_id; then bill this "
    "one again, to have it listed no more."
)


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
    unused: dict[str, Any] = field(default_factory=dict)
    """Of a reservation that nobody used and that is not billed yet: whether it `expired`."""
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
    reused: str | None = None
    """That the station began another session under the id of this one, which had ended."""
    dismissed: bool = False
    """Staff have dealt with its trouble: that its start is missing is told no more."""
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
        self._add_reading(moment, values)
        told = [*self.states, *(each for each in self.readings if "kwh" in each)]
        if any(moment_before(each["at"], moment) for each in told):
            self.note("Meter values from before the start are not used.")
        return Taken.TAKEN, self._review(moment, values)[1]

    def measure(self, at: datetime, values: Values, state: str | None) -> tuple[Taken, str | None]:
        """Take meter values and the vehicle's state."""
        moment = format_moment(at)
        entry = {"at": moment, "state": state}
        if self.has(moment, values) and (state is None or entry in self.states):
            return Taken.REPEATED, None
        if self.completed and not self._lacks_energy:
            return Taken.KEPT, self.note(_too_late(moment, {**values, "state": state}))
        if len(self.readings) + len(self.states) >= MOST_VALUES:
            return Taken.KEPT, self.note(f"Values beyond the first {MOST_VALUES} are not used.")
        self._add_reading(moment, values)
        if state is not None and entry not in self.states:
            self.states.append({"at": moment, "state": state})
            self.states.sort(key=_moment_of)
        taken, sentence = self._review(moment, values)
        outside = self._out_of_place(moment) if taken is Taken.TAKEN else None
        return (taken, sentence) if outside is None else (Taken.KEPT, outside)

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
        """Take the stop; the first one counts, and what it lacked may come when it comes again."""
        moment = format_moment(at)
        same = self.ended_at == moment
        if self.ended and not (same and self._lacks_energy and not self.has(moment, values)):
            if same and not (values.get("kwh", Decimal(0)) > self._highest()):
                return Taken.REPEATED, None
            return Taken.KEPT, self.note(f"A second stop was reported. {_too_late(moment, values)}")
        if self.begun and moment_before(moment, self.started_at):
            self.note(f"The stop of {moment} lies before the start of {self.started_at}.")
            moment = str(self.started_at)
        self.ended_at, self.signed_data = moment, signed_data
        self._add_reading(moment, values)
        _, sentence = self._review(moment, values)
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

    def _add_reading(self, moment: str, values: Values) -> None:
        """Put values in their place by time."""
        if not self.has(moment, values):
            self.readings.append({"at": moment, **values})
            self.readings.sort(key=_place_of)

    def has(self, moment: str, values: Values) -> bool:
        """Whether values of that moment are known, or there are none."""
        known = (each.items() for each in self.readings if each["at"] == moment)
        return not values or any(items >= values.items() for items in known)

    def _review(self, moment: str, values: Values) -> tuple[Taken, str | None]:
        """Note which values of the register are not used now; tell of the new one, or of others."""
        before = set(self.notes)
        self.notes = [each for each in self.notes if not each.endswith(_NOT_USED)]
        own = None
        for each, sentence in self._contradicted():
            self.note(sentence)
            if (each["at"], each["kwh"]) == (moment, values.get("kwh")):
                own = sentence
        if own is not None:
            return Taken.KEPT, own
        return Taken.TAKEN, next((each for each in self.notes if each not in before), None)

    def _contradicted(self) -> Iterator[tuple[dict[str, Any], str]]:
        """The readings whose register is not used, the last first, and why."""
        later: Decimal | None = None
        for each, kwh in reversed(list(self._used())):
            if kwh is not None:
                later = kwh
            elif "kwh" in each:
                at, told = each["at"], each["kwh"]
                if later is not None and later < told:
                    yield (
                        each,
                        f"The {told} kWh of {at} are more than the meter had later{_NOT_USED}",
                    )
                else:
                    yield each, f"The meter fell to {told} kWh at {at}{_NOT_USED}"

    @property
    def doubt(self) -> str | None:
        """Why its energy is not known: no two values, or the meter counted on below the first."""
        values = [each["kwh"] for each, _ in self._used() if "kwh" in each]
        later = values[1:]
        counting = any(low < high for low, high in pairwise(later))
        if counting and max(later) < values[0]:
            return (
                f"The meter began at {values[0]} kWh and counted from {min(later)} to {max(later)} "
                f"kWh then, so its energy is not known. Find {BY_STAFF}"
            )
        if not self._lacks_energy:
            return None
        return (
            "Its meter told no two values that can be used, so its energy is not known. Report the "
            f"stop again with its kwh, or find {BY_STAFF}"
        )

    @property
    def _lacks_energy(self) -> bool:
        """It has ended, and is not billed, and its meter said too little.

        Where it never says anything, energy may cost nothing.
        """
        if self.billed or not self.begun or self.ended_at in (None, self.started_at):
            return False
        known = len({each["at"] for each, kwh in self._used() if kwh is not None})
        return known == 1 or (known == 0 and any(map(_prices_energy, self.tariffs)))

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
        inside = [
            each
            for each in self.readings
            if not moment_before(self.ended_at or each["at"], each["at"])
            and not moment_before(each["at"], self.started_at)
        ]
        metered = [index for index, each in enumerate(inside) if "kwh" in each]
        believed = {metered[place] for place in rising([inside[n]["kwh"] for n in metered])}
        for index, each in enumerate(inside):
            yield each, each["kwh"] if index in believed else None

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

        A session of no length lasts a second, so that its energy is not lost, and so does what is
        left of one behind the first value of its meter.
        """
        start, end = self._span()
        reserved = start if self.reserved_at is None else parse_moment(self.reserved_at)
        metered = [each.at for each in self.used_readings() if each.kwh is not None]
        since = metered[0] if len(metered) > 1 else start
        begin, end = min(reserved, start), max(end, since + SECOND)
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
            if not moment_before(each["at"], self.started_at):
                changes[parse_moment(each["at"])] = State(each["state"])
        for cut in cuts:
            changes.setdefault(parse_moment(cut), None)
        found = []
        current = State.CHARGING
        for at in sorted(changes):
            current = changes[at] or current
            found.append(StateChange(at, current))
        return tuple(found)


def _prices_energy(tariff: Mapping[str, Any]) -> bool:
    components = [part for each in tariff["elements"] for part in each["price_components"]]
    return any(part["type"] == "ENERGY" and part["price"] for part in components)


def _too_late(moment: str, values: Mapping[str, Any]) -> str:
    told = ", ".join(f"{name} {value}" for name, value in values.items() if value is not None)
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
