"""What partners get wrong and are forgiven: noted by one call, counted for each partner.

Who speaks is said once, where a request or an answer comes in (`hearing`); whatever reads it then
notes what it forgives (`forgive`), wherever in the program that is. What is read of our own, or of
a file, is nobody's, and notes nothing.
"""

from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar

from ocpi.spec import reading
from ocpi.spec.kinds import Tolerance
from ocpi.spec.moments import parse_moment
from ocpi.spec.types import OCPIModel

Model = TypeVar("Model", bound=OCPIModel)

AHEAD = timedelta(minutes=5)
_MOST = 1000
"""Pairs of partner and rule that are kept until they are stored."""


class Habit(StrEnum):
    """What is forgiven beside the fields of a document, those being `Tolerance`."""

    UNENCODED = "IP-01 raw token"
    HEADER_FORM = "IP-01 header form"
    DETAILS_URL = "IP-03 details url"
    SLASHES = "IP-04 slashes"
    REPEATED_CDR = "IP-05 repeated cdr"
    EMPTY_ANSWER = "IP-06 empty answer"
    BLANK_FOR_PLUS = "IP-08 blank for plus"
    AHEAD = "IP-08 date ahead"
    BAD_OBJECT = "IP-09 bad object"
    NO_DATE = "IP-13 no date"
    STALE = "IP-14 stale"
    REPEATED_PERIODS = "IP-17 repeated periods"
    LATE_SESSION = "IP-18 late session"
    VANISHED = "IP-19 vanished"
    LINK = "IP-23 link"
    CONTENT_TYPE = "IP-27 content type"
    BYTE_ORDER_MARK = "IP-27 byte order mark"
    LISTED_TWICE = "IP-28 listed twice"
    NO_ROLE = "IP-28 no role"
    NO_IDS = "IP-33 no ids"
    NO_IDS_BACK = "IP-33 no ids in answers"
    WRAPPED_RESULT = "IP-34 wrapped result"
    NO_TIMEOUT = "IP-34 no timeout"
    NO_LOCATION = "IP-35 no location"
    TYPE_IN_BODY = "IP-39 type in body"
    ENVELOPE = "IP-43 envelope"
    CLIENT_INFO_DATE = "IP-44 no date"


ADVICE: dict[str, str] = {
    Habit.UNENCODED: "Encode the token with Base64 in `Authorization: Token <Base64>`.",
    Habit.HEADER_FORM: "Write `Authorization: Token <Base64>` with one blank, padding, and no line "
    "break before encoding.",
    Habit.DETAILS_URL: "Give the versions URL in credentials, not that of the version details.",
    Habit.SLASHES: "Join URLs with one slash and put none at the end.",
    Habit.REPEATED_CDR: "Take our answer 200 or 201 with 1000 for success and post each CDR once.",
    Habit.EMPTY_ANSWER: "Answer every request with OCPI's envelope and its status_code.",
    Habit.BLANK_FOR_PLUS: "Encode the + of a time offset as %2B in URLs, or write Z.",
    Habit.AHEAD: "Set the clock: last_updated lies in the future. Times are in UTC.",
    Habit.BAD_OBJECT: "Mend the objects of your lists that cannot be used; ask us which.",
    Habit.NO_DATE: "Give each PATCH the last_updated of the change.",
    Habit.STALE: "Send changes in their order, each with a later last_updated.",
    Habit.REPEATED_PERIODS: "Send only new charging periods in a PATCH, or all by PUT.",
    Habit.LATE_SESSION: "Change no status of a Session that has ended, and end it before its CDR.",
    Habit.VANISHED: "Keep what is gone in your list, with the status REMOVED.",
    Habit.LINK: "Give the absolute URL of the next page in the Link header.",
    Habit.CONTENT_TYPE: "Send bodies with `Content-Type: application/json`.",
    Habit.BYTE_ORDER_MARK: "Send JSON as UTF-8 without a byte order mark.",
    Habit.LISTED_TWICE: "List each module and role once in the version details.",
    Habit.NO_ROLE: "Give the credentials endpoint a role, SENDER, though it says nothing.",
    Habit.NO_IDS: "Send X-Request-ID and X-Correlation-ID with each request.",
    Habit.NO_IDS_BACK: "Repeat X-Request-ID and X-Correlation-ID in each answer.",
    Habit.WRAPPED_RESULT: "Send results of commands as they are, without the envelope.",
    Habit.NO_TIMEOUT: "Answer commands with a `timeout`.",
    Habit.NO_LOCATION: "Answer a posted CDR with its absolute URL in the header Location.",
    Habit.TYPE_IN_BODY: "Name the token's type in the URL, as `?type=`.",
    Habit.ENVELOPE: "Give each envelope a `timestamp` and its status_code as a number; "
    "give no object a key twice.",
    Habit.CLIENT_INFO_DATE: "Give each ClientInfo its last_updated.",
    Tolerance.MOMENT: "Write times as 2026-01-02T03:04:05Z.",
    Tolerance.ENUM: "Use the words that OCPI 2.2.1 lists.",
    Tolerance.ALIAS: "Use the word of OCPI 2.2.1, RESERVATION instead of RESERVED.",
    Tolerance.NUMBER: "Write numbers without quotation marks.",
    Tolerance.INTEGER: "Write whole numbers without decimals.",
    Tolerance.TEXT: "Write texts in quotation marks, ids of digits too.",
    Tolerance.COORDINATE: "Write coordinates as text with five to seven decimals.",
    Tolerance.EMPTY: "Leave out what is not there instead of writing an empty text or object.",
    Tolerance.ITEM: "Write no null into lists.",
    Tolerance.SINGLE: "Write a list of one where a list is due.",
    Tolerance.UNSHOWN: "Write texts for people as objects of `language` and `text`, and a logo "
    "with its url, category and type.",
    Tolerance.LENGTH: "Keep to the lengths that OCPI allows.",
    Tolerance.URL: "Write URLs whole, with https://.",
}
"""What a partner should mend, in words that can be sent to it."""


@dataclass
class Forgiven:
    """How often, and an example: names of fields or of headers, never what stands in them."""

    count: int = 0
    sample: str = ""


class Forgiving:
    """What this process has forgiven partners since it was last stored."""

    def __init__(self) -> None:
        self._noted: dict[tuple[str, str], Forgiven] = {}

    def note(self, partner: str, rule: str, sample: str) -> None:
        """One more of a partner, who is named."""
        if (partner, rule) not in self._noted and len(self._noted) >= _MOST:
            return
        forgiven = self._noted.setdefault((partner, rule), Forgiven())
        forgiven.count += 1
        forgiven.sample = sample[:200]

    def take(self) -> dict[tuple[str, str], Forgiven]:
        """What is to be stored, by partner and rule; it is not given again."""
        noted, self._noted = self._noted, {}
        return noted

    def give_back(self, noted: dict[tuple[str, str], Forgiven]) -> None:
        """Keep what could not be stored."""
        for (partner, rule), each in noted.items():
            self.note(partner, rule, each.sample)
            self._noted[partner, rule].count += each.count - 1


_heard: ContextVar[tuple[Forgiving, str] | None] = ContextVar("heard", default=None)


class hearing:  # noqa: N801 - It reads as the word that it is: `with hearing(...)`.
    """What is read within the block comes from this partner."""

    __slots__ = ("_before", "_given")

    def __init__(self, forgiving: Forgiving, partner: str) -> None:
        self._given = forgiving, partner

    def __enter__(self) -> None:
        self._before = _heard.set(self._given)

    def __exit__(self, *_: object) -> None:
        _heard.reset(self._before)


def forgive(rule: Habit | Tolerance | str, sample: str = "") -> None:
    """Note that whoever is heard needed this; the sample names places, and holds no data."""
    heard = _heard.get()
    if heard is not None:
        forgiving, partner = heard
        forgiving.note(partner, rule, sample)


def read(model: type[Model], document: Any) -> Model:
    """Read what a partner sent, as `ocpi.spec.reading.read`, and note what it needed."""
    notes: list[str] = []
    parsed = reading.read(model, document, notes)
    _note(model, notes)
    updated = getattr(parsed, "last_updated", None)
    if isinstance(updated, datetime):
        _note_ahead(model, updated)
    return parsed


def read_patch(model: type[OCPIModel], document: Any) -> dict[str, Any]:
    """Read a PATCH that a partner sent, as `ocpi.spec.reading.read_patch`."""
    notes: list[str] = []
    patch = reading.read_patch(model, document, notes)
    _note(model, notes)
    _note_ahead(model, parse_moment(patch["last_updated"]))
    return patch


def _note_ahead(model: type[OCPIModel], updated: datetime) -> None:
    if updated - datetime.now(UTC) > AHEAD:
        forgive(Habit.AHEAD, model.__name__)


def _note(model: type[OCPIModel], notes: list[str]) -> None:
    for line in notes:
        rule, _, path = line.partition(": ")
        # The specification itself allows null for what is absent (TY-09).
        if rule != Tolerance.NULL:
            forgive(rule, f"{model.__name__} {path}")
