"""Tokens of drivers, and the answer to whether one may charge."""

from collections.abc import Iterator
from enum import StrEnum

from ocpi.spec.rules import language_rules, owner_rules
from ocpi.spec.types import (
    Boolean,
    CiString2,
    CiString3,
    CiString36,
    DateTime,
    DisplayText,
    Identifier36,
    OCPIModel,
    Open,
    ProfileType,
    String2,
    String64,
    TokenType,
)


class AllowedType(StrEnum):
    ALLOWED = "ALLOWED"
    BLOCKED = "BLOCKED"
    EXPIRED = "EXPIRED"
    NO_CREDIT = "NO_CREDIT"
    NOT_ALLOWED = "NOT_ALLOWED"


class WhitelistType(StrEnum):
    ALWAYS = "ALWAYS"
    ALLOWED = "ALLOWED"
    ALLOWED_OFFLINE = "ALLOWED_OFFLINE"
    NEVER = "NEVER"


class EnergyContract(OCPIModel):
    supplier_name: String64
    contract_id: String64 | None = None


class Token(OCPIModel):
    country_code: CiString2
    party_id: CiString3
    uid: Identifier36
    type: Open[TokenType]
    contract_id: CiString36
    visual_number: String64 | None = None
    issuer: String64
    group_id: CiString36 | None = None
    valid: Boolean
    whitelist: Open[WhitelistType]
    language: String2 | None = None
    default_profile_type: Open[ProfileType] | None = None
    energy_contract: EnergyContract | None = None
    last_updated: DateTime

    def broken_rules(self) -> Iterator[str]:
        yield from owner_rules(self.country_code, self.party_id)
        yield from language_rules(self.language)


class LocationReferences(OCPIModel):
    location_id: CiString36
    evse_uids: list[CiString36] = []


class AuthorizationInfo(OCPIModel):
    only_shown = frozenset({"info"})

    allowed: Open[AllowedType]
    token: Token
    location: LocationReferences | None = None
    authorization_reference: CiString36 | None = None
    info: DisplayText | None = None
