"""The RECEIVER interfaces of an eMSP: what a CPO publishes, and its bills."""

from __future__ import annotations

from ocpi.spec.cdrs import CDR
from ocpi.testing.mock.receiver import (
    check_cdr_token,
    delete_object,
    get_object,
    patch_object,
    put_object,
    refuse_stranger,
)
from ocpi.testing.mock.state import Routes, State, key_of, owner_of
from ocpi.testing.mock.strict import read_document, refuse_defects
from ocpi.testing.mock.wire import Answer, Incoming, Refused, ok, segment


async def post_cdr(state: State, incoming: Incoming) -> Answer:
    """Store once; the same CDR again gets the same Location, another under its id 2001 (CD-05)."""
    document = read_document(incoming)
    refuse_defects(document, CDR)
    owner = owner_of(document)
    refuse_stranger(state, incoming, owner)
    check_cdr_token(state, incoming, document)
    key = key_of("cdrs", document)
    stored = state.objects["cdrs"].get(key)
    if stored is not None and stored != document:
        raise Refused(200, 2001, f"the CDR {document['id']} was sent before and differs (CD-08)")
    state.objects["cdrs"][key] = document
    answer = ok(created=stored is None)
    parts = [segment(part) for part in (*owner, document["id"])]
    answer.headers["location"] = state.url("receiver", "cdrs", *parts)
    return answer


LOCATION_ROUTES: Routes = {
    (method, depth): handler
    for depth in (3, 4, 5)
    for method, handler in (("GET", get_object), ("PUT", put_object), ("PATCH", patch_object))
}
SESSION_ROUTES: Routes = {
    ("GET", 3): get_object,
    ("PUT", 3): put_object,
    ("PATCH", 3): patch_object,
}
TARIFF_ROUTES: Routes = {
    ("GET", 3): get_object,
    ("PUT", 3): put_object,
    ("DELETE", 3): delete_object,
}
CDR_ROUTES: Routes = {("POST", 0): post_cdr, ("GET", 3): get_object}
