"""What stations are asked through the peer: answered at once, and by a result later."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from ocpi.spec.types import OCPIModel
from ocpi.testing.mock.wire import Document

IDS = ("_id", "_uid")


@dataclass(frozen=True)
class Terms:
    """The types of an errand's answer and result, and the requirements on its result."""

    response: type[OCPIModel]
    result: type[OCPIModel]
    after_acceptance: str
    exactly_one: str
    in_time: str


@dataclass(kw_only=True)
class Errand(ABC):
    """One request to a station; of `results` exactly one is right.

    `response` is None when the peer gave no usable one; `accepted_at` is of time.monotonic, None
    until the peer has accepted.
    """

    uid: str
    terms: Terms
    response_url: str
    to: tuple[str, str]
    sender: tuple[str, str]
    body: Document | None
    status_code: int | None = None
    response: Document | None = None
    results: list[Document] = field(default_factory=list)
    accepted_at: float | None = None
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    @abstractmethod
    def title(self) -> str:
        """Say for people what is asked."""

    async def first_result(self) -> Document:
        await self.arrived.wait()
        return self.results[0]

    def document(self) -> Document:
        return {
            "uid": self.uid,
            "body": self.body,
            "status_code": self.status_code,
            "response": self.response,
            "results": self.results,
        }


@dataclass(kw_only=True)
class Command(Errand):
    command: str

    def title(self) -> str:
        named = [str(value) for name, value in (self.body or {}).items() if name.endswith(IDS)]
        return " ".join([self.command, *named])

    def document(self) -> Document:
        return {"command": self.command, **super().document()}


@dataclass(kw_only=True)
class ProfileRequest(Errand):
    """PUT sets the session's profile, GET asks for the active one, DELETE clears it."""

    method: str
    session_id: str

    def title(self) -> str:
        return f"{self.method} profile of {self.session_id}"

    def document(self) -> Document:
        return {"method": self.method, "session_id": self.session_id, **super().document()}

    def may_have_set(self) -> bool:
        """Tell whether it has set a profile, as far as is known: the result may still be due."""
        known = self.results[0] if self.results else self.response
        return self.method == "PUT" and known is not None and known["result"] == "ACCEPTED"
