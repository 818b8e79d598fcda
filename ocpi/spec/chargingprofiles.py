"""Charging profiles: limits over time for a session."""

from collections.abc import Iterator
from decimal import Decimal
from enum import StrEnum

from ocpi.spec.types import CalledURL, DateTime, Integer, Number, OCPIModel, Open


class ChargingRateUnit(StrEnum):
    W = "W"
    A = "A"


class ChargingProfileResponseType(StrEnum):
    ACCEPTED = "ACCEPTED"
    NOT_SUPPORTED = "NOT_SUPPORTED"
    REJECTED = "REJECTED"
    TOO_OFTEN = "TOO_OFTEN"
    UNKNOWN_SESSION = "UNKNOWN_SESSION"


class ChargingProfileResultType(StrEnum):
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    UNKNOWN = "UNKNOWN"


class ChargingProfileResponse(OCPIModel):
    result: Open[ChargingProfileResponseType]
    timeout: Integer


class ChargingProfileResult(OCPIModel):
    result: Open[ChargingProfileResultType]


class ClearProfileResult(OCPIModel):
    result: Open[ChargingProfileResultType]


class ChargingProfilePeriod(OCPIModel):
    start_period: Integer
    limit: Number

    def broken_rules(self) -> Iterator[str]:
        if _has_more_than_one_decimal(self.limit):
            yield f"limit {self.limit} has more than one decimal"


class ChargingProfile(OCPIModel):
    start_date_time: DateTime | None = None
    duration: Integer | None = None
    charging_rate_unit: ChargingRateUnit
    min_charging_rate: Number | None = None
    charging_profile_period: list[ChargingProfilePeriod] = []

    def broken_rules(self) -> Iterator[str]:
        if self.min_charging_rate is not None and _has_more_than_one_decimal(
            self.min_charging_rate
        ):
            yield f"min_charging_rate {self.min_charging_rate} has more than one decimal"


class SetChargingProfile(OCPIModel):
    charging_profile: ChargingProfile
    response_url: CalledURL


class ActiveChargingProfile(OCPIModel):
    start_date_time: DateTime
    charging_profile: ChargingProfile


class ActiveChargingProfileResult(OCPIModel):
    result: Open[ChargingProfileResultType]
    profile: ActiveChargingProfile | None = None


def _has_more_than_one_decimal(number: Decimal) -> bool:
    return number * 10 % 1 != 0
