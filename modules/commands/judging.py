"""Whether a station is asked what a partner wants: pure rules over what is known here."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from modules.locations.parts import Place, find_part
from modules.sessions.store import FINAL
from ocpi.editing import Document
from ocpi.errors import InvalidParameters, UnknownLocation
from ocpi.headers import Party
from ocpi.spec.commands import (
    CancelReservation,
    ReserveNow,
    StartSession,
    StopSession,
    UnlockConnector,
)
from ocpi.spec.locations import Capability, Status
from ocpi.spec.tokens import Token
from ocpi.store import audience_of

Command = CancelReservation | ReserveNow | StartSession | StopSession | UnlockConnector


@dataclass(frozen=True)
class Verdict:
    """The immediate answer: a word of CommandResponseType or ChargingProfileResponseType."""

    result: str
    reason: str | None = None
    """For people; None where the station is asked."""


ACCEPTED = Verdict("ACCEPTED")


@dataclass(frozen=True)
class Scene:
    """What is known when a partner asks."""

    parties: Collection[str]
    """The keys of its parties."""
    now: datetime
    location: Document | None = None
    """The Location that it names, or that of the Session it names."""
    session: Document | None = None


def judge(wanted: Command, scene: Scene) -> Verdict:
    """The answer to a command that this CPO supports.

    Raises ``UnknownLocation`` for a Location, EVSE or Connector that is not there (CM-04), and
    ``InvalidParameters`` where the EVSE makes a field required that is missing (CM-18).
    """
    return next(_refusals(wanted, scene), ACCEPTED)


def _refusals(wanted: Command, scene: Scene) -> Iterator[Verdict]:
    match wanted:
        case StartSession():
            place = Place(wanted.location_id, wanted.evse_uid, wanted.connector_id)
            yield from _refuse_place(scene.location, place, Capability.REMOTE_START_STOP_CAPABLE)
            _require_connector(scene.location, place)
            yield from _refuse_token(wanted.token, scene.parties)
        case ReserveNow():
            place = Place(wanted.location_id, wanted.evse_uid)
            yield from _refuse_place(scene.location, place, Capability.RESERVABLE)
            yield from _refuse_token(wanted.token, scene.parties)
            if wanted.expiry_date <= scene.now:
                yield Verdict("REJECTED", "The expiry_date has passed.")
        case StopSession():
            yield from refuse_session(scene.session, scene.parties)
            evse = charging_evse(scene.session, scene.location)
            if evse is not None and not _can(evse, Capability.REMOTE_START_STOP_CAPABLE):
                yield _lacking(Capability.REMOTE_START_STOP_CAPABLE)
        case UnlockConnector():
            place = Place(wanted.location_id, wanted.evse_uid, wanted.connector_id)
            yield from _refuse_place(scene.location, place, Capability.UNLOCK_CAPABLE)
        case CancelReservation():
            # Whether the reservation exists is told as a result (CM-22).
            return


def refuse_session(session: Document | None, parties: Collection[str]) -> Iterator[Verdict]:
    """What is wrong with a session for the partner that names it (CM-05, CP-06).

    Whether another one's driver has a Session of that id is not told.
    """
    if session is None or audience_of(session).key not in parties:
        yield Verdict("UNKNOWN_SESSION", "No driver of yours has such a Session.")
    elif session["status"] in FINAL:
        yield Verdict("REJECTED", f"The Session is {session['status']}.")


def charging_evse(session: Document | None, location: Document | None) -> Document | None:
    """The EVSE of a Session, where its Location still has it."""
    if session is None or location is None:
        return None
    try:
        return find_part(location, Place(session["location_id"], session["evse_uid"]))
    except UnknownLocation:
        return None


def spelled_place(location: Document, place: Place) -> Place:
    """A place as its Location, EVSE and Connector write their ids, whatever the case asked for."""
    evse = place.evse_uid and find_part(location, Place(place.location_id, place.evse_uid))["uid"]
    connector = place.connector_id and find_part(location, place)["id"]
    return Place(location["id"], evse, connector)


def _refuse_place(
    location: Document | None, place: Place, capability: Capability
) -> Iterator[Verdict]:
    """Without `evse_uid` the station chooses, so one EVSE that can is enough."""
    if location is None:
        raise UnknownLocation(f"There is no Location {place.location_id}.")
    part = find_part(location, place)
    upper = Place(place.location_id, place.evse_uid)
    evses = [find_part(location, upper)] if place.evse_uid else part.get("evses", [])
    present = [evse for evse in evses if evse["status"] != Status.REMOVED]
    if not present:
        yield Verdict("REJECTED", f"There is no EVSE at {place} (any more).")
    elif not any(_can(evse, capability) for evse in present):
        yield _lacking(capability)


def _can(evse: Document, capability: Capability) -> bool:
    """An EVSE that lists no capabilities at all tells nothing, so its station decides."""
    capabilities = evse.get("capabilities", [])
    return not capabilities or capability in capabilities


def _lacking(capability: Capability) -> Verdict:
    return Verdict("NOT_SUPPORTED", f"The EVSE is not {capability}.")


def _require_connector(location: Document | None, place: Place) -> None:
    if location is None or place.evse_uid is None or place.connector_id is not None:
        return
    needed = Capability.START_SESSION_CONNECTOR_REQUIRED
    if needed in find_part(location, place).get("capabilities", []):
        raise InvalidParameters(f"connector_id: is required, for EVSE {place.evse_uid} is {needed}")


def _refuse_token(token: Token, parties: Collection[str]) -> Iterator[Verdict]:
    """An eMSP uses its own tokens only (CM-13); whether they are valid is its affair (CM-14)."""
    party = Party(token.country_code, token.party_id)
    if party.key not in parties:
        yield Verdict("REJECTED", f"The Token is of {party}, which is no party of yours.")
