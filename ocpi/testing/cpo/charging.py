"""What the mock's stations do when they are told to: they reserve, charge and stop."""

from __future__ import annotations

from uuid import uuid4

from ocpi.testing.mock.outgoing import Address
from ocpi.testing.mock.receiver import find_chain
from ocpi.testing.mock.state import State, key_of, owned_key
from ocpi.testing.mock.wire import Document, now

CDR_TOKEN = ("country_code", "party_id", "uid", "type", "contract_id")


def perform(
    state: State, command: str, body: Document, owner: Address, asker: Address
) -> tuple[str, Document | None]:
    """Do what the `asker` wants of a station of the owner's: its result, and a Session if any."""
    outcome = state.outcomes.get(command, "ACCEPTED")
    if outcome != "ACCEPTED":
        return outcome, None
    match command:
        case "START_SESSION":
            return _start_session(state, body, owner)
        case "STOP_SESSION":
            return "ACCEPTED", _stop_session(state, body, owner)
        case "RESERVE_NOW":
            state.reservations.add(owned_key(*asker, body["reservation_id"]))
        case "CANCEL_RESERVATION":
            return _cancel_reservation(state, body, asker), None
    return "ACCEPTED", None


def find_session(state: State, owner: Address, session_id: str) -> Document | None:
    return state.objects["sessions"].get(owned_key(*owner, session_id))


def find_place(state: State, owner: Address, body: Document) -> list[Document]:
    """Location, EVSE and Connector, as far as a command names them; empty if one is not there."""
    named = [body.get(name) for name in ("location_id", "evse_uid", "connector_id")]
    path = (*owner, *(each for each in named if each is not None))
    chain = find_chain(state, "locations", path)
    return chain if len(chain) == len(path) - 2 else []


def _start_session(state: State, body: Document, owner: Address) -> tuple[str, Document | None]:
    location, *inside = find_place(state, owner, body)
    there = [evse for evse in location.get("evses") or [] if evse["status"] != "REMOVED"]
    evses = inside[:1] or there
    if not evses:
        return "EVSE_INOPERATIVE", None
    connector = [*inside[1:], *evses[0]["connectors"]][0]
    began = now()
    session: Document = {
        "country_code": location["country_code"],
        "party_id": location["party_id"],
        "id": str(uuid4()),
        "start_date_time": began,
        "kwh": 0,
        "cdr_token": {name: body["token"][name] for name in CDR_TOKEN},
        "auth_method": "COMMAND",
        "location_id": location["id"],
        "evse_uid": evses[0]["uid"],
        "connector_id": connector["id"],
        "currency": "EUR",
        "status": "ACTIVE",
        "last_updated": began,
    }
    if reference := body.get("authorization_reference"):
        session["authorization_reference"] = reference
    state.objects["sessions"][key_of("sessions", session)] = session
    return "ACCEPTED", session


def _stop_session(state: State, body: Document, owner: Address) -> Document:
    session = state.objects["sessions"][owned_key(*owner, body["session_id"])]
    ended = now()
    session |= {"status": "COMPLETED", "end_date_time": ended, "last_updated": ended}
    return session


def _cancel_reservation(state: State, body: Document, asker: Address) -> str:
    """Of its own reservations an eMSP may cancel any (CM-21, CM-22)."""
    key = owned_key(*asker, body["reservation_id"])
    if key not in state.reservations:
        return "UNKNOWN_RESERVATION"
    state.reservations.remove(key)
    return "ACCEPTED"
