"""What is pulled: a module's objects, from the partners that issue them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ocpi.parties import PlatformID
from ocpi.store import Store


@dataclass(frozen=True)
class Pullable:
    """A module whose objects are pulled; its table is a `PulledObject`."""

    module: str
    store: Store[Any]

    @property
    def kind(self) -> str:
        """What OCPI calls one of its objects."""
        return self.store.model.__name__


Pullables = Mapping[PlatformID, Sequence[Pullable]]
"""What each platform of ours pulls from its partners."""
