"""What the peer pushes is judged, stored and shown again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ocpi.spec.cdrs import CDR
from ocpi.spec.locations import EVSE, Connector, Location
from ocpi.spec.sessions import Session
from ocpi.spec.tariffs import Tariff
from ocpi.spec.tokens import Token
from ocpi.spec.types import OCPIModel
from ocpi.testing.mock.state import Key, State, owned_key, owner_of
from ocpi.testing.mock.strict import (
    is_of_hub,
    is_older,
    read_document,
    refuse_defects,
    refuse_mismatch,
    speaks_for,
)
from ocpi.testing.mock.wire import FROM, Answer, Document, Incoming, Refused, moment, ok


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
    "tokens": (Level("", "uid", Token),),
}


async def get_object(state: State, incoming: Incoming) -> Answer:
    chain = find_chain(state, incoming.module, incoming.rest, kind_of(incoming))
    if len(chain) < len(incoming.rest) - 2:
        raise missing(incoming, objection=False)
    return ok(chain[-1])


async def put_object(state: State, incoming: Incoming) -> Answer:
    level = _level(incoming)
    refuse_stranger(state, incoming, incoming.rest[:2])
    document = read_document(incoming)
    refuse_mismatch(document, _expected(incoming))
    refuse_defects(document, level.model)
    chain = find_chain(state, incoming.module, incoming.rest, kind_of(incoming))
    parents = chain[: len(incoming.rest) - 3]
    if len(parents) < len(incoming.rest) - 3:
        raise missing(incoming)
    stored = chain[-1] if len(chain) > len(parents) else None
    if is_older(incoming, document, stored):
        return ok(message="Newer data is stored already.")
    _check_session(state, incoming, document, stored)
    if parents:
        _place(parents[-1], level, document, stored)
        raise_parents(parents, document["last_updated"])
    else:
        state.objects[incoming.module][_key(incoming)] = document
    return ok(created=stored is None)


async def patch_object(state: State, incoming: Incoming) -> Answer:
    """Only what is given changes."""
    refuse_stranger(state, incoming, incoming.rest[:2])
    changes = read_document(incoming)
    _refuse_patch(incoming, changes)
    chain = find_chain(state, incoming.module, incoming.rest, kind_of(incoming))
    if len(chain) < len(incoming.rest) - 2:
        raise missing(incoming, objection=False)
    stored = chain[-1]
    merged = merge(incoming.module, stored, changes)
    refuse_defects(merged, _level(incoming).model)
    if is_older(incoming, merged, stored):
        return ok(message="Newer data is stored already.")
    _check_session(state, incoming, merged, stored)
    stored.update(merged)
    raise_parents(chain[:-1], merged["last_updated"])
    return ok()


async def delete_object(state: State, incoming: Incoming) -> Answer:
    refuse_stranger(state, incoming, incoming.rest[:2])
    if state.objects[incoming.module].pop(_key(incoming), None) is None:
        raise missing(incoming, objection=False)
    return ok()


def merge(module: str, stored: Document, changes: Document) -> Document:
    """What a PATCH makes of an object; Session `charging_periods` are appended (SE-11)."""
    merged = {**stored, **changes}
    if module == "sessions" and isinstance(changes.get("charging_periods"), list):
        kept = stored.get("charging_periods") or []
        merged["charging_periods"] = [*kept, *changes["charging_periods"]]
    return merged


def raise_parents(parents: list[Document], last_updated: str) -> None:
    """What changes inside moves what is around it (LO-08, LO-09)."""
    for parent in parents:
        if moment(parent["last_updated"]) < moment(last_updated):
            parent["last_updated"] = last_updated


def find_chain(
    state: State, module: str, path: tuple[str, ...], kind: tuple[str, ...] = ()
) -> list[Document]:
    """The stored object, then what the path names inside it, as far as it exists.

    The path begins with country code, party id and id; a Token's `kind` is its type.
    """
    found = state.objects[module].get((*owned_key(*path[:3]), *kind))
    chain = [] if found is None else [found]
    for level, wanted in zip(LEVELS[module][1:], path[3:], strict=False):
        items: list[Document] = (chain[-1].get(level.inside) or []) if chain else []
        match = [item for item in items if item[level.name].upper() == wanted.upper()]
        if not match:
            break
        chain.append(match[0])
    return chain


def kind_of(incoming: Incoming) -> tuple[str, ...]:
    """The type of Token that is meant, where Tokens are (TK-11)."""
    return (incoming.query.get("type", "RFID"),) if incoming.module == "tokens" else ()


def refuse_stranger(state: State, incoming: Incoming, owner: tuple[str, ...]) -> None:
    """Answer 404 for an owner that the peer does not speak for (CO-06, IP-11).

    Through a hub a party tells of its own objects only, unless the hub spreads them (RT-31).
    """
    country_code, party_id = (part.upper() for part in owner)
    if not speaks_for(state, (country_code, party_id)):
        message = f"the owner {country_code}*{party_id} is no party of the peer's (CO-06)"
        raise Refused(404, 2000, message)
    sender = incoming.pair(FROM)
    behind_hub = state.peer is not None and state.peer.is_hub() and all(sender)
    if behind_hub and not is_of_hub(state, sender) and sender != (country_code, party_id):
        told = "*".join(sender)
        raise Refused(404, 2000, f"{told} tells of what is {country_code}*{party_id}'s (IP-11)")


def missing(incoming: Incoming, *, objection: bool = True) -> Refused:
    status_code = {"locations": 2003, "tokens": 2004}.get(incoming.module, 2000)
    return Refused(
        404, status_code, f"{'/'.join(incoming.rest)} is not known here", objection=objection
    )


def check_cdr_token(state: State, incoming: Incoming, document: Document) -> None:
    """Object to the token of another party than ours (SE-09, CD-06)."""
    country_code, party_id = owner_of(document["cdr_token"])
    if not state.hosts((country_code.upper(), party_id.upper())):
        incoming.objections.append(
            f"its cdr_token is of {country_code}*{party_id}, who is not us (SE-09, CD-06)"
        )


def _level(incoming: Incoming) -> Level:
    return LEVELS[incoming.module][len(incoming.rest) - 3]


def _key(incoming: Incoming) -> Key:
    return (*owned_key(*incoming.rest), *kind_of(incoming))


def _expected(incoming: Incoming) -> dict[str, str]:
    name = _level(incoming).name
    if len(incoming.rest) == 3:
        kind = dict(zip(("type",), kind_of(incoming), strict=False))
        return {**dict(zip(("country_code", "party_id", name), incoming.rest, strict=True)), **kind}
    return {name: incoming.rest[-1]}


def _place(parent: Document, level: Level, document: Document, stored: Document | None) -> None:
    items: list[Any] = parent.get(level.inside) or []
    kept = [document if item is stored else item for item in items]
    parent[level.inside] = kept if stored is not None else [*items, document]


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
    check_cdr_token(state, incoming, document)
    if stored is not None and stored["status"] == "COMPLETED" and stored != document:
        incoming.objections.append("the session was COMPLETED and changes again (SE-14)")
