"""Where drivers are named: each table with the columns that tell who somebody is.

Not here are tables that hold no such thing (Locations, Tariffs, parties, numbers of the feed), the
feed and what is parked, which name Tokens by their keys, and the message log, which has marks.
"""

from dataclasses import dataclass
from typing import Any

from sqlmodel import SQLModel

from modules.cdrs.store import CDRConflict, CDRRow
from modules.commands.asking import SentCommand
from modules.commands.reservations import Reservation
from modules.sessions.store import SessionRow
from modules.stations.charges import Charge
from modules.tokens.authorizations import Authorization
from modules.tokens.store import HubTokenRow, TokenRow
from ocpi.errands import Errand
from ocpi.hub.links import HubLink
from ocpi.parties import Partner
from ocpi.pull.syncs import PartnerSync
from ocpi.push.feed import SyncObject
from ocpi.push.lanes import ParkedObject, PartnerLane


@dataclass(frozen=True)
class Place:
    """A table whose rows may name a driver."""

    table: Any
    key: str
    """The column that tells rows apart."""
    documents: tuple[str, ...]
    """Columns that hold JSON texts."""
    references: tuple[str, ...] = ()
    """Columns that hold an authorization_reference."""
    token_key: str | None = None
    """The column that names a Token, see ocpi.errands.token_key."""

    @property
    def name(self) -> str:
        """The table's name."""
        name: str = self.table.__tablename__
        return name


# In the order in which rows are locked.
PLACES = (
    Place(Charge, "id", ("record",)),
    Place(
        Reservation,
        "id",
        ("token", "record"),
        references=("authorization_reference",),
        token_key="token_key",  # noqa: S106 - a column.
    ),
    Place(Errand, "id", ("request", "result"), token_key="token_key"),  # noqa: S106
    Place(SentCommand, "id", ("request", "response", "result", "news")),
    Place(Authorization, "id", ("token",), references=("reference",), token_key="token_key"),  # noqa: S106
    Place(TokenRow, "position", ("body",)),
    Place(HubTokenRow, "position", ("body",)),
    Place(SessionRow, "position", ("body",)),
    Place(CDRRow, "position", ("body", "finding")),
    Place(CDRConflict, "id", ("body",)),
    Place(SyncObject, "key", ("patch",)),
)

# Sentences for staff that may repeat what a partner or a station said of a driver.
SENTENCES: tuple[tuple[type[SQLModel], str], ...] = (
    (Charge, "trouble"),
    (Errand, "note"),
    (SentCommand, "problem"),
    (ParkedObject, "error"),
    (PartnerLane, "last_error"),
    (PartnerSync, "note"),
    (Partner, "note"),
)

# URLs of parties that may have written a driver's name into them.
LINKS = Place(HubLink, "id", ("url",))
