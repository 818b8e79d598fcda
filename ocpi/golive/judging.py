"""The checks: small judgements over recorded answers, each with the requirements it speaks of."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ocpi.golive.recording import Recording

Problems = Sequence[str] | None
"""Sentences of what is wrong; none: it is passed; None: it could not be judged."""


_SAID = {
    "throttle": re.compile(r"too many requests|rate.?limit|throttl", re.IGNORECASE),
    "auth": re.compile(r"unauthori[sz]ed|not authori[sz]ed|invalid token", re.IGNORECASE),
}
"""What partners write where they ask for a pause, or do not know us."""


@dataclass(frozen=True)
class Check:
    """One judgement."""

    id: str
    requirements: tuple[str, ...]
    what: str
    """What must be so, as a sentence."""
    severity: Literal["must", "should"]
    """Who fails a `must` does not pass."""
    judge: Callable[[Recording], Problems]


@dataclass(frozen=True)
class Proposal:
    """A setting that suits the partner."""

    option: str
    """As `ocpi partner set` takes it."""
    why: str


def proposals(record: Recording) -> list[Proposal]:
    """The settings by which we can live with what the partner does its own way."""
    found = []
    usual, other = record.find("versions"), record.find("versions/other token form")
    if usual is not None and not usual.ok and other is not None and other.ok:
        form = "Base64-encoded" if record.raw_token else "un-encoded"
        found.append(
            Proposal(
                f"raw_token={str(not record.raw_token).lower()}",
                f"It knows our token only when it is sent {form} (TR-03, TR-07).",
            )
        )
    patches = [each for each in record.starting("write/") if each.method == "PATCH"]
    puts = [each for each in record.starting("write/") if each.method == "PUT"]
    if patches and puts and all(each.ok for each in puts) and not any(e.ok for e in patches):
        found.append(Proposal("put_only=true", "It takes PUT and refuses PATCH (PP-04)."))
    if any(reply.http_status == 429 for _, reply in record.replies()):
        found.append(
            Proposal("pushes_per_minute=60", "It answered HTTP 429 to the requests of this check.")
        )
    codes = _own_codes(record)
    if codes:
        why = "Its OCPI status codes mean something else to it than to OCPI (IP-37)."
        found.append(Proposal(f"codes={','.join(codes)}", why))
    return found


def _own_codes(record: Recording) -> list[str]:
    """The codes by which the partner says something else than what OCPI has them for."""
    found = {
        f"{reply.status_code}={meaning}"
        for _, reply in record.replies()
        for meaning, said in _SAID.items()
        if reply.http_status not in (401, 403, 429)
        and 2000 <= (reply.status_code or 0) < 3000
        and said.search(reply.status_message or "")
    }
    return sorted(found)
