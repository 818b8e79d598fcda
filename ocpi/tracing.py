"""OpenTelemetry traces of messages, for those who collect them: off unless an endpoint is set.

Spans bear the ids of OCPI and no path, query, header or body: these hold drivers' tokens and ours.
That is why FastAPI's own telemetry, which records URLs and exceptions, is not used. A `traceparent`
of a partner's is not believed, since it would name our spans and decide what is kept of them, and
none is sent: between platforms X-Correlation-ID is the link (TR-13).
"""

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.context import Context as TraceContext
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from ocpi.headers import MessageIDs

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class MissingTracing(Exception):
    """Traces are wanted, and what sends them is not installed."""


@dataclass
class Noted:
    """One message as its span tells of it; without a span nothing is told."""

    span: Span | None = None

    def answered(
        self, http: int, outcome: str, ids: MessageIDs, partner: str | None = None
    ) -> None:
        """The message has its answer."""
        if self.span is None:
            return
        self.span.set_attributes(
            {
                "http.response.status_code": http,
                "ocpi.outcome": outcome,
                "ocpi.request_id": ids.request_id,
                "ocpi.correlation_id": ids.correlation_id,
            }
        )
        if partner is not None:
            self.span.set_attribute("ocpi.partner", partner)
        if http >= 500 or http == 0:
            self.span.set_status(Status(StatusCode.ERROR))

    def failed(self, outcome: str, request_id: str) -> None:
        """There is no answer."""
        if self.span is not None:
            self.span.set_attributes({"ocpi.outcome": outcome, "ocpi.request_id": request_id})
            self.span.set_status(Status(StatusCode.ERROR, outcome))


_NOTHING = nullcontext(Noted())


@dataclass
class Tracing:
    """Makes spans with a tracer; without one it makes none, and costs nothing worth mentioning."""

    tracer: Tracer | None = None
    provider: Any = field(default=None, repr=False)

    def coming_in(self, method: str, platform: str, module: str) -> AbstractContextManager[Noted]:
        """A span around a partner's request; a new trace begins with it."""
        if self.tracer is None:
            return _NOTHING
        attributes = {"http.request.method": method, "ocpi.platform": platform}
        return self._span(f"{method} {module}", SpanKind.SERVER, attributes, TraceContext())

    def going_out(self, partner: str, method: str, module: str) -> AbstractContextManager[Noted]:
        """A span around a request to a partner, within that of what led to it."""
        if self.tracer is None:
            return _NOTHING
        attributes = {"http.request.method": method, "ocpi.partner": partner}
        return self._span(f"{method} {module}", SpanKind.CLIENT, attributes)

    def pushing(self, partner: str, module: str) -> AbstractContextManager[Noted]:
        """A span around telling a partner one object, with all its requests."""
        if self.tracer is None:
            return _NOTHING
        return self._span(f"push {module}", SpanKind.INTERNAL, {"ocpi.partner": partner})

    @contextmanager
    def _span(
        self,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, str],
        context: TraceContext | None = None,
    ) -> Iterator[Noted]:
        assert self.tracer is not None
        # An exception's message may repeat what a partner sent.
        with self.tracer.start_as_current_span(
            name,
            context,
            kind,
            {**attributes, "ocpi.module": name.partition(" ")[2]},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            yield Noted(span)

    async def close(self) -> None:
        """Send what is left, for five seconds at most."""
        if self.provider is not None:
            await asyncio.to_thread(self.provider.force_flush, 5000)
            await asyncio.to_thread(self.provider.shutdown)


def open_tracing(environment: Mapping[str, str] = os.environ) -> Tracing:
    """Tracing to the collector that OpenTelemetry's own variables name; off where they name none.

    Raises ``MissingTracing`` where the extra `otel` is not installed.
    """
    if not any(environment.get(name) for name in _ENDPOINTS):
        return Tracing()
    try:
        # Half a second of imports, for those who want it.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError:
        raise MissingTracing(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, and what sends traces is not installed: "
            "install the extra `otel` (pip install '.[otel]'), or unset it."
        ) from None
    name = environment.get("OTEL_SERVICE_NAME") or "ocpi-hub"
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Tracing(provider.get_tracer("ocpi"), provider)
