"""Credentials: how a platform introduces itself and its parties."""

from collections.abc import Iterator

from ocpi.spec.locations import BusinessDetails
from ocpi.spec.rules import owner_rules, unique_rules
from ocpi.spec.types import (
    CalledURL,
    CiString2,
    CiString3,
    CredentialsToken,
    OCPIModel,
    OpenAnyCase,
    Role,
    Some,
)


class CredentialsRole(OCPIModel):
    role: OpenAnyCase[Role]
    business_details: BusinessDetails
    party_id: CiString3
    country_code: CiString2

    def broken_rules(self) -> Iterator[str]:
        yield from owner_rules(self.country_code, self.party_id)


class Credentials(OCPIModel):
    token: CredentialsToken
    url: CalledURL
    roles: Some[CredentialsRole]

    def broken_rules(self) -> Iterator[str]:
        # CR-25. Party codes are CiStrings, so their case doesn't part them.
        keys = (f"{role.role} {role.country_code}-{role.party_id}".upper() for role in self.roles)
        yield from unique_rules("the role", keys)
