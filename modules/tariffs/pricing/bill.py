"""The price of a session with everything that led to it, as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo

from modules.tariffs.pricing.money import Money
from modules.tariffs.pricing.policy import Policy
from modules.tariffs.pricing.restrictions import Restriction, Situation
from modules.tariffs.pricing.terms import Component, Terms
from modules.tariffs.pricing.usage import Kind, Note, Usage

# The field of a CDR that each kind of amount is added up in.
COST_FIELDS = {
    Kind.FLAT: "total_fixed_cost",
    Kind.ENERGY: "total_energy_cost",
    Kind.TIME: "total_time_cost",
    Kind.PARKING_TIME: "total_parking_cost",
    Kind.RESERVATION_FLAT: "total_reservation_cost",
    Kind.RESERVATION_TIME: "total_reservation_cost",
}


class Skipped(NamedTuple):
    """An element that might have given the price but for one restriction."""

    element: int
    restriction: Restriction
    now: Situation

    def reason(self) -> str:
        return (
            f"element {self.element + 1} applies {self.restriction.words}, "
            f"and {self.restriction.saw(self.now)}"
        )


class Choice(NamedTuple):
    """Which component prices a kind at an instant, if any, and which came before it in vain."""

    component: Component | None
    skipped: tuple[Skipped, ...]
    now: Situation

    def reasons(self) -> list[str]:
        """What each restriction of the chosen element saw."""
        restrictions = self.component.restrictions if self.component else ()
        return [f"{each.words}: {each.saw(self.now)}" for each in restrictions]


class Line(NamedTuple):
    """One period's amount of one kind: kWh, hours, or 1 for a fee. Unpriced: no component."""

    period: int
    kind: Kind
    measured: Fraction
    billed: Fraction
    choice: Choice
    terms: Terms | None
    cost: Money


class Step(NamedTuple):
    """The one rounding up of a session's energy or time, in Wh or s; `line` took the surplus."""

    kind: Kind
    step_size: int
    measured: Fraction
    billed: Fraction
    line: int


@dataclass(frozen=True, slots=True)
class Limited:
    """What min_price or max_price made of the total."""

    name: str
    before: Money
    after: Money


class Bill(NamedTuple):
    """What a session costs: `parts` by the field of the CDR, exact; `total` after the limits."""

    usage: Usage
    tariffs: tuple[Terms, ...]
    zone: ZoneInfo | None
    policy: Policy
    currency: str
    places: int  # The decimals of the currency.
    lines: tuple[Line, ...]
    steps: tuple[Step, ...]
    parts: Mapping[str, Money]
    limits: tuple[Limited, ...]
    total: Money
    notes: tuple[Note, ...]

    def billed(self) -> dict[Kind, Fraction]:
        """What is billed of each kind that was priced, in kWh and hours."""
        quantities: dict[Kind, Fraction] = {}
        for line in self.lines:
            kind, billed = line.kind, line.billed
            if line.choice.component and kind in _MEASURED:
                quantities[kind] = quantities[kind] + billed if kind in quantities else billed
        return quantities

    def codes(self) -> list[str]:
        """The codes of the notes, each once."""
        return list(dict.fromkeys(note.code for note in self.notes))


_MEASURED = {Kind.ENERGY, Kind.TIME, Kind.PARKING_TIME, Kind.RESERVATION_TIME}

# The units of step_size in one kWh or one hour.
STEPS_IN_ONE = {kind: 1000 if kind == Kind.ENERGY else 3600 for kind in _MEASURED}
