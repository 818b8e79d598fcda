"""What a receiver answered, as the sender of the message gets it (RT-18, RT-42)."""

from codecs import BOM_UTF8
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

import msgspec

from ocpi.envelope import wrap
from ocpi.errors import RoutingFailure, UnknownLocation, UnknownObject, UnknownToken
from ocpi.headers import Party
from ocpi.hub.message import Message
from ocpi.reply import RawReply, Reply, note_ids, read_reply
from ocpi.spec.moments import format_moment

_UNKNOWN: dict[str, type[UnknownObject]] = {"locations": UnknownLocation, "tokens": UnknownToken}
# Who asks these for something is answered by data, whatever the method is.
_ASKED = frozenset({("chargingprofiles", "RECEIVER"), ("sessions", "SENDER")})


class _Envelope(msgspec.Struct):
    """As much of an answer as the strictest of senders wants to find (EN-02)."""

    status_code: Annotated[int, msgspec.Meta(ge=0, le=9999)]
    timestamp: str


_envelopes = msgspec.json.Decoder(_Envelope)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def answer_to(message: Message, party: Party, reply: RawReply) -> RawReply:
    """The answer that a message gets, errors of the party's included, and what it lacks counted.

    An envelope stays byte for byte; one that a strict sender could not read is mended. Where there
    is none, it comes to what it would without a hub: the object is unknown, a pause is asked for,
    or what was told has arrived. Raises ``RoutingFailure`` for everything else.
    """
    http, method = reply.http_status, message.method
    if not (200 <= http < 300 or 400 <= http < 600):
        raise not_ocpi(party)
    if _is_plain(reply.body):
        note_ids(reply)
        return reply
    read = read_reply(reply)
    if read.status_code is not None:
        return replace(reply, body=_mended(reply.body, read))
    if 200 <= http < 300 and not reply.body.strip() and _tells(message):
        # 204 has no body.
        return replace(reply, http_status=201 if http == 201 else 200, body=wrap(()))
    why = f"{party} answered HTTP {http} without an envelope of OCPI."
    # A gateway with nobody behind it says 404, too: nothing is gone by that.
    if http == 404 and method != "DELETE":
        unknown = _UNKNOWN.get(message.module, UnknownObject)
        return replace(reply, body=wrap((), unknown.status_code, why))
    if http in (429, 503):
        return replace(reply, body=wrap((), RoutingFailure.status_code, why))
    raise not_ocpi(party)


def not_ocpi(party: Party) -> RoutingFailure:
    """The failure of an answer that cannot be carried back."""
    return RoutingFailure(f"{party} answered with something that is not OCPI.")


def _is_plain(body: bytes) -> bool:
    """Whether everybody can read it: data are looked at for their form alone, not parsed."""
    try:
        _envelopes.decode(body)
        # What is passed over there may hold any bytes.
        return body.isascii() or bool(body.decode())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def _mended(body: bytes, read: Reply) -> bytes:
    """The envelope with code and timestamp as OCPI has them, and all else as it came (RT-17)."""
    members = _members.decode(body.removeprefix(BOM_UTF8))
    timestamp = read.timestamp or format_moment(datetime.now(UTC))
    return msgspec.json.encode(members | {"status_code": read.status_code, "timestamp": timestamp})


def _tells(message: Message) -> bool:
    """Whether it only tells something, so that an empty answer leaves nothing open (ST-14)."""
    told = message.method in ("PUT", "PATCH", "DELETE")
    return told and (message.module, message.interface) not in _ASKED
