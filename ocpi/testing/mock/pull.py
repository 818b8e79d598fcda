"""Fetch what the peer publishes: the pull half of its modules."""

from __future__ import annotations

from collections.abc import Iterator

from ocpi.spec.hubclientinfo import ClientInfo
from ocpi.spec.types import OCPIModel
from ocpi.testing.mock.hubclientinfo import take_client
from ocpi.testing.mock.outgoing import (
    Address,
    Asking,
    Reply,
    endpoint,
    first_party,
    known_peer,
)
from ocpi.testing.mock.receiver import LEVELS
from ocpi.testing.mock.state import FUNCTIONAL, Key, State, key_of
from ocpi.testing.mock.strict import find_defects
from ocpi.testing.mock.wire import Document, moment

# What a peer has to offer, and what is no longer so when a whole list leaves it out (PG-13).
PUBLISHED = ("locations", "tariffs", "tokens")
# How each list is asked for: the one of Sessions wants a date_from (SE-01).
QUERIES = {
    "hubclientinfo": "",
    "locations": "",
    "tariffs": "",
    "sessions": "?date_from=2000-01-01T00%3A00%3A00Z",
    "cdrs": "",
    "tokens": "",
}
MODELS: dict[str, type[OCPIModel]] = {
    "hubclientinfo": ClientInfo,
    **{module: levels[0].model for module, levels in LEVELS.items()},
}


async def pull(
    state: State, to: Address | None = None, sender: Address | None = None
) -> dict[str, int]:
    """Crawl the lists of what we receive to the end; gives how many objects there were of each."""
    peer = known_peer(state)
    async with Asking(state, peer.token_out) as asking:
        return {
            module: await _pull_module(state, asking, module, to, sender)
            for module in QUERIES
            if ("receiver", module) in state.interfaces
            and (module in PUBLISHED or peer.url(module, "SENDER") is not None)
        }


async def _pull_module(
    state: State, asking: Asking, module: str, to: Address | None, sender: Address | None
) -> int:
    """Store every valid object, and drop what was withdrawn.

    Sessions and CDRs are never withdrawn (SE-14, CD-08), so a list may well leave out old ones.
    """
    before = set(_withdrawable(state, module, to))
    met: set[Key] = set()
    peer = known_peer(state)
    url = endpoint(peer, module, "SENDER") + QUERIES[module]
    addressed = (to or first_party(peer)) if module in FUNCTIONAL else None
    async for reply in asking.crawl(url, addressed, sender):
        for document in reply.data:
            key = _take(state, module, document, reply)
            if key is not None:
                met.add(key)
    for gone in before - met:
        state.objects[module].pop(gone, None)
        state.introduced.discard(gone)
    return len(met)


def _withdrawable(state: State, module: str, to: Address | None) -> Iterator[Key]:
    """What the list, being whole, must still have: of whom it was asked for (AT-21).

    What a hub combines leaves out what was told to us directly (RT-38).
    """
    if module == "hubclientinfo":
        yield from state.objects[module]
    elif module in PUBLISHED:
        owners = {(to[0].upper(), to[1].upper())} if to else known_peer(state).parties()
        yield from (key for key in state.objects[module] if key[:2] in owners)


def _take(state: State, module: str, document: Document, reply: Reply) -> Key | None:
    """Store an object, unless it is invalid (TR-23) or a push has brought a newer one meanwhile."""
    model = MODELS[module]
    found = find_defects(document, model)
    if found:
        sentence = f"a {model.__name__} of the list is not as OCPI has it: {'; '.join(found)}"
        reply.message.blame(sentence)
        return None
    key = key_of(module, document)
    stored = state.objects[module].get(key)
    if stored is None or moment(stored["last_updated"]) <= moment(document["last_updated"]):
        if module == "hubclientinfo":
            take_client(state, document)
        else:
            state.objects[module][key] = document
    return key
