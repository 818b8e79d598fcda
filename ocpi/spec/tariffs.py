"""Tariffs."""

import re
from collections.abc import Iterator
from enum import StrEnum

from ocpi.spec.locations import EnergyMix
from ocpi.spec.rules import clock_rules, currency_rules, owner_rules
from ocpi.spec.types import (
    URL,
    CiString2,
    CiString3,
    DateTime,
    DisplayText,
    Identifier36,
    Integer,
    Number,
    OCPIModel,
    Open,
    Price,
    Some,
    String3,
    String5,
    String10,
)

_DATE = re.compile(r"[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])")


class DayOfWeek(StrEnum):
    MONDAY = "MONDAY"
    TUESDAY = "TUESDAY"
    WEDNESDAY = "WEDNESDAY"
    THURSDAY = "THURSDAY"
    FRIDAY = "FRIDAY"
    SATURDAY = "SATURDAY"
    SUNDAY = "SUNDAY"


class ReservationRestrictionType(StrEnum):
    RESERVATION = "RESERVATION"
    RESERVATION_EXPIRES = "RESERVATION_EXPIRES"


class TariffDimensionType(StrEnum):
    ENERGY = "ENERGY"
    FLAT = "FLAT"
    PARKING_TIME = "PARKING_TIME"
    TIME = "TIME"


class TariffType(StrEnum):
    AD_HOC_PAYMENT = "AD_HOC_PAYMENT"
    PROFILE_CHEAP = "PROFILE_CHEAP"
    PROFILE_FAST = "PROFILE_FAST"
    PROFILE_GREEN = "PROFILE_GREEN"
    REGULAR = "REGULAR"


class PriceComponent(OCPIModel):
    type: Open[TariffDimensionType]
    price: Number
    vat: Number | None = None
    step_size: Integer


class TariffRestrictions(OCPIModel):
    start_time: String5 | None = None
    end_time: String5 | None = None
    start_date: String10 | None = None
    end_date: String10 | None = None
    min_kwh: Number | None = None
    max_kwh: Number | None = None
    min_current: Number | None = None
    max_current: Number | None = None
    min_power: Number | None = None
    max_power: Number | None = None
    min_duration: Integer | None = None
    max_duration: Integer | None = None
    day_of_week: list[Open[DayOfWeek]] = []
    reservation: Open[ReservationRestrictionType] | None = None

    def broken_rules(self) -> Iterator[str]:
        yield from clock_rules(start_time=self.start_time, end_time=self.end_time)
        for name in ("start_date", "end_date"):
            date = getattr(self, name)
            if date is not None and not _DATE.fullmatch(date):
                yield f"{name} '{date}' is no date, YYYY-MM-DD"


class TariffElement(OCPIModel):
    price_components: Some[PriceComponent]
    restrictions: TariffRestrictions | None = None


class Tariff(OCPIModel):
    country_code: CiString2
    party_id: CiString3
    id: Identifier36
    currency: String3
    type: Open[TariffType] | None = None
    tariff_alt_text: list[DisplayText] = []
    tariff_alt_url: URL | None = None
    min_price: Price | None = None
    max_price: Price | None = None
    elements: Some[TariffElement]
    start_date_time: DateTime | None = None
    end_date_time: DateTime | None = None
    energy_mix: EnergyMix | None = None
    last_updated: DateTime

    def broken_rules(self) -> Iterator[str]:
        yield from owner_rules(self.country_code, self.party_id)
        yield from currency_rules(self.currency)
