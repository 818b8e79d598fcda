"""Whether a driver may charge, from what is known and what the eMSP said: pure, and fail-closed.

| known               | asked              | and if the eMSP cannot be asked       |
|---------------------|--------------------|---------------------------------------|
| by a command        | never (CM-15, 16)  | -                                     |
| ALWAYS              | never (TK-14)      | `valid` decides (AT-63)               |
| ALLOWED             | if not valid       | denied                                |
| ALLOWED_OFFLINE     | always (TK-16)     | `valid` decides                       |
| NEVER               | always (TK-17)     | denied, unless the option says allow  |
| gone from its list  | always (PG-13)     | as for NEVER                          |
| an unknown Token    | everybody (TK-19)  | denied, unless the option says allow  |

A whitelist word that OCPI 2.2.1 does not know counts as NEVER. What the eMSP says goes before
whatever is stored (TK-18).
"""

from dataclasses import dataclass
from enum import StrEnum

from ocpi.editing import Document
from ocpi.spec.cdrs import AuthMethod
from ocpi.spec.tokens import AllowedType, WhitelistType

UNKNOWN = "UNKNOWN"
"""Beside the AllowedTypes: nobody knows the Token."""


class Heard(StrEnum):
    """What asking in real time came to; where several were asked, the first of these counts."""

    VERDICT = "verdict"  # An AuthorizationInfo.
    NEEDS_MORE = "needs more"  # Cannot be decided without the Location (TK-05).
    UNUSABLE = "unusable"  # An answer, but none that could be believed.
    UNREACHABLE = "unreachable"  # No answer in time, or nobody there to give one.
    UNKNOWN = "unknown"  # Not its Token.


@dataclass(frozen=True)
class Outcome:
    """What one eMSP said, or why it said nothing."""

    heard: Heard
    reason: str
    """A sentence for staff."""
    allowed: str = ""
    """With a verdict: an AllowedType, or the eMSP's own word."""
    token: Document | None = None
    """As the eMSP told it; without an answer, what to go by if a Token unknown here may charge."""
    reference: str | None = None
    location: Document | None = None
    info: Document | None = None
    """A DisplayText for the driver."""


@dataclass(frozen=True)
class Decision:
    """Whether the driver may charge, and what Session and CDR need to know then."""

    allowed: str
    """An AllowedType, `UNKNOWN`, or the eMSP's own word; anything but ALLOWED is a no."""
    reason: str
    token: Document | None = None
    method: AuthMethod | None = None
    reference: str | None = None
    """The eMSP's authorization_reference (TK-20)."""
    location: Document | None = None
    """Where, if the eMSP told."""
    info: Document | None = None

    @property
    def granted(self) -> bool:
        """Whether the driver may charge."""
        return self.allowed == AllowedType.ALLOWED


def settled(token: Document | None, command: Document | None) -> Decision | None:
    """The decision where nobody is to be asked in real time; None where the eMSP is.

    `token` is the Token as it is stored here, `command` the request by which its eMSP has just
    authorized it.
    """
    if command is not None:
        return _by_command(command)
    if token is None:
        return None
    cached = token["whitelist"] == WhitelistType.ALLOWED and token["valid"]
    if token["whitelist"] == WhitelistType.ALWAYS or cached:
        return _by_whitelist(token, "It is decided from the Token as it is stored here.")
    return None


def decide(token: Document | None, outcome: Outcome, *, allows_unasked: bool = False) -> Decision:
    """The decision on a Token, stored here or not, after its eMSP was asked."""
    if outcome.heard is Heard.VERDICT:
        return _by_verdict(outcome)
    if outcome.heard is Heard.UNREACHABLE:
        return _unasked(token, outcome, allows=allows_unasked)
    if outcome.heard is Heard.UNKNOWN:
        return Decision(UNKNOWN, outcome.reason, token)
    return Decision(AllowedType.NOT_ALLOWED if token else UNKNOWN, outcome.reason, token)


def _by_command(request: Document) -> Decision:
    return Decision(
        AllowedType.ALLOWED,
        "The eMSP has sent a command for this Token.",
        request["token"],
        AuthMethod.COMMAND,
        request.get("authorization_reference"),
    )


def _by_verdict(outcome: Outcome) -> Decision:
    granted = outcome.allowed == AllowedType.ALLOWED
    return Decision(
        outcome.allowed,
        outcome.reason,
        outcome.token,
        AuthMethod.AUTH_REQUEST if granted else None,
        outcome.reference,
        outcome.location,
        outcome.info,
    )


def _unasked(token: Document | None, outcome: Outcome, *, allows: bool) -> Decision:
    if token is None:
        if not allows or outcome.token is None:
            return Decision(UNKNOWN, outcome.reason)
        return _by_whitelist(outcome.token, outcome.reason)
    # ALLOWED comes here only if it is not valid: then it is denied below.
    stored = token["whitelist"] in (WhitelistType.ALLOWED, WhitelistType.ALLOWED_OFFLINE)
    if stored or allows:
        return _by_whitelist(token, outcome.reason)
    return Decision(AllowedType.NOT_ALLOWED, outcome.reason, token)


def _by_whitelist(token: Document, reason: str) -> Decision:
    if not token["valid"]:
        return Decision(AllowedType.BLOCKED, f"{reason} It is not valid.", token)
    return Decision(AllowedType.ALLOWED, reason, token, AuthMethod.WHITELIST)
