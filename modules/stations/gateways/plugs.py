"""What there is at simulated EVSEs: vehicles that are plugged in, and reservations."""

import asyncio
import random
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from modules.stations.gateways.curve import Vehicle
from modules.stations.reports.applying import Station
from ocpi.editing import Document
from ocpi.gateway import Demand

FREE = ("AVAILABLE", "RESERVED", "UNKNOWN")
# An imported status may be out of date: who charges here is known better than the registry.
USABLE = (*FREE, "CHARGING", "BLOCKED")
_MILLI = Decimal("0.001")

Key = tuple[str, str, str]
"""Our party, Location and EVSE, in lower case."""


@dataclass
class Plug:
    """A vehicle at an EVSE."""

    transaction_id: str
    vehicle: Vehicle
    connector_id: str
    capacity_kw: Decimal
    """What the EVSE can."""
    begun: float = field(default_factory=time.monotonic)
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    """When charging began, for profiles that are relative to it (CP-18)."""
    charged: Decimal = Decimal(0)
    profile: Document | None = None
    leaving: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class Hold:
    """An EVSE kept free for a driver."""

    key: Key
    uid: str
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Refused(Exception):
    """A station does not do what is wanted; `result` is a word of CommandResultType."""

    def __init__(self, result: str) -> None:
        super().__init__(result)
        self.result = result


def station_of(demand: Demand) -> Station:
    return Station(demand.owner, demand.location_id)


def key_of(station: Station, evse_uid: str) -> Key:
    return station.owner.key, station.location_id.lower(), evse_uid.lower()


def connector_of(evse: Document, wanted: str | None) -> Document:
    """The Connector that is used: the one wanted, or the first."""
    found: Document = next(
        each for each in evse["connectors"] if wanted is None or each["id"] == wanted
    )
    return found


def watts(connector: Document) -> int:
    phases = 3 if connector["power_type"] == "AC_3_PHASE" else 1
    return int(connector["max_voltage"] * connector["max_amperage"] * phases)


def rounded(number: Decimal) -> Decimal:
    return number.quantize(_MILLI)


def any_vehicle(most_kw: Decimal) -> Vehicle:
    chance = random.Random()  # noqa: S311 - a show.
    most = min(most_kw, Decimal(chance.choice((50, 100, 150, 250))))
    return Vehicle(most, (most * chance.randint(20, 60) / 3600).quantize(_MILLI))
