"""The SENDER interfaces: lists by pages, and real-time authorisation."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlencode
from uuid import uuid4

from ocpi.spec.tokens import LocationReferences
from ocpi.testing.emsp.state import Key, Routes, State, owned_key
from ocpi.testing.emsp.strict import read_document, refuse_defects
from ocpi.testing.emsp.wire import Answer, Document, Incoming, Refused, moment, ok

MOST_PER_PAGE = 100


async def list_objects(state: State, incoming: Incoming) -> Answer:
    """A page of what is stored, oldest creation first, with Link and counts (PG-01 to PG-09)."""
    query = incoming.query
    offset, limit = _number(query, "offset", 0), _number(query, "limit", MOST_PER_PAGE)
    limit = min(max(limit, 1), MOST_PER_PAGE)
    found = _between(state.documents(incoming.module), query)
    answer = ok(found[offset : offset + limit])
    answer.headers |= {"x-total-count": str(len(found)), "x-limit": str(MOST_PER_PAGE)}
    if offset + limit < len(found):
        following = urlencode({**query, "offset": offset + limit, "limit": limit})
        url = state.url(incoming.interface, incoming.module)
        answer.headers["link"] = f'<{url}?{following}>; rel="next"'
    return answer


async def authorize(state: State, incoming: Incoming) -> Answer:
    """Say whether a driver may charge (TK-02 to TK-07)."""
    uid, verb = incoming.rest
    if verb != "authorize":
        raise Refused(404, 2000, f"there is nothing called {verb!r} below a token")
    references = _read_references(incoming)
    kind = incoming.query.get("type", "RFID")
    key = _find_token(state, uid, kind)
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


def _number(query: Mapping[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not (text.isascii() and text.isdigit()):
        raise Refused(200, 2001, f"{name} is {text!r}, not a number (PG-12)")
    return int(text)


def _between(documents: list[Document], query: Mapping[str, str]) -> list[Document]:
    since, until = _date(query, "date_from"), _date(query, "date_to")
    return [
        document
        for document in documents
        if (since is None or moment(document["last_updated"]) >= since)
        and (until is None or moment(document["last_updated"]) < until)
    ]


def _date(query: Mapping[str, str], name: str) -> datetime | None:
    if name not in query:
        return None
    try:
        return moment(query[name])
    except ValueError as failure:
        raise Refused(200, 2001, f"{name} is {query[name]!r}, not a DateTime (PG-12)") from failure


def _find_token(state: State, uid: str, kind: str) -> Key:
    for party in state.parties:
        key = (*owned_key(party.country_code, party.party_id, uid), kind)
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
