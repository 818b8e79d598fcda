"""What a running session is to do: charging profiles with their results, and preferences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import quote, urlencode
from uuid import uuid4

from ocpi.spec.chargingprofiles import (
    ActiveChargingProfile,
    ActiveChargingProfileResult,
    ChargingProfileResponse,
    ChargingProfileResult,
    ClearProfileResult,
)
from ocpi.spec.sessions import ChargingPreferencesResponse
from ocpi.testing.emsp.results import find_errand, send, take_result
from ocpi.testing.mock.errands import ProfileRequest, Terms
from ocpi.testing.mock.outgoing import (
    Address,
    Reply,
    ask_peer,
    first_party,
    known_peer,
    succeeded,
)
from ocpi.testing.mock.state import Routes, State
from ocpi.testing.mock.strict import read_document, refuse_defects
from ocpi.testing.mock.wire import Answer, Document, Incoming, ok, segment

TERMS = {
    method: Terms(ChargingProfileResponse, result, "CP-06", "CP-07", "CP-05")
    for method, result in (
        ("PUT", ChargingProfileResult),
        ("GET", ActiveChargingProfileResult),
        ("DELETE", ClearProfileResult),
    )
}


async def set_profile(
    state: State,
    session_id: str,
    profile: Document,
    to: Address | None = None,
    sender: Address | None = None,
) -> ProfileRequest:
    request = _new_request(state, "PUT", session_id, to, sender)
    request.body = {"charging_profile": profile, "response_url": request.response_url}
    return await _ask(state, request, {})


async def get_profile(
    state: State,
    session_id: str,
    duration: int,
    to: Address | None = None,
    sender: Address | None = None,
) -> ProfileRequest:
    """Ask for the active profile of the next `duration` seconds."""
    request = _new_request(state, "GET", session_id, to, sender)
    query = {"duration": str(duration), "response_url": request.response_url}
    return await _ask(state, request, query)


async def clear_profile(
    state: State, session_id: str, to: Address | None = None, sender: Address | None = None
) -> ProfileRequest:
    request = _new_request(state, "DELETE", session_id, to, sender)
    return await _ask(state, request, {"response_url": request.response_url})


async def set_preferences(
    state: State,
    session_id: str,
    preferences: Document,
    to: Address | None = None,
    sender: Address | None = None,
) -> Reply:
    path = f"/{segment(session_id)}/charging_preferences"
    reply = await ask_peer(
        state, "PUT", "SENDER", "sessions", path, body=preferences, to=to, sender=sender
    )
    if succeeded(reply) and reply.data not in list(ChargingPreferencesResponse):
        reply.message.blame(f"{reply.data!r} is no ChargingPreferencesResponse (SE-05)")
    return reply


async def post_result(state: State, incoming: Incoming) -> Answer:
    request = find_errand(state, ProfileRequest, incoming.query.get("request_id", ""))
    result = take_result(incoming, request)
    incoming.objections += _object_to_profile(request, result)
    return ok()


async def put_active_profile(state: State, incoming: Incoming) -> Answer:
    """Keep what the peer tells of a session's profile, also where none was ever set (CP-12)."""
    [session_id] = incoming.rest
    profile = read_document(incoming)
    refuse_defects(profile, ActiveChargingProfile)
    wanted = session_id.upper()
    if not any(
        request.session_id.upper() == wanted and request.may_have_set()
        for request in state.profile_requests
    ):
        incoming.objections.append(f"no profile was ever set for session {session_id} (CP-12)")
    state.profile_updates.setdefault(wanted, []).append(profile)
    return ok()


PROFILE_ROUTES: Routes = {("POST", 1): post_result, ("PUT", 1): put_active_profile}


def _new_request(
    state: State, method: str, session_id: str, to: Address | None, sender: Address | None
) -> ProfileRequest:
    """Its response_url has a query, as in OCPI's examples: who does not encode it loses it."""
    uid = str(uuid4())
    return ProfileRequest(
        uid=uid,
        terms=TERMS[method],
        response_url=f"{state.url('sender', 'chargingprofiles', 'result')}?request_id={uid}",
        to=to or first_party(known_peer(state)),
        sender=sender or state.own_party(),
        body=None,
        method=method,
        session_id=session_id,
    )


async def _ask(state: State, request: ProfileRequest, query: Mapping[str, str]) -> ProfileRequest:
    encoded = urlencode(query, quote_via=quote, safe="")
    path = f"/{segment(request.session_id)}" + (f"?{encoded}" if encoded else "")
    await send(state, request, request.method, "chargingprofiles", path)
    return request


def _object_to_profile(request: ProfileRequest, result: Document) -> Iterator[str]:
    given = result.get("profile") is not None
    if given != (request.method == "GET" and result["result"] == "ACCEPTED"):
        name, has = request.terms.result.__name__, "a" if given else "no"
        yield f"the {name} {result['result']} has {has} profile (CP-07, CP-08)"
