"""Charging sessions, and what a driver prefers of them."""

from collections.abc import Iterator
from enum import StrEnum

from ocpi.spec.cdrs import AuthMethod, CdrToken, ChargingPeriod
from ocpi.spec.rules import currency_rules, owner_rules
from ocpi.spec.types import (
    Boolean,
    CiString2,
    CiString3,
    CiString36,
    DateTime,
    Identifier36,
    Number,
    OCPIModel,
    Open,
    Price,
    ProfileType,
    String3,
    String255,
)


class ChargingPreferencesResponse(StrEnum):
    ACCEPTED = "ACCEPTED"
    DEPARTURE_REQUIRED = "DEPARTURE_REQUIRED"
    ENERGY_NEED_REQUIRED = "ENERGY_NEED_REQUIRED"
    NOT_POSSIBLE = "NOT_POSSIBLE"
    PROFILE_TYPE_NOT_SUPPORTED = "PROFILE_TYPE_NOT_SUPPORTED"


class SessionStatus(StrEnum):
    ACTIVE = "ACTIVE"
    COMPLETED = "COMPLETED"
    INVALID = "INVALID"
    PENDING = "PENDING"
    RESERVATION = "RESERVATION"

    @classmethod
    def _missing_(cls, value: object) -> "SessionStatus | None":
        # The prose of the chapter says RESERVED where its table says RESERVATION (AT-52).
        return cls.RESERVATION if value == "RESERVED" else None


class Session(OCPIModel):
    country_code: CiString2
    party_id: CiString3
    id: Identifier36
    start_date_time: DateTime
    end_date_time: DateTime | None = None
    kwh: Number
    cdr_token: CdrToken
    auth_method: Open[AuthMethod]
    authorization_reference: CiString36 | None = None
    location_id: CiString36
    evse_uid: CiString36
    connector_id: CiString36
    meter_id: String255 | None = None
    currency: String3
    charging_periods: list[ChargingPeriod] = []
    total_cost: Price | None = None
    status: Open[SessionStatus]
    last_updated: DateTime

    def broken_rules(self) -> Iterator[str]:
        yield from owner_rules(self.country_code, self.party_id)
        yield from currency_rules(self.currency)
        if self.end_date_time and self.end_date_time < self.start_date_time:
            yield "end_date_time is before start_date_time"
        if "#NA" in (self.evse_uid, self.connector_id) and not self._is_unused():
            yield "evse_uid or connector_id is #NA though it is no reservation (SE-18)"

    def _is_unused(self) -> bool:
        """Whether it is, or ended as, a reservation of which nothing was charged."""
        ended = self.status == SessionStatus.COMPLETED and not self.kwh
        return ended or self.status in (SessionStatus.RESERVATION, SessionStatus.INVALID)


class ChargingPreferences(OCPIModel):
    profile_type: Open[ProfileType]
    departure_time: DateTime | None = None
    energy_need: Number | None = None
    discharge_allowed: Boolean | None = None
