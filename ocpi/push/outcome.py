"""What a partner's answer to a push means: a pure function (IP-06, IP-07)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum

from ocpi.client import ExchangeFailed
from ocpi.reply import SHORTEST_WAIT, Reply, asked_wait


class Kind(StrEnum):
    """Whose turn it is now."""

    DELIVERED = "delivered"
    UNKNOWN_OBJECT = "unknown_object"  # The partner lacks what the request speaks of.
    OBJECT_FAULT = "object_fault"  # It refuses this object; others may do.
    PARTNER_FAULT = "partner_fault"  # It is not able to answer properly.
    THROTTLE = "throttle"  # It asks for a pause, or this process needs one.
    AUTH = "auth"  # It does not accept our token.
    GONE = "gone"  # It says that nobody lives there any more.


class Doubt(IntEnum):
    """Whether the partner may have a POST already."""

    NONE = 0
    OLD = 1  # It is older than the lane's claim: an owner that died may have been sending it.
    FAILED = 2  # It was sent, and nothing said whether it was taken; that is stored.


@dataclass(frozen=True)
class Outcome:
    """The meaning of an answer, with a sentence for staff."""

    kind: Kind
    sentence: str
    retry_after: float | None = None
    """Seconds that the partner asked to wait; None where it did not say."""
    doubtful: bool = False
    """It failed, but the partner may have taken the object all the same."""
    late: bool = False
    """There was no whole answer within the time allowed."""
    http_status: int | None = None
    status_code: int | None = None

    @property
    def of_receiver(self) -> bool:
        """A hub answers so for one receiver, and may reach all others."""
        return self.status_code in _OF_RECEIVER


_OF_RECEIVER = (4001, 4002, 4003)
# With these a hub has not reached the receiver: unlike 4002, by which it waited for its answer.
_UNREACHED = (4001, 4003)
# How partners refuse an object that they have.
_EXISTS = re.compile(
    r"\balready (exists|stored|received|known|processed|present)\b|\bduplicate\b", re.IGNORECASE
)


def judge(
    method: str,
    answer: Reply | ExchangeFailed,
    *,
    now: datetime,
    doubt: Doubt = Doubt.NONE,
    codes: Mapping[int, Kind] = {},
) -> Outcome:
    """What an answer to a request with this method means.

    With `doubt` an earlier request may have brought the same POST, so "exists" is good news.
    `codes` are those that mean something of its own to this partner, whatever OCPI says (IP-37).
    """
    if isinstance(answer, ExchangeFailed):
        if answer.kind == "exhausted":
            return Outcome(Kind.THROTTLE, answer.sentence, retry_after=SHORTEST_WAIT)
        # What fails before a connection stands cannot have arrived.
        maybe = answer.kind in ("timeout", "too_large", "protocol")
        late = answer.kind == "timeout"
        return Outcome(Kind.PARTNER_FAULT, answer.sentence, doubtful=maybe, late=late)
    own = codes.get(answer.status_code or 0)
    if own is not None:
        kind, maybe = own, own is Kind.PARTNER_FAULT
    else:
        kind, maybe = _kind(method, answer, doubt)
    wait = asked_wait(answer, now)
    if answer.http_status == 429 or (answer.http_status == 503 and wait is not None):
        # A 503 may come from a gateway, behind which the request went on.
        kind, maybe = Kind.THROTTLE, answer.http_status == 503
    return Outcome(
        kind,
        _sentence(answer),
        retry_after=wait if kind is Kind.THROTTLE else None,
        doubtful=maybe,
        http_status=answer.http_status,
        status_code=answer.status_code,
    )


def _kind(method: str, reply: Reply, doubt: Doubt) -> tuple[Kind, bool]:
    """The kind, and whether the partner may have taken an object that failed."""
    http, code = reply.http_status, reply.status_code
    if http in (401, 403):
        return Kind.AUTH, False
    if 200 <= http < 300:
        return _kind_of_success(method, reply, doubt)
    # Without an envelope it is the address that is unknown, or gone, and not the object: a
    # gateway says so, too, while it has nobody behind it.
    named = code is not None
    if http == 410:
        return (Kind.DELIVERED if method == "DELETE" and named else Kind.GONE), False
    ours = 400 <= http < 500 and http not in (408, 425) and not 3000 <= (code or 0) < 5000
    if ours or http == 501:
        unknown = code in (2003, 2004) or (http == 404 and (named or method != "DELETE"))
        return _kind_of_refusal(method, reply, doubt, unknown=unknown), False
    return Kind.PARTNER_FAULT, http >= 400 and code not in _UNREACHED


def _kind_of_success(method: str, reply: Reply, doubt: Doubt) -> tuple[Kind, bool]:
    """HTTP says yes; the envelope decides (ST-14)."""
    code = reply.status_code
    if code is None:
        empty = not reply.excerpt.strip()
        return (Kind.DELIVERED, False) if empty and method != "POST" else (Kind.PARTNER_FAULT, True)
    if 1000 <= code < 2000:
        return Kind.DELIVERED, False
    if 2000 <= code < 3000:
        unknown = code in (2003, 2004)
        return _kind_of_refusal(method, reply, doubt, unknown=unknown), False
    return Kind.PARTNER_FAULT, code not in _UNREACHED


def _kind_of_refusal(method: str, reply: Reply, doubt: Doubt, *, unknown: bool) -> Kind:
    if method == "POST":
        text = f"{reply.status_message or ''} {reply.excerpt}"
        # What was perhaps never sent may conflict with something else: a bill that counts as told
        # and is not is lost, one that is parked is seen.
        conflict = doubt is Doubt.FAILED and reply.http_status == 409
        exists = conflict or _EXISTS.search(text) is not None
        return Kind.DELIVERED if doubt and exists else Kind.OBJECT_FAULT
    if not unknown:
        return Kind.OBJECT_FAULT
    return Kind.DELIVERED if method == "DELETE" else Kind.UNKNOWN_OBJECT


def _sentence(reply: Reply) -> str:
    if reply.status_code is None:
        what = f"HTTP {reply.http_status} without an OCPI envelope"
    else:
        what = f"HTTP {reply.http_status}, OCPI {reply.status_code}"
    if 300 <= reply.http_status < 400:
        place = reply.headers.get("location", "nowhere")[:300]
        what += f", a redirect to {place} that is not followed"
    said = " ".join((reply.status_message or reply.excerpt).replace("\x00", "").split())
    return f"{what}: {said[:300]}" if said else what
