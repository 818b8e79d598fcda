"""What a partner answered: as it came, and as its envelope reads."""

import re
from base64 import b64encode
from codecs import BOM_UTF8
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import unquote

from ocpi.forgiving import Habit, forgive
from ocpi.headers import MessageIDs
from ocpi.spec.document import DoubledKey, decode

EXCERPT = 500
SHORTEST_WAIT = 1.0
LONGEST_WAIT = 3600.0
_SHORTEST_SECRET = 8


@dataclass(frozen=True)
class RawReply:
    """What came back, not even read: `headers` as in `Reply`."""

    http_status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    elapsed: float
    ids: MessageIDs


@dataclass(frozen=True)
class Reply:
    """What came back, judged by nobody yet.

    What stands in the envelope is None where there is no envelope. `headers` have lower-case names,
    and only those whose values are printable ASCII are there, and `link`, see `next_link`.
    `excerpt` is the begin of `body` as text, `elapsed` in seconds. What a partner wrote is not
    shown by repr: it may hold tokens.
    """

    http_status: int
    status_code: int | None
    status_message: str | None = field(repr=False)
    data: Any = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    excerpt: str = field(repr=False)
    elapsed: float
    body: bytes = field(default=b"", repr=False)
    request_id: str = ""
    correlation_id: str = ""
    timestamp: str | None = field(default=None, repr=False)

    def success(self) -> bool:
        """HTTP 2xx and an envelope that says 1xxx: one alone is a failure (ST-14, IP-06)."""
        return 200 <= self.http_status < 300 and 1000 <= (self.status_code or 0) < 2000


def asked_wait(reply: Reply, now: datetime) -> float | None:
    """The seconds of a Retry-After header, within bounds; None: it says none (IP-38).

    A moment is one of the partner's clock, which Date tells.
    """
    text = reply.headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,12}", text):
        seconds = float(text)
    else:
        moment = _read_date(text)
        if moment is None:
            return None
        seconds = (moment - (_read_date(reply.headers.get("date", "")) or now)).total_seconds()
    return min(max(seconds, SHORTEST_WAIT), LONGEST_WAIT)


def _read_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def redact(text: str, token: str) -> str:
    """A partner may repeat our token in what it answers; it goes to others without it."""
    for form in _forms(token):
        text = text.replace(form, "[token]")
    return text


def tells(url: str, token: str) -> bool:
    """Whether a URL holds the token, spelled in whatever way; then it is not to be kept (TA-09)."""
    plain = unquote(url)
    return redact(plain, token) != plain


def redact_body(body: bytes, token: str) -> bytes:
    """The same for a body that is handed on as it is (TA-07)."""
    for form in _forms(token):
        if form.encode() in body:
            body = body.replace(form.encode(), b"[token]")
    return body


def _forms(token: str) -> tuple[str, ...]:
    """How a token may stand in a text; a very short one would be found where it is not meant."""
    if len(token) < _SHORTEST_SECRET:
        return ()
    return b64encode(token.encode()).decode().rstrip("="), token


def read_reply(raw: RawReply, token: str = "") -> Reply:
    """An answer with its envelope taken apart, as far as it has one.

    What is meant for people does not tell the `token` that the request presented (TA-09).
    """
    code, message, data, timestamp = _read_envelope(raw.body)
    if code is not None:
        note_ids(raw)
    if not raw.body.strip():
        forgive(Habit.EMPTY_ANSWER, f"HTTP {raw.http_status}")
    return Reply(
        http_status=raw.http_status,
        status_code=code,
        status_message=None if message is None else redact(message, token),
        data=data,
        headers=raw.headers,
        excerpt=redact(raw.body[: 4 * EXCERPT].decode(errors="replace"), token)[:EXCERPT],
        elapsed=raw.elapsed,
        body=raw.body,
        request_id=raw.ids.request_id,
        correlation_id=raw.ids.correlation_id,
        timestamp=timestamp,
    )


def note_ids(raw: RawReply) -> None:
    """Count an answer that does not repeat the ids of its request."""
    if "x-request-id" not in raw.headers:
        forgive(Habit.NO_IDS_BACK, f"HTTP {raw.http_status}")


def _read_envelope(content: bytes) -> tuple[int | None, str | None, Any, str | None]:
    """Code, message, data and timestamp; without a readable code it is no envelope (IP-43)."""
    try:
        envelope = decode(content)
    except DoubledKey as error:
        # What is refused where others may read it otherwise is only ours to read here, and one such
        # object shall not spoil a page of them.
        envelope = error.value
        forgive(Habit.ENVELOPE, str(error))
    except ValueError:
        return None, None, None, None
    if content.startswith(BOM_UTF8):
        forgive(Habit.BYTE_ORDER_MARK)
    if not isinstance(envelope, dict):
        return None, None, None, None
    code = envelope.get("status_code")
    if isinstance(code, str) and re.fullmatch(r"[0-9]{4}", code):
        code = int(code)
        forgive(Habit.ENVELOPE, "status_code")
    if type(code) is not int or not 0 <= code <= 9999:
        return None, None, None, None
    timestamp = _text(envelope, "timestamp")
    if timestamp is None:
        forgive(Habit.ENVELOPE, "timestamp")
    return code, _text(envelope, "status_message"), envelope.get("data"), timestamp


def _text(envelope: dict[str, Any], name: str) -> str | None:
    text = envelope.get(name)
    return text if isinstance(text, str) else None
