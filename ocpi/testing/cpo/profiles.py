"""What a running session is told: charging profiles with their results, and preferences."""

from __future__ import annotations

from contextlib import suppress

from ocpi.spec.chargingprofiles import SetChargingProfile
from ocpi.spec.sessions import ChargingPreferences
from ocpi.testing.cpo.answering import TIMEOUT, Question, judge_session, read_question, report
from ocpi.testing.cpo.charging import find_place, find_session
from ocpi.testing.mock.outgoing import PeerFailed
from ocpi.testing.mock.receiver import missing
from ocpi.testing.mock.sender import addressed_party
from ocpi.testing.mock.state import Key, Routes, State, key_of, owned_key
from ocpi.testing.mock.strict import read_document, refuse_defects
from ocpi.testing.mock.wire import Answer, Document, Incoming, Refused, now, ok


async def put_profile(state: State, incoming: Incoming) -> Answer:
    body = read_document(incoming)
    refuse_defects(body, SetChargingProfile)
    return _answer(state, incoming, body["response_url"], body["charging_profile"])


async def get_profile(state: State, incoming: Incoming) -> Answer:
    duration = _required(incoming, "duration")
    if not (duration.isascii() and duration.isdigit()):
        raise Refused(200, 2001, f"the duration is {duration!r}, not a number (CP-01)")
    return _answer(state, incoming, _required(incoming, "response_url"))


async def delete_profile(state: State, incoming: Incoming) -> Answer:
    return _answer(state, incoming, _required(incoming, "response_url"))


async def put_preferences(state: State, incoming: Incoming) -> Answer:
    """Keep what the driver prefers, where the EVSE can do with it (SE-06)."""
    session_id, what = incoming.rest
    owner = addressed_party(state, incoming)
    session = find_session(state, owner, session_id)
    if what != "charging_preferences" or session is None:
        raise missing(incoming, objection=False)
    preferences = read_document(incoming)
    refuse_defects(preferences, ChargingPreferences)
    place = find_place(state, owner, session)
    if not place or "CHARGING_PREFERENCES_CAPABLE" not in (place[1].get("capabilities") or []):
        raise Refused(404, 2001, "The EVSE has no use for preferences.", objection=False)
    state.preferences[key_of("sessions", session)] = preferences
    return ok("ACCEPTED")


PROFILE_ROUTES: Routes = {
    ("PUT", 1): put_profile,
    ("GET", 1): get_profile,
    ("DELETE", 1): delete_profile,
}


def _required(incoming: Incoming, name: str) -> str:
    if not incoming.query.get(name):
        raise Refused(200, 2001, f"{name} is missing in the query (CP-01, CP-02)")
    return incoming.query[name]


def _answer(
    state: State, incoming: Incoming, response_url: str, profile: Document | None = None
) -> Answer:
    [session_id] = incoming.rest
    question = read_question(state, incoming, response_url)
    verdict = judge_session(state, question, session_id)
    if verdict != "ACCEPTED":
        return ok({"result": verdict, "timeout": 0})
    key = owned_key(*question.owner, session_id)
    incoming.afterwards.append(_carry_out(state, incoming.method, key, profile, question))
    return ok({"result": verdict, "timeout": TIMEOUT})


async def _carry_out(
    state: State, method: str, key: Key, profile: Document | None, question: Question
) -> None:
    # A lost result need not be repeated (CM-11), and the log of messages shows it.
    with suppress(PeerFailed):
        await report(state, question, _perform(state, method, key, profile))


def _perform(state: State, method: str, key: Key, profile: Document | None) -> Document:
    """Set, show or clear the session's profile; UNKNOWN where there is none (CP-08)."""
    if profile is not None:
        state.profiles[key] = profile
        return {"result": "ACCEPTED"}
    found = state.profiles.get(key)
    if found is None:
        return {"result": "UNKNOWN"}
    if method == "DELETE":
        del state.profiles[key]
        return {"result": "ACCEPTED"}
    active = {"start_date_time": now(), "charging_profile": found}
    return {"result": "ACCEPTED", "profile": active}
