"""What changes make of stored objects: decided one after the other when their texts are at hand."""

import time
from collections.abc import Callable, Mapping
from contextvars import Context, copy_context
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from ocpi.errors import InvalidParameters, TooLarge
from ocpi.headers import Party
from ocpi.spec.document import ENVELOPE_DEPTH, MAX_DEPTH, MAX_SIZE, decode, encode, is_deeper
from ocpi.spec.moments import microseconds, parse_moment

Document = dict[str, Any]
AHEAD = 5 * 60 * 1_000_000
DEPTH = MAX_DEPTH - ENVELOPE_DEPTH
"""Levels that an object may have, so that the page that it is on can be read (TA-20)."""


@dataclass(frozen=True)
class Written:
    """What a write came to: the object was new, changed or left alone, and its document now."""

    document: Document
    created: bool = False
    changed: bool = True
    stale: bool = False
    """The change was older than what is stored: applied is at most what that lacks (PP-09)."""
    patch: Document | None = None
    """The fields that bring up to date who knew the object before; None where it takes all."""


Decision = tuple[Document | None, Written]
"""The whole document to store, None to leave it as it is; and what that is to whoever asked."""


@dataclass(frozen=True)
class Edit:
    """A change of one object, still to be decided."""

    owner: Party
    identifier: str
    decide: Callable[[Document | None, int], Decision]
    """Given what is stored, if anything, and the time; raises what the change is refused for."""
    creates: bool = False
    """It makes the object where there is none."""
    dated_in: str | None = None
    """The stream in which partners hear of it, where it is we who date it; else the time is 0."""
    beside: Mapping[str, Any] = field(default_factory=dict)
    """Columns of an object that it makes which do not follow from the document."""
    context: Context = field(default_factory=copy_context)
    """Of whoever asked: what is forgiven is forgiven to the one who is heard there."""

    @cached_property
    def key(self) -> str:
        """The object's."""
        return object_key(self.owner, self.identifier)


class Held:
    """An object that is locked, while changes of it are decided."""

    def __init__(self, body: str | None) -> None:
        """`body` is its text; None where there is none."""
        self.stored = body
        self.body = body
        self._document: Document | None = None
        self.maker: Edit | None = None
        """The change that made it, where there was none."""

    @property
    def document(self) -> Document | None:
        """The document after the changes so far."""
        if self._document is None and self.body is not None:
            self._document = decode(self.body)
        return self._document

    def apply(self, edit: Edit, now: int) -> Written | Exception:
        """What a change came to; one that fails leaves the object alone, and what comes after."""
        try:
            whole, written = edit.context.run(edit.decide, self.document, now)
            body = self.body
            if whole is not None and whole is not self._document:
                body = _text_of(whole, self._document)
        except Exception as error:  # noqa: BLE001 - It is raised where the change was asked for.
            return error
        if body == self.body:
            return replace(written, changed=False)
        if self.body is None:
            self.maker = edit
        self.body, self._document = body, whole
        return written


def _text_of(whole: Document, before: Document | None) -> str:
    """The text to be stored; raises what keeps a page from holding it, or others from reading it.

    A request has its limits, but many of them make one object, and parts lie deep in a whole.
    """
    if is_deeper(whole, before, DEPTH):
        raise InvalidParameters(f"The object would be nested deeper than {DEPTH} levels.")
    text = encode(whole)
    if len(text.encode()) > MAX_SIZE:
        raise TooLarge(f"The object would be larger than {MAX_SIZE} bytes.")
    return text


def object_key(owner: Party, identifier: str) -> str:
    """The key of an owner's object."""
    return f"{owner.key}*{identifier.lower()}"


def is_stale(moment: int, stored: int) -> bool:
    """Whether a change is older than what is stored, both in microseconds since 1970 (PP-09).

    What is dated more than five minutes ahead is no measure: arrival orders its changes (PD-06).
    """
    return moment < stored <= time.time_ns() // 1000 + AHEAD


def is_older(moment: str, stored: Document) -> bool:
    """Whether a change of this date is older than what is stored of an object or a part (PP-09)."""
    dates = (parse_moment(each) for each in (moment, stored["last_updated"]))
    return is_stale(*map(microseconds, dates))


def spelled(owner: Party, document: Document) -> Document:
    """The document with its owner's codes as the owner spells them (IP-25).

    Raises ``InvalidParameters`` when it names another owner.
    """
    codes = {"country_code": owner.country_code, "party_id": owner.party_id}
    require_same(codes, document)
    return {**document, **codes}


def require_same(wanted: dict[str, str], document: Document) -> None:
    """The body names the same object as the URL (CO-04, CO-05)."""
    for name, value in wanted.items():
        if str(document.get(name, "")).lower() != value.lower():
            raise InvalidParameters(
                f"{name}: the URL says {value!r}, the body {document.get(name)!r}"
            )
