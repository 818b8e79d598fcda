"""What is pulled: a module's objects, from the partners that issue them."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.parties import PlatformID
from ocpi.store import Store


@dataclass(frozen=True)
class Pullable:
    """A module whose objects are pulled; its table is a `PulledObject`."""

    module: str
    store: Store[Any]
    role: str
    """The role of the parties that issue such objects, each with a list of its own."""
    share: Callable[[AsyncSession, Collection[str]], Awaitable[Collection[str]]] | None = None
    """Marks objects as meant for everybody, in a column `shared`; gives the keys of those that were
    not. What is not shared did not come by this list, so it cannot be gone from it.
    """

    @property
    def kind(self) -> str:
        """What OCPI calls one of its objects."""
        return self.store.model.__name__


Pullables = Mapping[PlatformID, Sequence[Pullable]]
"""What each platform of ours pulls from its partners."""
