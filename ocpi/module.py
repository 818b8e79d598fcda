"""What a module is to the program: its routers, and how its objects are told to partners."""

from dataclasses import dataclass

from fastapi import APIRouter

from ocpi.push.source import Source
from ocpi.route import List


@dataclass(frozen=True)
class Module:
    """One functional module; the list of them drives what is mounted, advertised and pushed."""

    id: str
    cpo: str
    """The interface that a CPO platform offers: SENDER or RECEIVER."""
    sender: APIRouter | None = None
    receiver: APIRouter | None = None
    list: List | None = None
    """The endpoint of the sender's list, which the front door calls itself."""
    source: Source | None = None

    def router(self, role: str) -> APIRouter | None:
        """The router of an interface, where the module has it."""
        return self.sender if role == "SENDER" else self.receiver
