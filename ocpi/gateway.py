"""What the program needs of the stations' hardware: to ask one to do something, and its answer."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from ocpi.headers import Party

Document = dict[str, Any]


class Wish(StrEnum):
    """What a station is asked for; the first five are OCPI's CommandType."""

    START_SESSION = "START_SESSION"
    STOP_SESSION = "STOP_SESSION"
    RESERVE_NOW = "RESERVE_NOW"
    CANCEL_RESERVATION = "CANCEL_RESERVATION"
    UNLOCK_CONNECTOR = "UNLOCK_CONNECTOR"
    SET_CHARGING_PROFILE = "SET_CHARGING_PROFILE"
    GET_CHARGING_PROFILE = "GET_CHARGING_PROFILE"
    CLEAR_CHARGING_PROFILE = "CLEAR_CHARGING_PROFILE"
    SET_CHARGING_PREFERENCES = "SET_CHARGING_PREFERENCES"


@dataclass(frozen=True)
class Demand:
    """One wish to a station: a Location's hardware."""

    id: str
    """Unique for ever; who is asked twice with the same id does it once."""
    wish: Wish
    owner: Party
    location_id: str
    evse_uid: str | None = None
    connector_id: str | None = None
    transaction_id: str | None = None
    """The station's own name for the session meant."""
    session_id: str | None = None
    """Its Session: what names one that no station has reported."""
    details: Document = field(default_factory=dict)
    """What the wish needs: `token`, `expiry_date`, `reservation_id` (ours), `charging_profile`,
    `duration` in seconds, `preferences`."""
    timeout: float = 30.0
    """Seconds within which an answer is of use."""


class GatewayFailed(Exception):
    """The station could not be asked; the message says why, for staff."""


class Gateway(Protocol):
    """One kind of way to stations."""

    async def ask(self, demand: Demand) -> Document | None:
        """Ask a station; gives its answer, None when that will come as a report.

        An answer has a `result`, a word of the result type that belongs to the wish
        (CommandResultType, ChargingProfileResultType, ChargingPreferencesResponse), and may have
        `message`, `evse_uid`, `connector_id` and `profile`. Raises ``GatewayFailed``.
        """
        ...

    def supports(self, wish: Wish) -> bool:
        """Whether such stations can be asked for this at all."""
        ...

    async def close(self) -> None:
        """Let go of what it holds."""
        ...


class NoGateway:
    """Stands where no station can be reached: everything is refused as not supported."""

    async def ask(self, demand: Demand) -> Document | None:
        """Nobody is there to be asked."""
        raise GatewayFailed(f"No gateway to stations is set up, so nobody does {demand.wish}.")

    def supports(self, wish: Wish) -> bool:
        """Nothing."""
        del wish
        return False

    async def close(self) -> None:
        """It holds nothing."""
