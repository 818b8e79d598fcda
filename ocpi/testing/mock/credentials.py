"""Versions and credentials, as server and as client."""

from __future__ import annotations

import secrets
from typing import Any

from ocpi.spec.credentials import Credentials
from ocpi.spec.types import OCPIModel
from ocpi.spec.versions import Version, VersionDetails
from ocpi.testing.mock.outgoing import (
    Asking,
    PeerFailed,
    Reply,
    endpoint,
    expect_success,
    known_peer,
)
from ocpi.testing.mock.state import Interfaces, Peer, Standing, State
from ocpi.testing.mock.strict import find_defects, read_document, refuse_defects
from ocpi.testing.mock.wire import Answer, Document, Incoming, Refused, ok

VERSION = "2.2.1"


class VersionMissing(PeerFailed):
    """The peer does not speak our version."""


class EndpointMissing(PeerFailed):
    """The peer lacks an endpoint that we need."""


async def get_versions(state: State, _incoming: Incoming) -> Answer:
    return ok([{"version": VERSION, "url": state.url()}])


async def get_details(state: State, _incoming: Incoming) -> Answer:
    endpoints = [{"identifier": "credentials", "role": "SENDER", "url": state.url("credentials")}]
    for interface, module in state.interfaces:
        if interface:
            url = state.url(interface, module)
            endpoints.append({"identifier": module, "role": interface.upper(), "url": url})
    return ok({"version": VERSION, "endpoints": endpoints})


async def get_credentials(state: State, incoming: Incoming) -> Answer:
    return ok(state.credentials(incoming.token))


async def post_credentials(state: State, incoming: Incoming) -> Answer:
    """Register the peer: token A dies when its own endpoints are known (CR-05 to CR-09)."""
    if state.peer is not None:
        raise Refused(405, 2000, "registered already (CR-09)")
    document = read_document(incoming)
    peer = await _call_back(state, document)
    if state.peer is not None:
        raise Refused(405, 2000, "registered meanwhile (CR-09)")
    token = _new_token()
    state.peer = peer
    state.tokens_in = {token: Standing.CURRENT}
    return ok(state.credentials(token))


async def put_credentials(state: State, incoming: Incoming) -> Answer:
    """Replace what is known of the peer; its old token lives until the new one is used (AT-08)."""
    if state.peer is None:
        raise Refused(405, 2000, "not registered (CR-11)")
    document = read_document(incoming)
    peer = await _call_back(state, document)
    token = _new_token()
    state.peer = peer
    state.tokens_in = {incoming.token: Standing.REPLACED, token: Standing.CURRENT}
    return ok(state.credentials(token))


async def delete_credentials(state: State, _incoming: Incoming) -> Answer:
    if state.peer is None:
        raise Refused(405, 2000, "not registered (CR-16)")
    _forget_peer(state)
    return ok()


# What every platform has.
INTERFACES: Interfaces = {
    ("", "versions"): {("GET", 0): get_versions},
    ("", "details"): {("GET", 0): get_details},
    ("", "credentials"): {
        ("GET", 0): get_credentials,
        ("POST", 0): post_credentials,
        ("PUT", 0): put_credentials,
        ("DELETE", 0): delete_credentials,
    },
}


async def register(state: State, versions_url: str, token_a: str) -> Peer:
    """Register us with the platform that gave us `token_a` (CR-03 to CR-07)."""
    if state.peer is not None:
        raise PeerFailed("the mock is registered already")
    async with Asking(state, token_a) as asking:
        endpoints = await _read_endpoints(asking, versions_url)
        peer = Peer(token_a, versions_url, [], endpoints)
        await _exchange(state, asking, "POST", peer)
    # The first use of the new token; what is offered to a stranger may be less than to a partner.
    return await refresh(state)


async def update(state: State) -> Peer:
    """Give the peer a new token and what else changed (CR-12)."""
    peer = known_peer(state)
    async with Asking(state, peer.token_out) as asking:
        endpoints = await _read_endpoints(asking, peer.versions_url)
        peer = Peer(peer.token_out, peer.versions_url, peer.roles, endpoints)
        await _exchange(state, asking, "PUT", peer)
    return known_peer(state)


async def refresh(state: State) -> Peer:
    """Read the peer's endpoints anew."""
    peer = known_peer(state)
    async with Asking(state, peer.token_out) as asking:
        peer.endpoints = await _read_endpoints(asking, peer.versions_url)
    return peer


async def unregister(state: State) -> None:
    """End the relation in both directions (CR-15)."""
    peer = known_peer(state)
    async with Asking(state, peer.token_out) as asking:
        url = endpoint(peer, "credentials", "SENDER")
        expect_success(await asking.ask("DELETE", url), f"DELETE {url}")
    _forget_peer(state)


async def _exchange(state: State, asking: Asking, method: str, peer: Peer) -> None:
    """Send our Credentials with a new token, which is good at once: the peer calls back (AT-10)."""
    token = _new_token()
    before = dict(state.tokens_in)
    state.tokens_in[token] = Standing.PENDING
    url = endpoint(peer, "credentials", "SENDER")
    try:
        reply = expect_success(
            await asking.ask(method, url, body=state.credentials(token)), f"{method} {url}"
        )
        theirs = _expect(Credentials, reply.data, reply)
    except PeerFailed:
        state.tokens_in = before
        raise
    state.tokens_in = {token: Standing.CURRENT}
    state.peer = Peer(theirs["token"], theirs["url"], theirs["roles"], peer.endpoints)


async def _call_back(state: State, document: Document) -> Peer:
    """Read the caller's endpoints with the token it just gave us, before it is answered (CR-05)."""
    refuse_defects(document, Credentials)
    try:
        async with Asking(state, document["token"]) as asking:
            endpoints = await _read_endpoints(asking, document["url"])
    except VersionMissing as failure:
        raise Refused(200, 3002, str(failure)) from failure
    except EndpointMissing as failure:
        raise Refused(200, 3003, str(failure)) from failure
    except PeerFailed as failure:
        raise Refused(200, 3001, str(failure)) from failure
    return Peer(document["token"], document["url"], document["roles"], endpoints)


async def _read_endpoints(asking: Asking, versions_url: str) -> list[Document]:
    reply = await asking.fetch(versions_url)
    if not isinstance(reply.data, list):
        raise PeerFailed(f"GET {versions_url}: data is no list of versions (VE-01)")
    versions = [_expect(Version, entry, reply) for entry in reply.data]
    offered = {entry["version"]: entry["url"] for entry in versions}
    if VERSION not in offered:
        raise VersionMissing(f"GET {versions_url}: no {VERSION} in {sorted(offered)}")
    reply = await asking.fetch(offered[VERSION])
    details = _expect(VersionDetails, reply.data, reply)
    endpoints: list[Document] = details["endpoints"]
    if not any(entry["identifier"] == "credentials" for entry in endpoints):
        raise EndpointMissing(f"GET {offered[VERSION]}: no credentials endpoint (VE-07)")
    return endpoints


def _expect(model: type[OCPIModel], data: Any, reply: Reply) -> Document:
    """Take what the peer said, if it is as OCPI has it; else it is a violation and of no use."""
    found = find_defects(data, model)
    if found:
        sentence = f"the peer's {model.__name__} is not as OCPI has it: {'; '.join(found)}"
        reply.message.blame(sentence)
        raise PeerFailed(sentence)
    document: Document = data
    return document


def _forget_peer(state: State) -> None:
    """Nobody is known, and a new token A is on offer."""
    state.peer = None
    state.token_a = _new_token()
    state.tokens_in = {state.token_a: Standing.OFFERED}


def _new_token() -> str:
    return secrets.token_urlsafe(32)
