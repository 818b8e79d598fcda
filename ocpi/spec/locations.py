"""Locations, their EVSEs and Connectors."""

import re
from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from zoneinfo import available_timezones

from ocpi.spec.kinds import OpenEnum
from ocpi.spec.rules import clock_rules, owner_rules, unique_rules
from ocpi.spec.types import (
    URL,
    Boolean,
    CiString2,
    CiString3,
    CiString4,
    CiString36,
    CiString48,
    DateTime,
    DisplayText,
    Identifier36,
    Integer,
    Integer1,
    Integer5,
    Latitude,
    Longitude,
    Number,
    OCPIModel,
    Open,
    Some,
    String3,
    String4,
    String5,
    String10,
    String16,
    String45,
    String64,
    String100,
    String255,
    TokenType,
)

_COUNTRY = re.compile(r"[A-Z]{3}")


class Capability(OpenEnum):
    CHARGING_PROFILE_CAPABLE = "CHARGING_PROFILE_CAPABLE"
    CHARGING_PREFERENCES_CAPABLE = "CHARGING_PREFERENCES_CAPABLE"
    CHIP_CARD_SUPPORT = "CHIP_CARD_SUPPORT"
    CONTACTLESS_CARD_SUPPORT = "CONTACTLESS_CARD_SUPPORT"
    CREDIT_CARD_PAYABLE = "CREDIT_CARD_PAYABLE"
    DEBIT_CARD_PAYABLE = "DEBIT_CARD_PAYABLE"
    PED_TERMINAL = "PED_TERMINAL"
    REMOTE_START_STOP_CAPABLE = "REMOTE_START_STOP_CAPABLE"
    RESERVABLE = "RESERVABLE"
    RFID_READER = "RFID_READER"
    START_SESSION_CONNECTOR_REQUIRED = "START_SESSION_CONNECTOR_REQUIRED"
    TOKEN_GROUP_CAPABLE = "TOKEN_GROUP_CAPABLE"  # noqa: S105 - a capability, no secret
    UNLOCK_CAPABLE = "UNLOCK_CAPABLE"


class ConnectorFormat(StrEnum):
    SOCKET = "SOCKET"
    CABLE = "CABLE"


class ConnectorType(OpenEnum):
    CHADEMO = "CHADEMO"
    CHAOJI = "CHAOJI"
    DOMESTIC_A = "DOMESTIC_A"
    DOMESTIC_B = "DOMESTIC_B"
    DOMESTIC_C = "DOMESTIC_C"
    DOMESTIC_D = "DOMESTIC_D"
    DOMESTIC_E = "DOMESTIC_E"
    DOMESTIC_F = "DOMESTIC_F"
    DOMESTIC_G = "DOMESTIC_G"
    DOMESTIC_H = "DOMESTIC_H"
    DOMESTIC_I = "DOMESTIC_I"
    DOMESTIC_J = "DOMESTIC_J"
    DOMESTIC_K = "DOMESTIC_K"
    DOMESTIC_L = "DOMESTIC_L"
    DOMESTIC_M = "DOMESTIC_M"
    DOMESTIC_N = "DOMESTIC_N"
    DOMESTIC_O = "DOMESTIC_O"
    GBT_AC = "GBT_AC"
    GBT_DC = "GBT_DC"
    IEC_60309_2_SINGLE_16 = "IEC_60309_2_single_16"
    IEC_60309_2_THREE_16 = "IEC_60309_2_three_16"
    IEC_60309_2_THREE_32 = "IEC_60309_2_three_32"
    IEC_60309_2_THREE_64 = "IEC_60309_2_three_64"
    IEC_62196_T1 = "IEC_62196_T1"
    IEC_62196_T1_COMBO = "IEC_62196_T1_COMBO"
    IEC_62196_T2 = "IEC_62196_T2"
    IEC_62196_T2_COMBO = "IEC_62196_T2_COMBO"
    IEC_62196_T3A = "IEC_62196_T3A"
    IEC_62196_T3C = "IEC_62196_T3C"
    NEMA_5_20 = "NEMA_5_20"
    NEMA_6_30 = "NEMA_6_30"
    NEMA_6_50 = "NEMA_6_50"
    NEMA_10_30 = "NEMA_10_30"
    NEMA_10_50 = "NEMA_10_50"
    NEMA_14_30 = "NEMA_14_30"
    NEMA_14_50 = "NEMA_14_50"
    PANTOGRAPH_BOTTOM_UP = "PANTOGRAPH_BOTTOM_UP"
    PANTOGRAPH_TOP_DOWN = "PANTOGRAPH_TOP_DOWN"
    TESLA_R = "TESLA_R"
    TESLA_S = "TESLA_S"


class EnergySourceCategory(StrEnum):
    NUCLEAR = "NUCLEAR"
    GENERAL_FOSSIL = "GENERAL_FOSSIL"
    COAL = "COAL"
    GAS = "GAS"
    GENERAL_GREEN = "GENERAL_GREEN"
    SOLAR = "SOLAR"
    WIND = "WIND"
    WATER = "WATER"


class EnvironmentalImpactCategory(OpenEnum):
    NUCLEAR_WASTE = "NUCLEAR_WASTE"
    CARBON_DIOXIDE = "CARBON_DIOXIDE"


class Facility(OpenEnum):
    HOTEL = "HOTEL"
    RESTAURANT = "RESTAURANT"
    CAFE = "CAFE"
    MALL = "MALL"
    SUPERMARKET = "SUPERMARKET"
    SPORT = "SPORT"
    RECREATION_AREA = "RECREATION_AREA"
    NATURE = "NATURE"
    MUSEUM = "MUSEUM"
    BIKE_SHARING = "BIKE_SHARING"
    BUS_STOP = "BUS_STOP"
    TAXI_STAND = "TAXI_STAND"
    TRAM_STOP = "TRAM_STOP"
    METRO_STATION = "METRO_STATION"
    TRAIN_STATION = "TRAIN_STATION"
    AIRPORT = "AIRPORT"
    PARKING_LOT = "PARKING_LOT"
    CARPOOL_PARKING = "CARPOOL_PARKING"
    FUEL_STATION = "FUEL_STATION"
    WIFI = "WIFI"


class ImageCategory(OpenEnum):
    CHARGER = "CHARGER"
    ENTRANCE = "ENTRANCE"
    LOCATION = "LOCATION"
    NETWORK = "NETWORK"
    OPERATOR = "OPERATOR"
    OTHER = "OTHER"
    OWNER = "OWNER"


class ParkingRestriction(OpenEnum):
    EV_ONLY = "EV_ONLY"
    PLUGGED = "PLUGGED"
    DISABLED = "DISABLED"
    CUSTOMERS = "CUSTOMERS"
    MOTORCYCLES = "MOTORCYCLES"


class ParkingType(OpenEnum):
    ALONG_MOTORWAY = "ALONG_MOTORWAY"
    PARKING_GARAGE = "PARKING_GARAGE"
    PARKING_LOT = "PARKING_LOT"
    ON_DRIVEWAY = "ON_DRIVEWAY"
    ON_STREET = "ON_STREET"
    UNDERGROUND_GARAGE = "UNDERGROUND_GARAGE"


class PowerType(StrEnum):
    AC_1_PHASE = "AC_1_PHASE"
    AC_2_PHASE = "AC_2_PHASE"
    AC_2_PHASE_SPLIT = "AC_2_PHASE_SPLIT"
    AC_3_PHASE = "AC_3_PHASE"
    DC = "DC"


class Status(StrEnum):
    AVAILABLE = "AVAILABLE"
    BLOCKED = "BLOCKED"
    CHARGING = "CHARGING"
    INOPERATIVE = "INOPERATIVE"
    OUTOFORDER = "OUTOFORDER"
    PLANNED = "PLANNED"
    REMOVED = "REMOVED"
    RESERVED = "RESERVED"
    UNKNOWN = "UNKNOWN"


class Connector(OCPIModel):
    id: CiString36
    standard: Open[ConnectorType]
    format: Open[ConnectorFormat]
    power_type: Open[PowerType]
    max_voltage: Integer
    max_amperage: Integer
    max_electric_power: Integer | None = None
    tariff_ids: list[CiString36] = []
    terms_and_conditions: URL | None = None
    last_updated: DateTime


class AdditionalGeoLocation(OCPIModel):
    latitude: Latitude
    longitude: Longitude
    name: DisplayText | None = None


class EnergySource(OCPIModel):
    source: Open[EnergySourceCategory]
    percentage: Number

    def broken_rules(self) -> Iterator[str]:
        if not 0 <= self.percentage <= 100:
            yield f"percentage {self.percentage} is not from 0 to 100"


class EnvironmentalImpact(OCPIModel):
    category: Open[EnvironmentalImpactCategory]
    amount: Number


class EnergyMix(OCPIModel):
    is_green_energy: Boolean
    energy_sources: list[EnergySource] = []
    environ_impact: list[EnvironmentalImpact] = []
    supplier_name: String64 | None = None
    energy_product_name: String64 | None = None


class ExceptionalPeriod(OCPIModel):
    period_begin: DateTime
    period_end: DateTime

    def broken_rules(self) -> Iterator[str]:
        if self.period_end <= self.period_begin:
            yield "period_end is not after period_begin"


class GeoLocation(OCPIModel):
    latitude: Latitude
    longitude: Longitude


class Image(OCPIModel):
    url: URL
    thumbnail: URL | None = None
    category: Open[ImageCategory]
    type: CiString4
    width: Integer5 | None = None
    height: Integer5 | None = None


class BusinessDetails(OCPIModel):
    only_shown = frozenset({"logo"})

    name: String100
    website: URL | None = None
    logo: Image | None = None


class PublishTokenType(OCPIModel):
    uid: CiString36 | None = None
    type: Open[TokenType] | None = None
    visual_number: String64 | None = None
    issuer: String64 | None = None
    group_id: CiString36 | None = None

    def broken_rules(self) -> Iterator[str]:
        if not (self.uid or self.visual_number or self.group_id):
            yield "none of uid, visual_number and group_id is set (LO-18)"
        if self.uid and not self.type:
            yield "uid is set without type (LO-18)"
        if self.visual_number and not self.issuer:
            yield "visual_number is set without issuer (LO-18)"


class RegularHours(OCPIModel):
    weekday: Integer1
    period_begin: String5
    period_end: String5

    def broken_rules(self) -> Iterator[str]:
        if not 1 <= self.weekday <= 7:
            yield f"weekday {self.weekday} is not from 1 (Monday) to 7 (LO-26)"
        yield from clock_rules(period_begin=self.period_begin, period_end=self.period_end)
        if self.period_end <= self.period_begin:
            yield f"the period ends at {self.period_end}, not after its begin (LO-26)"


class Hours(OCPIModel):
    twentyfourseven: Boolean
    regular_hours: list[RegularHours] = []
    exceptional_openings: list[ExceptionalPeriod] = []
    exceptional_closings: list[ExceptionalPeriod] = []

    def broken_rules(self) -> Iterator[str]:
        if self.twentyfourseven and self.regular_hours:
            yield "regular_hours are given though twentyfourseven is true (LO-25)"
        if not self.twentyfourseven and not self.regular_hours:
            yield "regular_hours are missing though twentyfourseven is false (LO-25)"


class StatusSchedule(OCPIModel):
    period_begin: DateTime
    period_end: DateTime | None = None
    status: Open[Status]

    def broken_rules(self) -> Iterator[str]:
        if self.period_end and self.period_end <= self.period_begin:
            yield "period_end is not after period_begin"


class EVSE(OCPIModel):
    uid: Identifier36
    evse_id: CiString48 | None = None
    status: Open[Status]
    status_schedule: list[StatusSchedule] = []
    capabilities: list[Open[Capability]] = []
    connectors: Some[Connector]
    floor_level: String4 | None = None
    coordinates: GeoLocation | None = None
    physical_reference: String16 | None = None
    directions: list[DisplayText] = []
    parking_restrictions: list[Open[ParkingRestriction]] = []
    images: list[Image] = []
    last_updated: DateTime

    def broken_rules(self) -> Iterator[str]:
        ids = (connector.id.lower() for connector in self.connectors)
        yield from unique_rules("the Connector", ids)


class Location(OCPIModel):
    country_code: CiString2
    party_id: CiString3
    id: Identifier36
    publish: Boolean
    publish_allowed_to: list[PublishTokenType] = []
    name: String255 | None = None
    address: String255
    city: String45
    postal_code: String10 | None = None
    state: String45 | None = None
    country: String3
    coordinates: GeoLocation
    related_locations: list[AdditionalGeoLocation] = []
    parking_type: Open[ParkingType] | None = None
    evses: list[EVSE] = []
    directions: list[DisplayText] = []
    operator: BusinessDetails | None = None
    suboperator: BusinessDetails | None = None
    owner: BusinessDetails | None = None
    facilities: list[Open[Facility]] = []
    time_zone: String255
    opening_times: Hours | None = None
    charging_when_closed: Boolean | None = None
    images: list[Image] = []
    energy_mix: EnergyMix | None = None
    last_updated: DateTime

    def broken_rules(self) -> Iterator[str]:
        yield from owner_rules(self.country_code, self.party_id)
        if self.publish and self.publish_allowed_to:
            yield "publish_allowed_to is given though publish is true (LO-17)"
        if not _COUNTRY.fullmatch(self.country):
            yield f"country '{self.country}' is not three capital letters (ISO 3166-1 alpha-3)"
        if self.time_zone not in _time_zones():
            yield f"time_zone '{self.time_zone}' is no IANA name (LO-21)"
        yield from unique_rules("the EVSE", (evse.uid.lower() for evse in self.evses))


@cache
def _time_zones() -> set[str]:
    return available_timezones()
