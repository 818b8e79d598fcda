"""Rules by which the mock misbehaves, and what each of them puts in place of a proper answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from ocpi.testing.mock.wire import Answer, Incoming, envelope

Act = Literal[
    "status",  # refuses with `http_status`, and `retry_after` seconds if given
    "envelope",  # HTTP 200 with `status_code` in the envelope; nothing is stored
    "slow",  # waits `seconds`, then does as it should
    "garbage",  # 200 with an HTML page or half a JSON document; nothing is stored
    "empty",  # does as it should, but the answer is 200 without a body
    "drop",  # closes the connection before it looks at the request
    "drop_after_accept",  # stores, then closes the connection without an answer
    "ignore_query",  # does as if there were no query
    "alter",  # does as it should, then answers with `http_status`, `headers` and `members` changed
]

_GARBAGE = {
    "html": ("text/html", "<!doctype html><title>Maintenance</title><p>Back soon."),
    "truncated": ("application/json", '{"status_code": 1000, "timest'),
}

# What no answer can have would end it half way.
HeaderName = Annotated[str, Meta(pattern=r"^[\w!#$%&'*+.^`|~-]+\Z")]
HeaderValue = Annotated[str, Meta(pattern=r"^[\t -~\x80-\xff]*\Z")]


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
    http_status: Annotated[int, Meta(ge=200, le=599)] | None = None
    """Of `status` 500, if not given; of `alter` what is proper."""
    retry_after: int | None = None
    status_code: int = 3000
    seconds: float = 1.0
    garbage: Literal["html", "truncated"] = "html"
    headers: dict[HeaderName, HeaderValue | None] = {}
    """Headers of the answer, in lower case; null takes one away."""
    members: dict[str, Any] = {}
    """Members of the envelope; null takes one away."""

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


async def misbehave(
    rule: Rule, incoming: Incoming, behave: Callable[[], Awaitable[Answer]]
) -> Answer | None:
    """Answer wrongly; None means that the connection is to be closed without an answer."""
    match rule.act:
        case "status":
            answer = _refuse(rule)
        case "envelope":
            said = envelope(rule.status_code, message="The mock was told to say this.")
            answer = Answer(200, said)
        case "garbage":
            content_type, text = _GARBAGE[rule.garbage]
            answer = Answer(200, None, text=text, content_type=content_type)
        case "drop":
            return None
        case _:
            return await _behave_badly(rule, incoming, behave)
    return answer


async def _behave_badly(
    rule: Rule, incoming: Incoming, behave: Callable[[], Awaitable[Answer]]
) -> Answer | None:
    """Do as it should, though not quite."""
    if rule.act == "slow":
        await asyncio.sleep(rule.seconds)
    if rule.act == "ignore_query":
        incoming.query = {}
    answer = await behave()
    match rule.act:
        case "empty":
            return Answer(200, None)
        case "drop_after_accept":
            return None
        case "alter":
            return _alter(rule, answer)
    return answer


def _alter(rule: Rule, answer: Answer) -> Answer:
    members = {**(answer.document or {}), **rule.members}
    headers = {**answer.headers, **rule.headers}
    answer.http_status = rule.http_status or answer.http_status
    answer.document = {name: value for name, value in members.items() if value is not None}
    answer.headers = {name: value for name, value in headers.items() if value is not None}
    return answer


def _refuse(rule: Rule) -> Answer:
    http_status = rule.http_status or 500
    status_code = 3000 if http_status >= 500 else 2000
    answer = Answer(http_status, envelope(status_code, message="The mock was told to refuse."))
    if rule.retry_after is not None:
        answer.headers["retry-after"] = str(rule.retry_after)
    return answer
