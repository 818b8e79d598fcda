"""Fetch what the peer publishes: the pull half of Locations, Tariffs, Sessions and CDRs."""

from __future__ import annotations

from ocpi.testing.emsp.outgoing import Asking, Reply, endpoint, first_party, known_peer
from ocpi.testing.emsp.receiver import LEVELS
from ocpi.testing.emsp.state import Key, State, owned_key
from ocpi.testing.emsp.strict import find_defects
from ocpi.testing.emsp.wire import Document, moment

PUBLISHED = ("locations", "tariffs")
# How each list is asked for: the one of Sessions wants a date_from (SE-01).
QUERIES = {
    "locations": "",
    "tariffs": "",
    "sessions": "?date_from=2000-01-01T00%3A00%3A00Z",
    "cdrs": "",
}


async def pull(state: State) -> dict[str, int]:
    """Crawl the peer's lists to the end; gives how many objects there were of each."""
    peer = known_peer(state)
    async with Asking(state, peer.token_out) as asking:
        return {
            module: await _pull_module(
                state, asking, module, endpoint(peer, module, "SENDER") + query
            )
            for module, query in QUERIES.items()
            if module in PUBLISHED or peer.url(module, "SENDER") is not None
        }


async def _pull_module(state: State, asking: Asking, module: str, url: str) -> int:
    """Store every valid object.

    What was published and is not met is no longer so (PG-13); Sessions and CDRs are never
    withdrawn (SE-14, CD-08), so a list may well leave out the old ones.
    """
    before = set(state.objects[module]) if module in PUBLISHED else set()
    met: set[Key] = set()
    async for reply in asking.crawl(url, first_party(known_peer(state))):
        for document in reply.data:
            key = _take(state, module, document, reply)
            if key is not None:
                met.add(key)
    for gone in before - met:
        state.objects[module].pop(gone, None)
    return len(met)


def _take(state: State, module: str, document: Document, reply: Reply) -> Key | None:
    """Store an object, unless it is invalid (TR-23) or a push has brought a newer one meanwhile."""
    model = LEVELS[module][0].model
    found = find_defects(document, model)
    if found:
        sentence = f"a {model.__name__} of the list is not as OCPI has it: {'; '.join(found)}"
        reply.message.blame(sentence)
        return None
    key = owned_key(document["country_code"], document["party_id"], document["id"])
    stored = state.objects[module].get(key)
    if stored is None or moment(stored["last_updated"]) <= moment(document["last_updated"]):
        state.objects[module][key] = document
    return key
