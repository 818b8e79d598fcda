"""Rules by which the mock misbehaves, and what each of them puts in place of a proper answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec

from ocpi.testing.mock.wire import Answer, Incoming, envelope

Act = Literal[
    "status",  # refuses with `http_status`, and `retry_after` seconds if given
    "envelope",  # HTTP 200 with `status_code` in the envelope; nothing is stored
    "slow",  # waits `seconds`, then does as it should
    "garbage",  # 200 with an HTML page or half a JSON document; nothing is stored
    "empty",  # does as it should, but the answer is 200 without a body
    "drop",  # closes the connection before it looks at the request
    "drop_after_accept",  # stores, then closes the connection without an answer
]

_GARBAGE = {
    "html": ("text/html", "<!doctype html><title>Maintenance</title><p>Back soon."),
    "truncated": ("application/json", '{"status_code": 1000, "timest'),
}


class Match(msgspec.Struct, forbid_unknown_fields=True, frozen=True, omit_defaults=True):
    """Which requests a rule is for; what is not given matches everything."""

    module: str | None = None
    method: str | None = None
    path: str | None = None

    def __post_init__(self) -> None:
        try:
            re.compile(self.path or "")
        except re.error as failure:
            raise ValueError(f"the path is no regular expression: {failure}") from failure

    def fits(self, incoming: Incoming) -> bool:
        return (
            self.module in {None, incoming.module}
            and (self.method is None or self.method.upper() == incoming.method)
            and (self.path is None or re.search(self.path, incoming.path) is not None)
        )


class Rule(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What to do wrong, for which requests and how many `times` more."""

    act: Act
    match: Match = Match()
    times: int | Literal["forever"] = "forever"
    http_status: int = 500
    retry_after: int | None = None
    status_code: int = 3000
    seconds: float = 1.0
    garbage: Literal["html", "truncated"] = "html"

    def use(self) -> bool:
        """Count one use; False when there is none left."""
        if self.times == "forever":
            return True
        if self.times <= 0:
            return False
        self.times -= 1
        return True


def take_rule(rules: list[Rule], incoming: Incoming) -> Rule | None:
    """The first rule for this request that is not used up."""
    return next((rule for rule in rules if rule.match.fits(incoming) and rule.use()), None)


async def misbehave(rule: Rule, behave: Callable[[], Awaitable[Answer]]) -> Answer | None:
    """Answer wrongly; None means that the connection is to be closed without an answer."""
    match rule.act:
        case "status":
            return _refuse(rule)
        case "envelope":
            return Answer(200, envelope(rule.status_code, message="The mock was told to say this."))
        case "slow":
            await asyncio.sleep(rule.seconds)
            return await behave()
        case "garbage":
            content_type, text = _GARBAGE[rule.garbage]
            return Answer(200, None, text=text, content_type=content_type)
        case "empty":
            await behave()
            return Answer(200, None)
        case "drop_after_accept":
            await behave()
    return None


def _refuse(rule: Rule) -> Answer:
    status_code = 3000 if rule.http_status >= 500 else 2000
    answer = Answer(rule.http_status, envelope(status_code, message="The mock was told to refuse."))
    if rule.retry_after is not None:
        answer.headers["retry-after"] = str(rule.retry_after)
    return answer
