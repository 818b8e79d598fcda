"""What a module is to the program: its routers, and how its objects are told to partners."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter

from ocpi.push.source import Source


@dataclass(frozen=True)
class Module:
    """One functional module; the list of them drives what is mounted, advertised and pushed."""

    id: str
    cpo: str
    """The interface that a CPO platform offers: SENDER or RECEIVER."""
    sender: APIRouter | None = None
    receiver: APIRouter | None = None
    elsewhere: APIRouter | None = None
    """Endpoints of the sender that need more than the module knows."""
    source: Source | None = None

    def routers(self, role: str) -> Sequence[APIRouter]:
        """The routers of an interface."""
        both = (self.sender, self.elsewhere) if role == "SENDER" else (self.receiver,)
        return [router for router in both if router is not None]
