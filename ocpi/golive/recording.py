"""What a partner answered to the questions of a check, as judgements read it; no I/O."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ocpi.homes import foreign_places
from ocpi.reply import Reply
from ocpi.spec.cdrs import CDR
from ocpi.spec.hubclientinfo import ClientInfo
from ocpi.spec.locations import Location
from ocpi.spec.sessions import Session
from ocpi.spec.tariffs import Tariff
from ocpi.spec.tokens import Token
from ocpi.spec.types import OCPIModel

MODELS: Mapping[str, type[OCPIModel]] = {
    "locations": Location,
    "tariffs": Tariff,
    "sessions": Session,
    "cdrs": CDR,
    "tokens": Token,
    "hubclientinfo": ClientInfo,
}
"""The kinds of object that lists have."""


@dataclass(frozen=True)
class Asked:
    """One question and its answer."""

    step: str
    """What was asked, such as `locations/limit`."""
    method: str
    url: str
    reply: Reply | None = None
    failure: str | None = None
    """Why there is no reply."""
    step_value: str = ""
    """What the answer is compared with: a moment, or `name=value`."""

    @property
    def ok(self) -> bool:
        """It was answered with success."""
        return self.reply is not None and self.reply.success()

    @property
    def codes(self) -> str:
        """What it was answered, in few words."""
        if self.reply is None:
            return self.failure or "no answer"
        code = self.reply.status_code
        return f"HTTP {self.reply.http_status}" + (f" and {code}" if code else ", no envelope")

    def __str__(self) -> str:
        """As a report names it; a query may be of any length."""
        return f"{self.method} {self.url[:300]}"


@dataclass
class Recording:
    """All that was asked, in order."""

    versions_url: str = ""
    insecure: bool = False
    """Plain http is let through here, as in a lab."""
    raw_token: bool = False
    """How the partner is set to be sent our token."""
    asked: list[Asked] = field(default_factory=list)
    hosts: Collection[str] = ()
    """Where it may have endpoints, beside the host of its versions URL."""
    endpoints: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """URLs by module and role, as the version details have them."""
    withheld: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """Those that nobody has approved, which were not asked (TA-27)."""
    wrote: bool = False
    """The partner agreed to the round of writes."""

    def is_home(self, url: str) -> bool:
        """Whether it may be called."""
        return not foreign_places([url], self.versions_url, self.hosts)

    def find(self, step: str) -> Asked | None:
        """The answer to a question; None: it was not asked."""
        return next((each for each in self.asked if each.step == step), None)

    def starting(self, prefix: str) -> Sequence[Asked]:
        """All questions whose steps begin so."""
        return [each for each in self.asked if each.step.startswith(prefix)]

    def replies(self) -> Iterator[tuple[Asked, Reply]]:
        """What was answered."""
        for each in self.asked:
            if each.reply is not None:
                yield each, each.reply

    def lists(self) -> Iterator[str]:
        """The modules whose lists were asked for."""
        return (module for module in MODELS if self.find(f"{module}/page/1") is not None)

    def objects(self, module: str) -> Iterator[Any]:
        """The objects on the pages that were read of a list."""
        for page in self.starting(f"{module}/page/"):
            if page.ok and page.reply is not None and isinstance(page.reply.data, list):
                yield from page.reply.data
