"""What a charging station measured of one session: the operator's raw material for a CDR."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class State(StrEnum):
    """What went on at the connector."""

    RESERVED = "RESERVED"  # Kept free for the driver, who has not come yet.
    CHARGING = "CHARGING"
    PARKED = "PARKED"  # The vehicle asks for no power, be it full or pausing (CD-21).
    PAUSED_BY_STATION = "PAUSED_BY_STATION"  # It asks for power and gets none.


@dataclass(frozen=True, slots=True)
class Reading:
    """Meter values at one moment: the energy register in kWh, momentary power and current.

    Current is summed over all phases, as restrictions on it mean it. Power and current count
    until the next reading, or until it charges no more; before the first reading since it charges
    the mean power by the register counts, or the nearest value.
    """

    at: datetime
    kwh: Decimal | None = None
    power_kw: Decimal | None = None
    current_a: Decimal | None = None


@dataclass(frozen=True, slots=True)
class StateChange:
    """From this moment on the session is in this state; before the first it is charging."""

    at: datetime
    state: State


@dataclass(frozen=True, slots=True)
class TariffChange:
    """From this moment on the session is priced by another tariff."""

    at: datetime
    tariff_id: str


@dataclass(frozen=True, slots=True)
class Measured:
    """One session, from plugging in (or reserving) to leaving; all moments are aware.

    Without `tariff_changes` the first of the tariffs that is valid at the start counts throughout.
    """

    start: datetime
    end: datetime
    readings: tuple[Reading, ...] = ()
    states: tuple[StateChange, ...] = ()
    tariff_changes: tuple[TariffChange, ...] = ()
