"""Objects of the mock's, as it keeps them and tells its peer of them."""

from __future__ import annotations

from copy import deepcopy

from ocpi.testing.mock.outgoing import (
    Address,
    Asking,
    Reply,
    ask_peer,
    known_peer,
    object_to_url,
    own_sender,
    succeeded,
)
from ocpi.testing.mock.receiver import find_chain, merge, raise_parents
from ocpi.testing.mock.state import Key, State, key_of, owner_of
from ocpi.testing.mock.wire import Document, segment


async def put_object(
    state: State,
    module: str,
    document: Document,
    to: Address | None = None,
    sender: Address | None = None,
) -> Reply:
    """Take the object as ours, or anew, and PUT it."""
    state.objects[module][key_of(module, document)] = deepcopy(document)
    return await _tell(state, "PUT", module, document, document, to, sender)


async def patch_object(
    state: State,
    module: str,
    document: Document,
    changes: Document,
    inside: tuple[str, ...] = (),
    to: Address | None = None,
    sender: Address | None = None,
) -> Reply:
    """Change an object of ours, or what the ids name `inside` it, and PATCH what changed."""
    path = (*owner_of(document), document["id"], *inside)
    chain = find_chain(state, module, path)
    if len(chain) < len(path) - 2:
        raise LookupError(f"the mock has no {module} {'/'.join(path)}")
    chain[-1].update(merge(module, chain[-1], changes))
    raise_parents(chain[:-1], chain[-1]["last_updated"])
    return await _tell(state, "PATCH", module, chain[0], changes, to, sender, inside)


async def delete_tariff(
    state: State, tariff: Document, to: Address | None = None, sender: Address | None = None
) -> Reply:
    del state.objects["tariffs"][key_of("tariffs", tariff)]
    return await _tell(state, "DELETE", "tariffs", tariff, None, to, sender)


async def post_cdr(
    state: State, cdr: Document, to: Address | None = None, sender: Address | None = None
) -> Reply:
    """Keep the CDR and POST it; the URL that it gets is kept too (CD-03)."""
    key = key_of("cdrs", cdr)
    state.objects["cdrs"][key] = deepcopy(cdr)
    reply = await ask_peer(
        state,
        "POST",
        "RECEIVER",
        "cdrs",
        body=cdr,
        to=to or driver_of(cdr),
        sender=sender or own_sender(state, cdr),
    )
    if succeeded(reply):
        _keep_url(state, key, reply)
    return reply


async def fetch_cdr(
    state: State, cdr: Document, to: Address | None = None, sender: Address | None = None
) -> Reply:
    """GET what the peer has of a CDR, at the URL that it gave."""
    url = state.cdr_urls[key_of("cdrs", cdr)]
    async with Asking(state, known_peer(state).token_out) as asking:
        return await asking.ask(
            "GET",
            url,
            to=to or driver_of(cdr),
            sender=sender or own_sender(state, cdr),
            given=True,
        )


def driver_of(document: Document) -> Address:
    """Whom a Session or CDR is for: the eMSP of its driver's token."""
    return owner_of(document["cdr_token"])


async def _tell(
    state: State,
    method: str,
    module: str,
    document: Document,
    body: Document | None,
    to: Address | None,
    sender: Address | None,
    inside: tuple[str, ...] = (),
) -> Reply:
    path = (*owner_of(document), document["id"], *inside)
    return await ask_peer(
        state,
        method,
        "RECEIVER",
        module,
        "".join(f"/{segment(part)}" for part in path),
        body=body,
        to=to or (driver_of(document) if module == "sessions" else None),
        sender=sender or own_sender(state, document),
    )


def _keep_url(state: State, key: Key, reply: Reply) -> None:
    url = reply.headers.get("location")
    if url is None:
        reply.message.blame("the answer to the CDR has no Location (CD-03)")
        return
    for objection in object_to_url(state, url, "RT-21"):
        reply.message.blame(objection)
    state.cdr_urls[key] = url
