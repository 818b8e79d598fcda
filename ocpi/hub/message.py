"""A message as the hub sees it: who sends it, to whom, and what it asks."""

from dataclasses import dataclass
from typing import Any

from ocpi.headers import MessageIDs, Party
from ocpi.parties import Caller
from ocpi.spec.document import decode


@dataclass(frozen=True)
class Message:
    """One request to an interface of the hub platform."""

    caller: Caller
    sender: Party
    """The party that sends it, one of the caller's."""
    to: Party | None
    ids: MessageIDs
    method: str
    interface: str
    """SENDER or RECEIVER."""
    module: str
    path: str
    """What stands behind the module in the URL, percent-encoded as sent: `NL/TNM/LOC1` or empty."""
    query: str = ""
    body: bytes = b""

    @property
    def segments(self) -> list[str]:
        """The parts of the path."""
        return self.path.split("/") if self.path else []

    def document(self) -> dict[str, Any]:
        """The body where it is a JSON object, else nothing: its receiver judges it."""
        try:
            document = decode(self.body)
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}
