"""A message as a curl command, to be tried again or sent to a partner: without its token."""

import shlex
from collections.abc import Iterator

from ocpi.errors import UnknownObject
from ocpi.journal.redaction import HIDDEN
from ocpi.journal.searching import MessageSaid

_MARK = "~"


def curl_of(message: MessageSaid, base_url: str) -> str:
    """The command, which a shell runs as it stands once TOKEN is set, with remarks above it.

    Raises ``UnknownObject`` for a row that says how many messages are missing.
    """
    if message.direction == "LOST":
        raise UnknownObject(f"{message.id} is no message: it says how many are missing.")
    url = message.url if message.direction == "OUT" else base_url + message.url
    words = [f"curl -X {shlex.quote(message.method)} {shlex.quote(url)}"]
    # The one place that the shell is to fill in.
    words.append('-H "Authorization: Token $TOKEN"')
    words += [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in _headers(message)]
    if message.request:
        words.append(f"--data-raw {shlex.quote(message.request)}")
    return "\n".join([*_remarks(message), " \\\n  ".join(words)])


def _headers(message: MessageSaid) -> Iterator[tuple[str, str]]:
    yield "X-Request-ID", message.request_id
    yield "X-Correlation-ID", message.correlation_id
    for side, party in (("to", message.to_party), ("from", message.from_party)):
        if party is not None:
            country_code, _, party_id = party.partition("*")
            yield f"OCPI-{side}-country-code", country_code
            yield f"OCPI-{side}-party-id", party_id
    if message.request:
        yield "Content-Type", "application/json"


def _remarks(message: MessageSaid) -> Iterator[str]:
    # Nothing that a partner wrote may stand in a remark, which a line break would end.
    yield "# TOKEN is the token presented, in Base64: the message log holds none."
    if message.request_cut:
        yield f"# The body is an excerpt: it had {message.request_bytes} bytes."
    if _MARK in message.url + message.request or HIDDEN in message.request:
        yield "# Drivers' ids and tokens are replaced: put the real ones where ~... or *** stands."
