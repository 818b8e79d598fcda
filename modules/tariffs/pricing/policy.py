"""What the specification leaves open, as settings; each default is the project's decision."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class OvernightDay(StrEnum):
    """Which day a `day_of_week` means beside a window that passes midnight."""

    LITERAL = "literal"  # The weekday of the instant itself.
    WINDOW_START = "window_start"  # The weekday on which the window began.


class RangeRule(StrEnum):
    """Which of a period's two measured bounds a current or power restriction is held against."""

    PEAK = "peak"  # min_* against the highest value, max_* against the lowest.
    WHOLE_PERIOD = "whole_period"  # min_* against the lowest value, max_* against the highest.


class TimeStep(StrEnum):
    """Which of charging time and parking time the one rounding of time goes to."""

    PARKING_IF_ANY = "parking_if_any"
    LAST_PERIOD = "last_period"


class StepTotal(StrEnum):
    """Which volumes make the total that a step_size rounds up."""

    PRICED = "priced"
    MEASURED = "measured"


class Flat(StrEnum):
    """How often fixed fees are charged; a reservation and its session each have their own."""

    ONCE_PER_SESSION = "once_per_session"
    ONCE_PER_COMPONENT = "once_per_component"


class ChargerPause(StrEnum):
    """What time is in which the charger, not the vehicle, held back the energy (CD-21)."""

    TIME = "TIME"
    PARKING_TIME = "PARKING_TIME"


class Rounding(StrEnum):
    """When amounts are rounded, half up, to the currency's minor unit (TA-22)."""

    TOTAL = "total"  # Only what is reported, each field on its own from exact amounts.
    PER_DIMENSION = "per_dimension"  # The cost of each dimension; the total is their sum.
    PER_PERIOD = "per_period"  # Each period's amount before VAT; VAT is taken of that.


@dataclass(frozen=True)
class Policy:
    """One reading of the specification."""

    time_step_tolerance_s: Decimal = Decimal("0.18")  # What one rounding of hours may be off.
    overnight_day: OvernightDay = OvernightDay.LITERAL
    range_rule: RangeRule = RangeRule.PEAK
    time_step: TimeStep = TimeStep.PARKING_IF_ANY
    step_total: StepTotal = StepTotal.PRICED
    apply_step_size: bool = True
    flat: Flat = Flat.ONCE_PER_SESSION
    charger_pause: ChargerPause = ChargerPause.TIME
    rounding: Rounding = Rounding.TOTAL
    money_tolerance_units: Decimal = Decimal(1)
    quantity_tolerance: Decimal = Decimal("0.0005")
    time_tolerance_s: Decimal = Decimal(2)

    def setting(self, name: str) -> str:
        """Name a setting with its value, `flat=once_per_session`."""
        return f"{name}={getattr(self, name)}"

    def settings(self) -> dict[str, str | bool | Decimal]:
        return dict(vars(self))


DEFAULT = Policy()
