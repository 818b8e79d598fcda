"""What the operator's backend is asked, and what it may answer: for the OpenAPI document."""

from typing import Annotated

from fastapi import APIRouter, Header
from pydantic import Field

from ocpi.gateway import Wish
from ocpi.spec.chargingprofiles import ActiveChargingProfile, ChargingProfile
from ocpi.spec.sessions import ChargingPreferences
from ocpi.spec.tokens import Token
from ocpi.spec.types import DateTime, OCPIModel

webhooks = APIRouter(tags=["stations"])


class StationDemand(OCPIModel):
    """What a station is to do."""

    id: str = Field(description="As in `webhook-id`; what comes twice with it is done once.")
    type: Wish
    country_code: str = Field(description="Of the party of ours that owns the station.")
    party_id: str
    station_id: str = Field(description="Location.id.")
    evse_uid: str | None = Field(None, description="Absent: the station chooses.")
    connector_id: str | None = None
    transaction_id: str | None = Field(
        None, description="Your name for the session meant, as you reported its start."
    )
    session_id: str | None = Field(
        None, description="The session meant: Session.id, also where no start was reported."
    )
    timeout: int = Field(description="Seconds after which the partner is told TIMEOUT.")
    token: Token | None = Field(None, description="START_SESSION, RESERVE_NOW: who is to charge.")
    reservation_id: int | None = Field(
        None, description="RESERVE_NOW, CANCEL_RESERVATION: our number; one known is replaced."
    )
    expiry_date: DateTime | None = Field(None, description="RESERVE_NOW: until when.")
    charging_profile: ChargingProfile | None = Field(None, description="SET_CHARGING_PROFILE.")
    duration: int | None = Field(
        None, description="GET_CHARGING_PROFILE: for how many seconds from now."
    )
    preferences: ChargingPreferences | None = Field(None, description="SET_CHARGING_PREFERENCES.")


class StationAnswer(OCPIModel):
    """What came of it, as far as it is known at once."""

    result: str = Field(
        description="CommandResultType, ChargingProfileResultType for profiles, or "
        "ChargingPreferencesResponse for preferences.",
        examples=["ACCEPTED"],
    )
    message: str | None = Field(None, description="For the partner, in English.")
    evse_uid: str | None = Field(None, description="RESERVE_NOW: the EVSE kept free.")
    connector_id: str | None = None
    profile: ActiveChargingProfile | None = Field(
        None, description="GET_CHARGING_PROFILE that is ACCEPTED."
    )


@webhooks.post(
    "station-demand",
    response_model=StationAnswer,
    summary="Have a station do something",
    responses={
        202: {"description": "The answer comes as a `result` report, within `timeout` seconds."},
        "4XX": {"description": "The station could not be asked: the partner is told FAILED."},
        "default": {"description": "It may have been asked: as 202, and TIMEOUT where none comes."},
    },
    openapi_extra={"security": []},
)
async def demand_of_station(
    demand: StationDemand,
    webhook_id: Annotated[str, Header(description="Unique for ever.")],
    webhook_timestamp: Annotated[int, Header(description="Seconds since 1970.")],
    webhook_signature: Annotated[
        str, Header(description="`v1,` and the Base64 of an HMAC-SHA256, see Standard Webhooks.")
    ],
) -> None:
    """Sent to OCPI_STATION_WEBHOOK_URL, signed with OCPI_STATION_WEBHOOK_SECRET.

    Answer within 20 seconds, or with HTTP 202. Charging preferences are answered at once, within
    10 seconds: their partner waits.
    """
    del demand, webhook_id, webhook_timestamp, webhook_signature
