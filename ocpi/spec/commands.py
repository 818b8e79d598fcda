"""Commands to a station, and what comes of them."""

from enum import StrEnum
from typing import Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from ocpi.spec.tokens import Token
from ocpi.spec.types import CalledURL, CiString36, DateTime, DisplayText, Integer, OCPIModel, Open


class CommandResponseType(StrEnum):
    NOT_SUPPORTED = "NOT_SUPPORTED"
    REJECTED = "REJECTED"
    ACCEPTED = "ACCEPTED"
    UNKNOWN_SESSION = "UNKNOWN_SESSION"


class CommandResultType(StrEnum):
    ACCEPTED = "ACCEPTED"
    CANCELED_RESERVATION = "CANCELED_RESERVATION"
    EVSE_OCCUPIED = "EVSE_OCCUPIED"
    EVSE_INOPERATIVE = "EVSE_INOPERATIVE"
    FAILED = "FAILED"
    NOT_SUPPORTED = "NOT_SUPPORTED"
    REJECTED = "REJECTED"
    TIMEOUT = "TIMEOUT"
    UNKNOWN_RESERVATION = "UNKNOWN_RESERVATION"


class CommandType(StrEnum):
    CANCEL_RESERVATION = "CANCEL_RESERVATION"
    RESERVE_NOW = "RESERVE_NOW"
    START_SESSION = "START_SESSION"
    STOP_SESSION = "STOP_SESSION"
    UNLOCK_CONNECTOR = "UNLOCK_CONNECTOR"


# What a driver may ask for; UNLOCK_CONNECTOR is for help desk operators only (CM-24).
FOR_DRIVERS = tuple(word for word in CommandType if word != CommandType.UNLOCK_CONNECTOR)


class CancelReservation(OCPIModel):
    response_url: CalledURL
    reservation_id: CiString36


class CommandResponse(OCPIModel):
    only_shown = frozenset({"message"})

    result: Open[CommandResponseType]
    timeout: Integer
    message: list[DisplayText] = []


class CommandResult(OCPIModel):
    only_shown = frozenset({"message"})

    result: Open[CommandResultType]
    message: list[DisplayText] = []


class ReserveNow(OCPIModel):
    response_url: CalledURL
    token: Token
    expiry_date: DateTime
    reservation_id: CiString36
    location_id: CiString36
    evse_uid: CiString36 | None = None
    authorization_reference: CiString36 | None = None


class StartSession(OCPIModel):
    response_url: CalledURL
    token: Token
    location_id: CiString36
    evse_uid: CiString36 | None = None
    connector_id: CiString36 | None = None
    authorization_reference: CiString36 | None = None

    @model_validator(mode="after")
    def _names_the_evse_of_its_connector(self) -> Self:
        # Refused, for Connector ids are unique only inside their EVSE: none could be chosen.
        if self.connector_id is not None and self.evse_uid is None:
            raise PydanticCustomError("no_evse", "connector_id is given without evse_uid")
        return self


class StopSession(OCPIModel):
    response_url: CalledURL
    session_id: CiString36


class UnlockConnector(OCPIModel):
    response_url: CalledURL
    location_id: CiString36
    evse_uid: CiString36
    connector_id: CiString36
