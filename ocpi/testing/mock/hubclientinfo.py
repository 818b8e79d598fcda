"""What a hub tells of the parties that it connects."""

from __future__ import annotations

from ocpi.spec.hubclientinfo import ClientInfo, ConnectionStatus
from ocpi.testing.mock.receiver import missing
from ocpi.testing.mock.state import Routes, State, key_of
from ocpi.testing.mock.strict import is_older, read_document, refuse_defects, refuse_mismatch
from ocpi.testing.mock.wire import Answer, Document, Incoming, Refused, moment, ok


async def get_client(state: State, incoming: Incoming) -> Answer:
    """Of the roles of a party, show what was told last (AT-48)."""
    found = [info for key, info in state.objects["hubclientinfo"].items() if _is_of(key, incoming)]
    if not found:
        raise missing(incoming, objection=False)
    return ok(max(found, key=lambda info: moment(info["last_updated"])))


async def put_client(state: State, incoming: Incoming) -> Answer:
    if state.peer is not None and not state.peer.is_hub():
        raise Refused(404, 2000, "only a hub tells of its parties (HC-04)")
    document = read_document(incoming)
    refuse_mismatch(document, dict(zip(("country_code", "party_id"), incoming.rest, strict=True)))
    refuse_defects(document, ClientInfo)
    stored = state.objects["hubclientinfo"].get(key_of("hubclientinfo", document))
    if is_older(incoming, document, stored):
        return ok(message="Newer data is stored already.")
    take_client(state, document)
    return ok(created=stored is None)


def take_client(state: State, document: Document) -> None:
    """Keep it. Who goes OFFLINE was introduced all the same: a message may still be under way."""
    key = key_of("hubclientinfo", document)
    state.objects["hubclientinfo"][key] = document
    if document["status"] == ConnectionStatus.CONNECTED:
        state.introduced.add(key)
    elif document["status"] != ConnectionStatus.OFFLINE:
        state.introduced.discard(key)


CLIENT_ROUTES: Routes = {("GET", 2): get_client, ("PUT", 2): put_client}


def _is_of(key: tuple[str, ...], incoming: Incoming) -> bool:
    return key[:2] == tuple(part.upper() for part in incoming.rest)
