"""What an exchange was about: which module and object, by its URL or else its body."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ocpi.journal.notes import Note
from ocpi.paths import decode_segment
from ocpi.sealing import Seal
from ocpi.spec.document import decode

LONGEST = 255
# Below the RECEIVER endpoints of these modules stand the owner's codes, then the id.
OWNED = frozenset({"locations", "tariffs", "sessions", "tokens"})
_OURS = re.compile(r"/ocpi/[^/?]+/2\.2\.1/(sender|receiver)/(\w+)(?=[/?]|$)")
_CREDENTIALS = re.compile(r"/credentials(?=[/?]|$)")
_LINKS = re.compile(r"/2\.2\.1/links(?=[/?]|$)")
_VERSIONS = re.compile(r"/(?:versions|2\.2\.1)(?=[/?]|$)")
_THEIRS = re.compile(
    r"/(?:(sender|receiver)/)?"
    r"(locations|tariffs|sessions|cdrs|tokens|commands|chargingprofiles|hubclientinfo)(?=[/?]|$)"
)
_CODE = re.compile(rb'"status_code"\s*:\s*"?(\d{4})(?!\d)')
_END = 256


@dataclass(frozen=True)
class Endpoint:
    """An endpoint of a partner's, as it was told in its version details."""

    module: str
    interface: str
    url: str


@dataclass(frozen=True)
class Subject:
    """What an exchange was about."""

    module: str | None = None
    interface: str | None = None
    prefix: str = ""
    """The URL up to the endpoint."""
    segments: Sequence[str] = ()
    """What stands in the path behind it, percent-encoded as it was."""
    query: str = ""

    @property
    def uid_at(self) -> Sequence[int]:
        """Which segments hold the uid of a driver's Token."""
        if self.module != "tokens":
            return ()
        if self.interface == "RECEIVER":
            return range(2, len(self.segments))
        if self.interface == "SENDER":
            return range(len(self.segments[:1]))
        # Whose endpoint it is cannot be told: rather too much is taken for a uid than too little.
        words = (n for n, each in enumerate(self.segments) if each != "authorize")
        return [n for n in words if len(self.segments[n]) > 3]

    def url(self, segments: Iterable[str], query: str) -> str:
        """The URL with other segments and another query behind the endpoint."""
        path = "/".join([self.prefix, *segments])
        return f"{path}?{query}" if query else path


def subject_of(note: Note, endpoints: Sequence[Endpoint]) -> Subject:
    """What a URL means; `endpoints` are those of the partner that was asked."""
    if note.link is not None:
        # What it was about stands in no part of such a URL.
        return _subject(*note.link, note.url, len(note.url.partition("?")[0]))
    if note.direction == "IN":
        ours = _OURS.match(note.url)
        if ours is not None:
            return _subject(ours[2], ours[1].upper(), note.url, ours.end())
    else:
        for each in sorted(endpoints, key=lambda known: -len(known.url)):
            end = len(each.url.rstrip("/"))
            if note.url.startswith(each.url[:end]) and note.url[end : end + 1] in ("", "/", "?"):
                return _subject(each.module, each.interface, note.url, end)
    credentials = _CREDENTIALS.search(note.url)
    if credentials is not None:
        return _subject("credentials", None, note.url, credentials.end())
    return _guessed(note)


def _guessed(note: Note) -> Subject:
    """What it may have been about, where no endpoint is known that it went to."""
    theirs = _THEIRS.search(note.url)
    if theirs is not None:
        interface = theirs[1].upper() if theirs[1] else None
        return _subject(theirs[2], interface, note.url, theirs.end())
    for module, pattern in (("links", _LINKS), ("versions", _VERSIONS)):
        found = pattern.search(note.url)
        if found is not None:
            return _subject(module, None, note.url, found.end())
    return _subject(None, None, note.url, len(note.url.partition("?")[0]))


def _subject(module: str | None, interface: str | None, url: str, end: int) -> Subject:
    path, _, query = url[end:].partition("?")
    segments = path.strip("/").split("/") if path.strip("/") else []
    return Subject(module, interface, url[:end], segments, query)


def object_of(subject: Subject, note: Note, seal: Seal) -> tuple[str | None, str | None]:
    """The key of the object that was meant, and its id; None where it was no single one."""
    names = [decode_segment(each).lower() for each in subject.segments]
    for n in subject.uid_at:
        names[n] = seal.mark(names[n])
    if subject.module in OWNED and subject.interface == "RECEIVER":
        names = names[:3] if len(names) > 2 else []
    elif subject.module == "cdrs" and subject.interface == "RECEIVER" and len(names) == 3:
        # The place that we answer a CDR with; others may have theirs where they like.
        pass
    elif subject.module in ("cdrs", "commands") and note.method == "POST":
        names = _told(subject.module, names, note.request)
    elif subject.module != "commands":
        names = names[:1]
    if subject.module is None or not names:
        return None, None
    names = [each.replace("/", "%2F") for each in names]
    return "/".join([subject.module, *names]), names[-1]


def _told(module: str, names: list[str], body: bytes) -> list[str]:
    """What the body names: the CDR that is told, the Session that is to be stopped."""
    document = _document(body)
    fields = ("country_code", "party_id", "id") if module == "cdrs" else ("session_id",)
    told = [str(document[name]).lower() for name in fields if name in document]
    return [*names[:1], *told]


def _document(body: bytes) -> Mapping[str, Any]:
    try:
        document = decode(body)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def status_code_of(note: Note) -> int | None:
    """The OCPI status code of the answer, from the end of the envelope or from its begin."""
    end = note.tail or note.response[-_END:]
    found = [*_CODE.finditer(end)][-1:] or [*_CODE.finditer(note.response[:_END])]
    return int(found[0][1]) if found else None


def party_of(headers: Mapping[str, str], side: str) -> str | None:
    """The party of a pair of routing headers, `DE*MSP`; headers may have names in any case."""
    country_code = _header(headers, f"OCPI-{side}-country-code")
    party_id = _header(headers, f"OCPI-{side}-party-id")
    return f"{country_code}*{party_id}" if country_code and party_id else None


def _header(headers: Mapping[str, str], name: str) -> str | None:
    return headers.get(name) or headers.get(name.lower())
