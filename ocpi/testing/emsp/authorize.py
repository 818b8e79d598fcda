"""Real-time authorisation, as the eMSP that issued the token answers it."""

from __future__ import annotations

from uuid import uuid4

from ocpi.spec.tokens import LocationReferences
from ocpi.testing.mock.sender import list_objects
from ocpi.testing.mock.state import Key, Routes, State, owned_key
from ocpi.testing.mock.strict import read_document, refuse_defects
from ocpi.testing.mock.wire import TO, Answer, Document, Incoming, Refused, ok


async def authorize(state: State, incoming: Incoming) -> Answer:
    """Say whether a driver may charge (TK-02 to TK-07)."""
    uid, verb = incoming.rest
    if verb != "authorize":
        raise Refused(404, 2000, f"there is nothing called {verb!r} below a token")
    references = _read_references(incoming)
    kind = incoming.query.get("type", "RFID")
    key = _find_token(state, incoming, uid, kind)
    if key in state.needs_location and references is None:
        raise Refused(200, 2002, "This token needs LocationReferences.", objection=False)
    allowed = state.verdicts.get(key, "ALLOWED")
    info: Document = {"allowed": allowed, "token": state.objects["tokens"][key]}
    if allowed == "ALLOWED":
        info["authorization_reference"] = str(uuid4())
        if references is not None:
            info["location"] = _chargeable(state, references)
    return ok(info)


TOKEN_ROUTES: Routes = {("GET", 0): list_objects, ("POST", 2): authorize}


def _find_token(state: State, incoming: Incoming, uid: str, kind: str) -> Key:
    """The addressed party's token, or any of ours where none is addressed (RT-05)."""
    to = incoming.pair(TO)
    ours = [(party.country_code, party.party_id) for party in state.parties]
    for owner in [to] if all(to) else ours:
        key = (*owned_key(*owner, uid), kind)
        if key in state.objects["tokens"]:
            return key
    raise Refused(404, 2004, f"the token {uid} of type {kind} is not known", objection=False)


def _read_references(incoming: Incoming) -> Document | None:
    """An empty body and `null` both mean that there are none (AT-65)."""
    if incoming.body.strip() in {b"", b"null"}:
        return None
    document = read_document(incoming)
    refuse_defects(document, LocationReferences)
    return document


def _chargeable(state: State, references: Document) -> Document:
    """The EVSEs of those asked for that are still there; a Location we do not know is fine."""
    wanted = references["location_id"].upper()
    known = [d for d in state.documents("locations") if d["id"].upper() == wanted]
    if not known:
        return references
    there = {
        evse["uid"].upper()
        for document in known
        for evse in document.get("evses") or []
        if evse["status"] != "REMOVED"
    }
    uids = [uid for uid in references.get("evse_uids") or [] if uid.upper() in there]
    return {"location_id": references["location_id"], **({"evse_uids": uids} if uids else {})}
