"""What was used: a session as a list of charging periods, ready to be priced."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple


class PricingError(ValueError):
    """A price can't be told; `code` says why in one word, the message in a sentence."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


class Kind(StrEnum):
    """What an amount is for; a reservation's time and fee are kept apart from the session's."""

    FLAT = "FLAT"
    ENERGY = "ENERGY"
    TIME = "TIME"
    PARKING_TIME = "PARKING_TIME"
    RESERVATION_FLAT = "RESERVATION_FLAT"
    RESERVATION_TIME = "RESERVATION_TIME"

    # An enum's own hash is many times slower, and so is looking a member up: where every CDR
    # comes by, members have names of their own.
    __hash__ = str.__hash__


VOLUMES = (Kind.ENERGY, Kind.TIME, Kind.PARKING_TIME, Kind.RESERVATION_TIME)
_RESERVED = Kind.RESERVATION_TIME
RANGES = frozenset({"MIN_CURRENT", "MAX_CURRENT", "MIN_POWER", "MAX_POWER"})


@dataclass(frozen=True, slots=True)
class Note:
    """Something a reader of the price should know; `policy` names a setting that mattered.

    Periods and elements count from 0, in sentences from 1.
    """

    code: str
    sentence: str
    period: int | None = None
    kind: Kind | None = None
    policy: str | None = None
    element: int | None = None


class Period(NamedTuple):
    """A charging period: kWh and hours by kind, amperes and kilowatts by dimension."""

    start: datetime
    end: datetime
    volumes: Mapping[Kind, Fraction]
    ranges: Mapping[str, Fraction]
    tariff_id: str | None = None

    @property
    def reserved(self) -> bool:
        """Whether time was reserved in it."""
        return bool(self.volumes.get(_RESERVED))

    @property
    def used(self) -> bool:
        """Whether it belongs to the session itself, not to a reservation only."""
        return not self.volumes.get(_RESERVED) or any(
            volume for kind, volume in self.volumes.items() if kind != _RESERVED
        )


class Usage(NamedTuple):
    """A session from start to end, its periods in order of time."""

    start: datetime
    end: datetime
    periods: tuple[Period, ...]
    currency: str | None = None
    expired: bool = False
    notes: tuple[Note, ...] = ()
