"""The client as a process uses it: each exchange is counted, and traced where that is on."""

from collections.abc import Mapping
from time import monotonic
from typing import Any

from ocpi.client import Client, ExchangeFailed, Target
from ocpi.metrics import Metrics, outcome_of, subject_of
from ocpi.reply import RawReply
from ocpi.tracing import Tracing


class WatchedClient(Client):
    """Speaks to partners, and keeps account of it."""

    def __init__(self, metrics: Metrics, tracing: Tracing, **options: Any) -> None:
        """`options` are those of `Client`."""
        super().__init__(**options)
        self._metrics = metrics
        self._tracing = tracing

    async def exchange(
        self,
        target: Target,
        method: str,
        url: str,
        *,
        body: str | bytes | None = None,
        headers: Mapping[str, str] = {},
        correlation_id: str | None = None,
        timeout: float = 20.0,  # noqa: ASYNC109 - as in `Client`.
        limit: int = 65536,
    ) -> RawReply:
        """As `Client.exchange`."""
        started, outcome = monotonic(), "crashed"
        with self._tracing.going_out(target.name, method, subject_of(url)) as span:
            try:
                reply = await super().exchange(
                    target,
                    method,
                    url,
                    body=body,
                    headers=headers,
                    correlation_id=correlation_id,
                    timeout=timeout,
                    limit=limit,
                )
                outcome = outcome_of(reply.http_status, reply.body)
                span.answered(reply.http_status, outcome, reply.ids)
            except ExchangeFailed as failure:
                outcome = failure.kind
                span.failed(outcome, failure.request_id)
                if failure.kind == "refused":
                    self._metrics.blocked(failure.sentence)
                raise
            finally:
                self._metrics.went_out(target.name, url, outcome, monotonic() - started)
        return reply
