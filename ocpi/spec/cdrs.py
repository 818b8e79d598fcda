"""Charge detail records."""

from collections.abc import Iterator
from enum import StrEnum

from ocpi.spec.locations import ConnectorFormat, ConnectorType, GeoLocation, PowerType
from ocpi.spec.rules import currency_rules, owner_rules
from ocpi.spec.tariffs import Tariff
from ocpi.spec.types import (
    Boolean,
    CiString2,
    CiString3,
    CiString32,
    CiString36,
    CiString39,
    CiString48,
    DateTime,
    Integer,
    Number,
    OCPIModel,
    Open,
    Price,
    SignedText,
    Some,
    String3,
    String10,
    String20,
    String45,
    String255,
    String512,
    TokenType,
)


class AuthMethod(StrEnum):
    AUTH_REQUEST = "AUTH_REQUEST"
    COMMAND = "COMMAND"
    WHITELIST = "WHITELIST"


class CdrDimensionType(StrEnum):
    CURRENT = "CURRENT"
    ENERGY = "ENERGY"
    ENERGY_EXPORT = "ENERGY_EXPORT"
    ENERGY_IMPORT = "ENERGY_IMPORT"
    MAX_CURRENT = "MAX_CURRENT"
    MIN_CURRENT = "MIN_CURRENT"
    MAX_POWER = "MAX_POWER"
    MIN_POWER = "MIN_POWER"
    PARKING_TIME = "PARKING_TIME"
    POWER = "POWER"
    RESERVATION_TIME = "RESERVATION_TIME"
    STATE_OF_CHARGE = "STATE_OF_CHARGE"
    TIME = "TIME"


_CHARGING = {CdrDimensionType.ENERGY, CdrDimensionType.TIME, CdrDimensionType.PARKING_TIME}


class CdrDimension(OCPIModel):
    type: Open[CdrDimensionType]
    volume: Number

    def broken_rules(self) -> Iterator[str]:
        if self.type == CdrDimensionType.STATE_OF_CHARGE and not 0 <= self.volume <= 100:
            yield f"STATE_OF_CHARGE {self.volume} is not from 0 to 100"


class CdrLocation(OCPIModel):
    id: CiString36
    name: String255 | None = None
    address: String45
    city: String45
    postal_code: String10 | None = None
    state: String20 | None = None
    country: String3
    coordinates: GeoLocation
    evse_uid: CiString36
    evse_id: CiString48
    connector_id: CiString36
    connector_standard: Open[ConnectorType]
    connector_format: Open[ConnectorFormat]
    connector_power_type: Open[PowerType]


class CdrToken(OCPIModel):
    country_code: CiString2
    party_id: CiString3
    uid: CiString36
    type: Open[TokenType]
    contract_id: CiString36

    def broken_rules(self) -> Iterator[str]:
        yield from owner_rules(self.country_code, self.party_id)


class ChargingPeriod(OCPIModel):
    start_date_time: DateTime
    dimensions: Some[CdrDimension]
    tariff_id: CiString36 | None = None

    @property
    def charged(self) -> bool:
        """Whether the vehicle was at the EVSE, which then was not only reserved."""
        return any(each.volume and each.type in _CHARGING for each in self.dimensions)


class SignedValue(OCPIModel):
    nature: CiString32
    plain_data: SignedText
    signed_data: SignedText


class SignedData(OCPIModel):
    encoding_method: CiString36
    encoding_method_version: Integer | None = None
    public_key: String512 | None = None
    signed_values: Some[SignedValue]
    url: String512 | None = None


class CDR(OCPIModel):
    country_code: CiString2
    party_id: CiString3
    id: CiString39
    start_date_time: DateTime
    end_date_time: DateTime
    session_id: CiString36 | None = None
    cdr_token: CdrToken
    auth_method: Open[AuthMethod]
    authorization_reference: CiString36 | None = None
    cdr_location: CdrLocation
    meter_id: String255 | None = None
    currency: String3
    tariffs: list[Tariff] = []
    charging_periods: Some[ChargingPeriod]
    signed_data: SignedData | None = None
    total_cost: Price
    total_fixed_cost: Price | None = None
    total_energy: Number
    total_energy_cost: Price | None = None
    total_time: Number
    total_time_cost: Price | None = None
    total_parking_time: Number | None = None
    total_parking_cost: Price | None = None
    total_reservation_cost: Price | None = None
    remark: String255 | None = None
    invoice_reference_id: CiString39 | None = None
    credit: Boolean | None = None
    credit_reference_id: CiString39 | None = None
    home_charging_compensation: Boolean | None = None
    last_updated: DateTime

    def broken_rules(self) -> Iterator[str]:
        yield from owner_rules(self.country_code, self.party_id)
        yield from currency_rules(self.currency)
        if self.credit and not self.credit_reference_id:
            yield "credit_reference_id is missing in a credit CDR"
        if not self.credit and len(self.id) > 36:
            yield "id is longer than 36, which only a credit CDR's may be"
        if self.end_date_time < self.start_date_time:
            yield "end_date_time is before start_date_time"
        yield from self._broken_by_periods()
        yield from self._broken_by_place()
        for name in ("total_time", "total_parking_time"):
            if (hours := getattr(self, name)) is not None and hours < 0:
                yield f"{name} {hours} is negative"

    def _broken_by_periods(self) -> Iterator[str]:
        starts = [period.start_date_time for period in self.charging_periods]
        if starts != sorted(starts):
            yield "charging_periods are not in order of time (CD-17)"
        if min(starts) < self.start_date_time:
            yield "charging_periods begin before start_date_time (CD-17)"

    def _broken_by_place(self) -> Iterator[str]:
        if not self.total_energy and not any(period.charged for period in self.charging_periods):
            return
        for name in ("evse_uid", "evse_id", "connector_id"):
            if getattr(self.cdr_location, name).upper() == "#NA":
                yield f"cdr_location.{name} is #NA though the vehicle charged (CD-16)"
