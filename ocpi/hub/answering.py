"""What a receiver answered, as the sender of the message gets it (RT-18, RT-42)."""

from dataclasses import replace

import msgspec

from ocpi.envelope import wrap
from ocpi.errors import RoutingFailure, UnknownLocation, UnknownObject, UnknownToken
from ocpi.headers import Party
from ocpi.hub.message import Message
from ocpi.reply import RawReply

_UNKNOWN: dict[str, type[UnknownObject]] = {"locations": UnknownLocation, "tokens": UnknownToken}


class _Envelope(msgspec.Struct):
    """As much of an answer as tells that it is one of OCPI's."""

    status_code: int | str


_envelopes = msgspec.json.Decoder(_Envelope)


def answer_to(message: Message, party: Party, reply: RawReply) -> RawReply:
    """The answer that a message gets, errors of the party's included.

    An envelope stays byte for byte. Where there is none, what HTTP tells of the object, or of a
    pause, is put into one of ours. Raises ``RoutingFailure`` for everything else.
    """
    http, method = reply.http_status, message.method
    if not (200 <= http < 300 or 400 <= http < 600):
        raise not_ocpi(party)
    if _is_plain(reply.body):
        return reply
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
    """Whether it wears the envelope; data are looked at for their form alone, not parsed."""
    try:
        _envelopes.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
