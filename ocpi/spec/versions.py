"""The versions endpoint and the details of a version."""

from collections.abc import Iterator
from enum import StrEnum

from ocpi.spec.kinds import OpenEnum
from ocpi.spec.rules import unique_rules
from ocpi.spec.types import CalledURL, OCPIModel, Open, OpenAnyCase, Some


class InterfaceRole(StrEnum):
    SENDER = "SENDER"
    RECEIVER = "RECEIVER"


class VersionNumber(OpenEnum):
    V2_0 = "2.0"
    V2_1 = "2.1"
    V2_1_1 = "2.1.1"
    V2_2 = "2.2"
    V2_2_1 = "2.2.1"


class ModuleID(OpenEnum):
    CDRS = "cdrs"
    CHARGINGPROFILES = "chargingprofiles"
    COMMANDS = "commands"
    CREDENTIALS = "credentials"
    HUBCLIENTINFO = "hubclientinfo"
    LOCATIONS = "locations"
    SESSIONS = "sessions"
    TARIFFS = "tariffs"
    TOKENS = "tokens"


class Version(OCPIModel):
    version: Open[VersionNumber]
    url: CalledURL


class Endpoint(OCPIModel):
    identifier: OpenAnyCase[ModuleID]
    role: OpenAnyCase[InterfaceRole]
    url: CalledURL


class VersionDetails(OCPIModel):
    version: Open[VersionNumber]
    endpoints: Some[Endpoint]

    def broken_rules(self) -> Iterator[str]:
        # VE-06: both interfaces of a module are two entries, and each pair stands once.
        pairs = (f"{endpoint.identifier} {endpoint.role}" for endpoint in self.endpoints)
        yield from unique_rules("the endpoint", pairs)
