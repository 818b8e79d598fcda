"""What the push needs of a module: the requests that bring a partner up to date on an object."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ocpi.database import Database
from ocpi.mappings import Mappings
from ocpi.paths import climbs
from ocpi.push.feed import FeedRow
from ocpi.sight import Facts


class Untellable(ValueError):
    """No request can tell the object; the message says why."""


@dataclass(frozen=True)
class Send:
    """One request to a partner's RECEIVER endpoint."""

    method: str
    path: str
    """Relative to the endpoint, percent-encoded; empty for the endpoint itself."""
    body: str | None

    def __post_init__(self) -> None:
        """An object's own name must not lead to another endpoint of the partner (TA-06)."""
        if climbs(self.path.partition("?")[0]):
            raise Untellable("It cannot be told: a name of . or .. cannot stand in a URL.")


class Source(Protocol):
    """A module's way of telling its objects."""

    module: str

    async def sends(self, database: Database, row: FeedRow, *, patch: bool) -> Sequence[Send]:
        """The requests that tell the object as it is now, the preferred one first.

        The next is sent at once when the partner does not know what the one before speaks of: PATCH
        of an EVSE, PUT of the EVSE, PUT of the Location. `patch` says that the partner holds the
        state before `row.patch`. None at all: there is nothing to tell any more.
        """
        ...


@runtime_checkable
class Withdrawing(Source, Protocol):
    """The way of a module whose objects a partner may have to forget."""

    async def withdraws(self, database: Database, row: FeedRow) -> Sequence[Send]:
        """The requests that take an object back from a partner that must not see it any more."""
        ...


@runtime_checkable
class Ruled(Withdrawing, Protocol):
    """The way of a module whose objects a partner's rules may hide, see `ocpi.sight`."""

    async def facts(self, database: Database, object_key: str) -> Facts | None:
        """What rules look at; None where there is no such object."""
        ...

    def told(self, send: Send, row: FeedRow, mappings: Mappings) -> Send:
        """A request as it is sent to a partner with these mappings, see `ocpi.mappings`."""
        ...
