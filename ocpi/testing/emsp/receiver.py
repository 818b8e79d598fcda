"""The RECEIVER interfaces: what the peer pushes is judged, stored and shown again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ocpi.spec.cdrs import CDR
from ocpi.spec.locations import EVSE, Connector, Location
from ocpi.spec.sessions import Session
from ocpi.spec.tariffs import Tariff
from ocpi.spec.types import OCPIModel
from ocpi.testing.emsp.state import Key, Routes, State, owned_key
from ocpi.testing.emsp.strict import (
    is_older,
    read_document,
    refuse_defects,
    refuse_mismatch,
    speaks_for,
)
from ocpi.testing.emsp.wire import Answer, Document, Incoming, Refused, moment, ok, segment


@dataclass(frozen=True)
class Level:
    """One step down into an object: the list it is in, the member that names it, its type."""

    inside: str
    name: str
    model: type[OCPIModel]


LEVELS = {
    "locations": (
        Level("", "id", Location),
        Level("evses", "uid", EVSE),
        Level("connectors", "id", Connector),
    ),
    "sessions": (Level("", "id", Session),),
    "tariffs": (Level("", "id", Tariff),),
    "cdrs": (Level("", "id", CDR),),
}


async def get_object(state: State, incoming: Incoming) -> Answer:
    chain = _follow(state, incoming)
    if len(chain) < len(incoming.rest) - 2:
        raise _missing(incoming, objection=False)
    return ok(chain[-1])


async def put_object(state: State, incoming: Incoming) -> Answer:
    level = _level(incoming)
    refuse_stranger(state, incoming.rest[:2])
    document = read_document(incoming)
    refuse_mismatch(document, _expected(incoming))
    refuse_defects(document, level.model)
    chain = _follow(state, incoming)
    parents = chain[: len(incoming.rest) - 3]
    if len(parents) < len(incoming.rest) - 3:
        raise _missing(incoming)
    stored = chain[-1] if len(chain) > len(parents) else None
    if is_older(incoming, document, stored):
        return ok(message="Newer data is stored already.")
    _check_session(state, incoming, document, stored)
    if parents:
        _place(parents[-1], level, document, stored)
        _raise_parents(parents, document["last_updated"])
    else:
        state.objects[incoming.module][owned_key(*incoming.rest)] = document
    return ok(created=stored is None)


async def patch_object(state: State, incoming: Incoming) -> Answer:
    """Only what is given changes; Session `charging_periods` are appended (SE-11)."""
    refuse_stranger(state, incoming.rest[:2])
    changes = read_document(incoming)
    _refuse_patch(incoming, changes)
    chain = _follow(state, incoming)
    if len(chain) < len(incoming.rest) - 2:
        raise _missing(incoming, objection=False)
    stored = chain[-1]
    merged = {**stored, **changes}
    if incoming.module == "sessions" and isinstance(changes.get("charging_periods"), list):
        kept = stored.get("charging_periods") or []
        merged["charging_periods"] = [*kept, *changes["charging_periods"]]
    refuse_defects(merged, _level(incoming).model)
    if is_older(incoming, merged, stored):
        return ok(message="Newer data is stored already.")
    _check_session(state, incoming, merged, stored)
    stored.update(merged)
    _raise_parents(chain[:-1], merged["last_updated"])
    return ok()


async def delete_object(state: State, incoming: Incoming) -> Answer:
    refuse_stranger(state, incoming.rest[:2])
    if state.objects[incoming.module].pop(owned_key(*incoming.rest), None) is None:
        raise _missing(incoming, objection=False)
    return ok()


async def post_cdr(state: State, incoming: Incoming) -> Answer:
    """Store once; the same CDR again gets the same Location, another under its id 2001 (CD-05)."""
    document = read_document(incoming)
    refuse_defects(document, CDR)
    owner = (document["country_code"], document["party_id"])
    refuse_stranger(state, owner)
    _check_cdr_token(state, incoming, document)
    key = owned_key(*owner, document["id"])
    stored = state.objects["cdrs"].get(key)
    if stored is not None and stored != document:
        raise Refused(200, 2001, f"the CDR {document['id']} was sent before and differs (CD-08)")
    state.objects["cdrs"][key] = document
    answer = ok(created=stored is None)
    parts = [segment(part) for part in (*owner, document["id"])]
    answer.headers["location"] = state.url("receiver", "cdrs", *parts)
    return answer


async def get_cdr(state: State, incoming: Incoming) -> Answer:
    found = state.objects["cdrs"].get(owned_key(*incoming.rest))
    if found is None:
        raise _missing(incoming, objection=False)
    return ok(found)


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
CDR_ROUTES: Routes = {("POST", 0): post_cdr, ("GET", 3): get_cdr}


def refuse_stranger(state: State, owner: tuple[str, ...]) -> None:
    """Answer 404 for an owner that the peer does not speak for (CO-06)."""
    country_code, party_id = (part.upper() for part in owner)
    if not speaks_for(state, (country_code, party_id)):
        message = f"the owner {country_code}*{party_id} is no party of the peer's (CO-06)"
        raise Refused(404, 2000, message)


def _level(incoming: Incoming) -> Level:
    return LEVELS[incoming.module][len(incoming.rest) - 3]


def _expected(incoming: Incoming) -> dict[str, str]:
    name = _level(incoming).name
    if len(incoming.rest) == 3:
        return dict(zip(("country_code", "party_id", name), incoming.rest, strict=True))
    return {name: incoming.rest[-1]}


def _follow(state: State, incoming: Incoming) -> list[Document]:
    """The stored object, then what the path names inside it, as far as it exists."""
    key: Key = owned_key(*incoming.rest[:3])
    found = state.objects[incoming.module].get(key)
    chain = [] if found is None else [found]
    for level, wanted in zip(LEVELS[incoming.module][1:], incoming.rest[3:], strict=False):
        items: list[Document] = (chain[-1].get(level.inside) or []) if chain else []
        match = [item for item in items if item[level.name].upper() == wanted.upper()]
        if not match:
            break
        chain.append(match[0])
    return chain


def _place(parent: Document, level: Level, document: Document, stored: Document | None) -> None:
    items: list[Any] = parent.get(level.inside) or []
    kept = [document if item is stored else item for item in items]
    parent[level.inside] = kept if stored is not None else [*items, document]


def _raise_parents(parents: list[Document], last_updated: str) -> None:
    """What changes inside moves what is around it (LO-08, LO-09)."""
    for parent in parents:
        if moment(parent["last_updated"]) < moment(last_updated):
            parent["last_updated"] = last_updated


def _refuse_patch(incoming: Incoming, changes: Document) -> None:
    if not isinstance(changes.get("last_updated"), str):
        raise Refused(200, 2001, "the PATCH has no last_updated (PP-07)")
    empty = sorted(name for name, value in changes.items() if value is None)
    if empty:
        raise Refused(200, 2001, f"a PATCH cannot remove {', '.join(empty)} (PP-06)")
    refuse_mismatch(changes, _expected(incoming))
    if "evses" in changes:
        incoming.objections.append("a PATCH of a Location leaves its evses alone (AT-32)")


def _check_session(
    state: State, incoming: Incoming, document: Document, stored: Document | None
) -> None:
    if incoming.module != "sessions":
        return
    _check_cdr_token(state, incoming, document)
    if stored is not None and stored["status"] == "COMPLETED" and stored != document:
        incoming.objections.append("the session was COMPLETED and changes again (SE-14)")


def _check_cdr_token(state: State, incoming: Incoming, document: Document) -> None:
    token = document["cdr_token"]
    pair = (token["country_code"].upper(), token["party_id"].upper())
    if not state.hosts(pair):
        shown = "*".join(pair)
        incoming.objections.append(f"its cdr_token is of {shown}, who is not us (SE-09, CD-06)")


def _missing(incoming: Incoming, *, objection: bool = True) -> Refused:
    status_code = 2003 if incoming.module == "locations" else 2000
    return Refused(
        404, status_code, f"{'/'.join(incoming.rest)} is not known here", objection=objection
    )
