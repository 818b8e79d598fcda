"""A message as the hub sees it: who sends it, to whom, and what it asks."""

import re
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ocpi.client import LONGEST_REQUEST_URL
from ocpi.database import Database
from ocpi.editing import require_same
from ocpi.egress import LONGEST_URL
from ocpi.errors import InvalidParameters, MethodNotOffered, NotJSON, UnknownObject
from ocpi.headers import MessageIDs, Party
from ocpi.owning import require_owner
from ocpi.parties import Caller
from ocpi.paths import climbs, decode_segment
from ocpi.spec.document import decode

_CARRIABLE = re.compile(r"[!\"$-\[\]-~]*")
# Below the RECEIVER endpoints of these modules stands the owner of an object, then its id.
OWNED = frozenset({"locations", "tariffs", "sessions", "tokens"})
# What those take, and that of CDRs (TR-11); a module that is none of OCPI's takes what it likes.
_TAKEN = {
    **dict.fromkeys(("locations", "sessions", "tokens"), frozenset({"GET", "PUT", "PATCH"})),
    "tariffs": frozenset({"GET", "PUT", "DELETE"}),
    "cdrs": frozenset({"GET", "POST"}),
}


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
        """The parts of the path, as they are meant."""
        return [decode_segment(each) for each in self.path.split("/")] if self.path else []

    @property
    def owner(self) -> Party | None:
        """Whose object is pushed or asked back; None where URL and body do not tell."""
        if self.interface == "RECEIVER" and self.module in OWNED:
            return owner_in(self.path)
        if self.interface == "RECEIVER" and self.module == "cdrs" and self.method == "POST":
            return party_in(self.document)
        return None

    def spoken_by(self, caller: Caller) -> "Message":
        """The same, of a caller as it counts for this message; what was read of it stays read."""
        spoken = copy(self)
        spoken.__dict__["caller"] = caller
        return spoken

    async def require_own(self, database: Database) -> None:
        """Raises ``UnknownObject`` for an object of somebody else than the sender (CO-06, IP-11).

        Its receiver could not tell: behind a hub it must believe whoever is connected (AT-36). Nor
        is one carried that its path names no owner of: a server that decodes `FR%2FFRC/L1` before
        it splits it would find one. Raises ``MethodNotOffered`` for what changes one past this.
        """
        if self.interface != "RECEIVER":
            return
        if self.method not in _TAKEN.get(self.module, (self.method,)):
            raise MethodNotOffered(f"{self.method} of {self.module} is not offered here.")
        if self.module == "cdrs" and self.method == "GET":
            # It is asked back at the link that its POST was answered with alone (CD-04).
            raise UnknownObject("A CDR is at the address that its POST was answered with.")
        if self.owner is not None:
            await require_owner(database, self.caller, self.module, self.owner)
        elif self.module in OWNED:
            raise UnknownObject(
                f"Below {self.module} a path has three segments at least: country_code, party_id, "
                "and the id, in which alone %2F may stand."
            )

    def require_one_owner(self) -> None:
        """Raises ``InvalidParameters`` for an object whose body tells of another owner (CO-05).

        Its receiver would file it as that one's. Many read names without regard to case; what lacks
        the codes is for the receiver to judge, and EVSEs and Connectors have none. Of a CDR nothing
        but its body tells whose it is.
        """
        document, owner = self.document, self.owner
        if owner is None:
            if (self.method, self.interface, self.module) == ("POST", "RECEIVER", "cdrs"):
                raise InvalidParameters("country_code, party_id: a CDR names its owner.")
            return
        if self.module == "locations" and len(self.segments) > 3:
            return
        due = {"country_code": owner.country_code, "party_id": owner.party_id}
        for field, value in document.items():
            name = field.casefold()
            if name in due and value is not None:
                require_same({name: due[name]}, {name: value})

    @property
    def first(self) -> str:
        """The first part of the path, empty where there is none."""
        return self.segments[0] if self.path else ""

    @property
    def tail(self) -> str:
        """What stands behind the endpoint in the URL: the same on each leg (RT-11)."""
        path = f"/{self.path}" if self.path else ""
        return f"{path}?{self.query}" if self.query else path

    def require_carriable(self) -> None:
        """Raises ``InvalidParameters`` for a URL that must not be made of any party's endpoint.

        A path that climbs leads out of the endpoint, to where only the hub may go (TA-06).
        """
        if climbs(self.path):
            raise InvalidParameters("A segment of the path is . or .., which is not carried on.")
        if not _CARRIABLE.fullmatch(self.tail):
            raise InvalidParameters("Path and query may hold visible ASCII characters alone.")
        if len(self.tail) > LONGEST_REQUEST_URL - LONGEST_URL:
            raise InvalidParameters("Path and query are too long to be carried on.")

    @cached_property
    def document(self) -> dict[str, Any]:
        """The body where it is a JSON object, else nothing: its receiver judges it.

        Raises ``NotJSON`` for a body that cannot be read here: its receiver may read it all the
        same, and find another owner or a foreign URL in it than was judged here (TA-07).
        """
        if not self.body:
            return {}
        try:
            document = decode(self.body)
        except ValueError as error:
            raise NotJSON(f"The body is not JSON: {error}") from None
        return document if isinstance(document, dict) else {}


def owner_in(path: str) -> Party | None:
    """The owner in the path of a pushed object, `NL/TNM/LOC1`."""
    segments = path.split("/")
    return Party(*map(decode_segment, segments[:2])) if len(segments) > 2 else None


def party_in(document: Any) -> Party | None:
    """The party that an object names by its codes, None where it names none."""
    if not isinstance(document, dict):
        return None
    codes = {name.casefold(): value for name, value in document.items()}
    match codes.get("country_code"), codes.get("party_id"):
        case str(country_code), str(party_id):
            return Party(country_code, party_id)
    return None
