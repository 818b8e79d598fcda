"""A CPO that an eMSP can drive charging at: it says what it is told to say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ocpi.testing.emsp import EMSP_INTERFACES, MockEMSP
from ocpi.testing.mock.outgoing import Address, Asking, Reply
from ocpi.testing.mock.sender import list_objects
from ocpi.testing.mock.state import Interfaces, State
from ocpi.testing.mock.strict import read_document
from ocpi.testing.mock.wire import Answer, Document, Incoming, envelope, ok
from tests.ocpi.testing.caller import two_platforms

TO_EMSP = ("DE", "MSP")


@dataclass
class ChargingCPO:
    """`platform` judges how it is asked; `says` is what its receivers answer."""

    platform: MockEMSP
    says: Answer = field(default_factory=lambda: ok({"result": "ACCEPTED", "timeout": 30}))
    asked: list[Incoming] = field(default_factory=list)

    async def answer(self, _state: State, incoming: Incoming) -> Answer:
        self.asked.append(incoming)
        return self.says

    def refuse(self, result: str, status_code: int = 1000) -> None:
        self.says = Answer(200, envelope(status_code, {"result": result, "timeout": 0}))

    def bodies(self) -> list[Document]:
        return [read_document(incoming) for incoming in self.asked]

    async def tell(
        self, url: str, document: Any, method: str = "POST", to: Address | None = TO_EMSP
    ) -> Reply:
        """Ask the eMSP at a URL, as its peer."""
        assert self.platform.peer is not None
        async with Asking(self.platform, self.platform.peer.token_out) as asking:
            return await asking.ask(method, url, body=document, to=to)


async def charging() -> tuple[MockEMSP, ChargingCPO]:
    """An eMSP that is registered with a CPO that has everything it needs to drive charging."""
    emsp, platform = two_platforms()
    cpo = ChargingCPO(platform)
    routes: Interfaces = {
        ("receiver", "commands"): {("POST", 1): cpo.answer},
        ("receiver", "chargingprofiles"): {
            (method, 1): cpo.answer for method in ("GET", "PUT", "DELETE")
        },
        ("receiver", "tokens"): {(method, 3): cpo.answer for method in ("PUT", "PATCH")},
        ("sender", "sessions"): {("PUT", 2): cpo.answer, ("GET", 0): list_objects},
    }
    platform.interfaces = {**EMSP_INTERFACES, **routes}
    await emsp.register(platform.versions_url, platform.token_a)
    return emsp, cpo


def objections(emsp: MockEMSP) -> list[str]:
    """The violations without the requests that they were found in."""
    return [violation.partition(": ")[2] for violation in emsp.violations]
