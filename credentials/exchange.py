"""One request to a partner during a handshake, and what its answer is worth."""

from typing import Any

from tenacity import retry, retry_if_exception, stop_after_attempt, wait_fixed

from ocpi.client import ExchangeFailed, Target
from ocpi.context import Context
from ocpi.errors import PeerUnusable
from ocpi.reply import Reply, redact

# Seconds for reading what a partner offers, while one that registers waits for our answer, and for
# the exchange itself, in which the partner reads what we offer.
READING = 10.0
EXCHANGING = 30.0


class Unusable(PeerUnusable):
    """The partner's platform could not be used."""

    def __init__(
        self, message: str, *, their_status: int | None = 200, unclear: bool = False
    ) -> None:
        """`their_status` is the HTTP status of the partner's answer, None without an answer.

        `unclear` says that the partner may have done what it was asked all the same.
        """
        super().__init__(message)
        self.their_status = their_status
        self.unclear = unclear


class Elsewhere(Unusable):
    """The partner would have us go where nobody has approved it (TA-27)."""

    def __init__(self, what: str, place: str) -> None:
        super().__init__(
            f"{what} at {place}, which is not the host of the versions URL and was not approved by "
            "the operator."
        )
        self.place = place


async def ask(
    context: Context,
    target: Target,
    method: str,
    url: str,
    *,
    body: str | None = None,
    secret: str = "",
    correlation_id: str | None = None,
) -> Any:
    """The `data` of a successful answer; raises ``Unusable`` with the precise reason.

    The reason does not tell the `secret` that is in the body, should the partner repeat it (TA-09).
    """
    reply = await exchange(context, target, method, url, body=body, correlation_id=correlation_id)
    if not reply.success():
        raise Unusable(
            f"{method} {url} {describe(reply, secret)}.",
            their_status=reply.http_status,
            unclear=method != "GET" and _is_unclear(reply),
        )
    return reply.data


async def exchange(
    context: Context,
    target: Target,
    method: str,
    url: str,
    *,
    body: str | None = None,
    correlation_id: str | None = None,
) -> Reply:
    """Whatever is answered; raises ``Unusable`` when nothing is."""
    try:
        return await _send(context, target, method, url, body, correlation_id)
    except ExchangeFailed as error:
        reason = error.sentence.removeprefix(f"{target.name}: ")
        raise Unusable(
            f"{method} {url}: {reason}.",
            their_status=None,
            unclear=method != "GET" and error.kind in {"timeout", "too_large", "protocol"},
        ) from None


def _nothing_was_sent(error: BaseException) -> bool:
    return isinstance(error, ExchangeFailed) and error.kind == "connect"


@retry(
    retry=retry_if_exception(_nothing_was_sent),
    stop=stop_after_attempt(3),
    wait=wait_fixed(0.2),
    reraise=True,
)
async def _send(
    context: Context,
    target: Target,
    method: str,
    url: str,
    body: str | None,
    correlation_id: str | None,
) -> Reply:
    return await context.client.request(
        target,
        method,
        url,
        body=body,
        correlation_id=correlation_id,
        timeout=READING if method == "GET" else EXCHANGING,
    )


def describe(reply: Reply, secret: str = "") -> str:
    """What is wrong with an answer that is no success, to follow method and URL."""
    if 300 <= reply.http_status < 400:
        return f"redirects with HTTP {reply.http_status}, and redirects are not followed"
    if reply.status_code is not None:
        message = redact(reply.status_message or "", secret)[:200].rstrip(".")
        said = f": {message}" if message else ""
        return f"answers HTTP {reply.http_status} with status_code {reply.status_code}{said}"
    page = reply.excerpt.lstrip().startswith("<")
    if not 200 <= reply.http_status < 300:
        return f"answers HTTP {reply.http_status}{' with an HTML page' if page else ''}"
    if page:
        return "answers HTML where JSON in OCPI's envelope is due"
    return "answers without OCPI's envelope: there is no status_code"


def _is_unclear(reply: Reply) -> bool:
    """Whether what was asked may have been done all the same.

    A refusal says that it was not: a code 2xxx or 3001 to 3003, or without OCPI a 3xx or 4xx. 3000
    is what a platform answers in whose code something broke, be it after its commit; a 5xx is a
    gateway's as well.
    """
    code = reply.status_code
    if reply.http_status >= 500:
        return True
    if code is None:
        return reply.http_status < 300
    return not (2000 <= code < 3000 or 3001 <= code <= 3003)
