"""What a strict receiver objects to in a request, as sentences."""

from __future__ import annotations

import base64
import binascii
import secrets
from typing import Any

from ocpi.spec.reading import defects, is_unknown_word
from ocpi.spec.types import OCPIModel
from ocpi.testing.mock.state import FUNCTIONAL, Standing, State
from ocpi.testing.mock.wire import (
    FROM,
    MESSAGE_IDS,
    TO,
    Document,
    Incoming,
    Refused,
    decode,
    moment,
)

BODY_METHODS = {"POST", "PUT", "PATCH"}
# What a token A is good for.
CONFIGURATION = {"versions", "details", "credentials"}
# What a hub may spread.
FOR_EVERYBODY = {"locations", "tariffs", "tokens"}


def check_headers(state: State, incoming: Incoming) -> None:
    """Object to what is wrong with message ids, content type and routing; refuses nothing."""
    for name in MESSAGE_IDS:
        if not incoming.headers.get(name):
            incoming.objections.append(f"the header {name} is missing (TR-12, TR-13)")
    _check_repetition(state, incoming)
    declared = incoming.headers.get("content-type", "")
    media_type = declared.partition(";")[0].strip().lower()
    if incoming.body and incoming.method in BODY_METHODS and media_type != "application/json":
        incoming.objections.append(
            f"the body's Content-Type is {declared!r}, not application/json (TR-09)"
        )
    _check_routing(state, incoming)


def _check_repetition(state: State, incoming: Incoming) -> None:
    request_id = incoming.headers.get("x-request-id", "")
    if request_id in state.request_ids:
        incoming.objections.append(f"the X-Request-ID {request_id} was used before (TR-12)")
    elif request_id:
        state.request_ids.add(request_id)


def _check_routing(state: State, incoming: Incoming) -> None:
    present = [name for name in (*TO, *FROM) if name in incoming.headers]
    if incoming.module not in FUNCTIONAL:
        if present:
            incoming.objections.append(
                f"{incoming.module} knows no routing headers, yet {present[0]} is there (RT-03)"
            )
        return
    for names, label in ((TO, "to"), (FROM, "from")):
        pair = incoming.pair(names)
        if all(pair):
            _check_party(state, incoming, label, pair)
        elif any(pair):
            incoming.objections.append(f"only half of the {label}-address is there (RT-01)")
        elif _needs_addresses(state):
            incoming.objections.append(f"the {label}-address is missing (RT-02)")


def _needs_addresses(state: State) -> bool:
    """RT-04: only a direct link between one party and one party may do without."""
    if state.peer is None:
        return False
    return state.peer.is_hub() or len(state.peer.roles) > 1 or len(state.parties) > 1


def _check_party(state: State, incoming: Incoming, label: str, pair: tuple[str, str]) -> None:
    shown = "*".join(pair)
    if label == "to" and not state.hosts(pair):
        incoming.objections.append(f"the to-address {shown} is no party of ours (RT-05)")
    if label == "from" and not speaks_for(state, pair):
        incoming.objections.append(f"the from-address {shown} is no party of the peer's (RT-08)")
    if label == "from" and is_of_hub(state, pair) and _spreads_what_is_private(incoming):
        incoming.objections.append(f"{incoming.module} are not for everybody to hear (RT-26)")


def speaks_for(state: State, pair: tuple[str, str]) -> bool:
    """Tell whether the peer may speak for the party; a stranger may for anybody.

    So may a hub, until it has told whom it connects: then, for those (AT-36, HC-09).
    """
    peer = state.peer
    if peer is None or pair in peer.parties():
        return True
    if not peer.is_hub():
        return False
    return not state.objects["hubclientinfo"] or pair in {key[:2] for key in state.introduced}


def is_of_hub(state: State, pair: tuple[str, str]) -> bool:
    return state.peer is not None and state.peer.is_hub() and pair in state.peer.parties()


def _spreads_what_is_private(incoming: Incoming) -> bool:
    return incoming.method in BODY_METHODS and incoming.module not in FOR_EVERYBODY


def refuse_address(state: State, incoming: Incoming) -> None:
    """Refuse half an address (AT-47) and a to-address that is not ours (RT-39)."""
    if incoming.module not in FUNCTIONAL:
        return
    for names in (TO, FROM):
        pair = incoming.pair(names)
        if any(pair) and not all(pair):
            raise Refused(200, 2001, "A routing address is both its headers.", objection=False)
    to = incoming.pair(TO)
    if any(to) and not state.hosts(to):
        raise Refused(200, 2001, "The addressed party is not ours.", objection=False)


def authenticate(state: State, incoming: Incoming) -> None:
    """Know the caller by its token, or refuse with 401 (TR-05, TR-06)."""
    try:
        token = _read_token(incoming.headers.get("authorization"))
        standing = _know_token(state, incoming, token)
    except ValueError as failure:
        raise Refused(401, 2000, str(failure)) from failure
    incoming.token = token
    if standing is Standing.CURRENT:
        for known, kind in list(state.tokens_in.items()):
            if kind is Standing.REPLACED:
                del state.tokens_in[known]


def _know_token(state: State, incoming: Incoming, token: str) -> Standing:
    for known, standing in state.tokens_in.items():
        if secrets.compare_digest(known.encode(), token.encode()):
            if standing is Standing.OFFERED and incoming.module not in CONFIGURATION:
                raise ValueError(f"token A is no good for {incoming.module} (TR-06)")
            return standing
    raise ValueError("the token in the Authorization header is not known (TR-05)")


def _read_token(header: str | None) -> str:
    """TR-03 to the letter: `Token`, one blank, padded Base64 of the token without a line end."""
    if header is None:
        raise ValueError("the Authorization header is missing (TR-02)")
    scheme, _, encoded = header.partition(" ")
    if scheme != "Token":
        raise ValueError("the Authorization header does not begin with 'Token ' (TR-03)")
    try:
        token = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError) as failure:
        raise ValueError("the Authorization header's token is not Base64 (TR-03)") from failure
    if token != token.strip():
        raise ValueError("the encoded token begins or ends with white space (AT-05)")
    return token


def read_document(incoming: Incoming) -> Document:
    """The body as a JSON object; 400 for what is no JSON (ST-01), 2001 for another value."""
    try:
        document = decode(incoming.body)
    except ValueError as failure:
        raise Refused(400, 2001, f"The body is not JSON: {failure}.") from failure
    if not isinstance(document, dict):
        raise Refused(200, 2001, "The body is not a JSON object.")
    return document


def find_defects(document: Any, model: type[OCPIModel]) -> list[str]:
    """What makes a document no strict 2.2.1 object.

    Unknown members and enum values do not: they cost nobody the object (TY-14, TY-15).
    """
    return [line for line in defects(document, model) if not is_unknown_word(line)]


def refuse_defects(document: Document, model: type[OCPIModel]) -> None:
    """Refuse what is not a strict 2.2.1 object (ST-03)."""
    found = find_defects(document, model)
    if found:
        raise Refused(200, 2001, f"The {model.__name__} is not as OCPI has it: {'; '.join(found)}")


def refuse_mismatch(document: Document, expected: dict[str, str]) -> None:
    """Refuse a body whose owner or id, if it has one, is not that of its URL (CO-04, CO-05)."""
    for name, wanted in expected.items():
        found = document.get(name, wanted)
        if not isinstance(found, str) or found.upper() != wanted.upper():
            raise Refused(200, 2001, f"{name} is {found!r} in the body and {wanted!r} in the URL")


def is_older(incoming: Incoming, document: Document, stored: Document | None) -> bool:
    """Object to a `last_updated` that goes back (PP-09)."""
    if stored is None:
        return False
    before, after = stored["last_updated"], document["last_updated"]
    if moment(after) >= moment(before):
        return False
    incoming.objections.append(f"last_updated goes back from {before} to {after} (PP-09)")
    return True
