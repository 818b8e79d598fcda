"""Who is connected to a hub."""

from collections.abc import Iterator
from enum import StrEnum

from ocpi.spec.rules import owner_rules
from ocpi.spec.types import CiString2, CiString3, DateTime, OCPIModel, OpenAnyCase, Role


class ConnectionStatus(StrEnum):
    CONNECTED = "CONNECTED"
    OFFLINE = "OFFLINE"
    PLANNED = "PLANNED"
    SUSPENDED = "SUSPENDED"


class ClientInfo(OCPIModel):
    party_id: CiString3
    country_code: CiString2
    role: OpenAnyCase[Role]
    status: OpenAnyCase[ConnectionStatus]
    last_updated: DateTime

    def broken_rules(self) -> Iterator[str]:
        yield from owner_rules(self.country_code, self.party_id)
