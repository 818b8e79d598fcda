"""Traces tell of messages by their ids, and of nothing that is secret; off, there are none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ocpi.app import create_app
from ocpi.client import ExchangeFailed, Target
from ocpi.envelope import wrap
from ocpi.metrics import Metrics
from ocpi.testing import samples
from ocpi.tracing import Tracing, open_tracing
from ocpi.watched import WatchedClient
from tests.house import ADMIN_TOKEN, TOKEN, calling, open_service, present

CANARY = "canary-token_0123456789"


def tracing() -> tuple[Tracing, InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Tracing(provider.get_tracer("ocpi"), provider), exporter


def of(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


async def test_a_request_is_a_span_with_its_ids_and_no_secret(sqlite_url: str) -> None:
    async with open_service(sqlite_url) as service:
        traced, exporter = tracing()
        app = create_app(replace(service.context, tracing=traced), worker=False)
        headers = {
            **present(TOKEN),
            "X-Request-ID": "request-1",
            "X-Correlation-ID": "correlation-1",
            # Nobody else names our spans.
            "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        }
        uid = "DRIVER0123456789"
        path = f"/ocpi/cpo/2.2.1/receiver/tokens/DE/MSP/{uid}"
        async with calling(app, headers) as partner:
            body = samples.token(uid=uid, country_code="DE", party_id="MSP")
            assert (await partner.put(path, json=body)).status_code < 300
            broken = await partner.put(path, json={"uid": CANARY, "token": CANARY})
            assert broken.json()["status_code"] == 2001
        async with calling(app, {"Authorization": f"Token {CANARY}"}) as guessing:
            await guessing.get(f"/ocpi/cpo/versions?token={CANARY}")
        await service.admin.get("/admin/push")
    spans = exporter.get_finished_spans()
    assert [span.name for span in spans] == ["PUT tokens", "PUT tokens", "GET versions"]
    assert of(spans[0])["ocpi.request_id"] == "request-1"
    assert of(spans[0])["ocpi.correlation_id"] == "correlation-1"
    assert of(spans[0])["ocpi.partner"] == "Example eMSP"
    assert of(spans[1])["ocpi.outcome"] == "2001"
    assert of(spans[2])["http.response.status_code"] == 401
    assert len({span.context.trace_id for span in spans}) == 3
    told = " ".join(span.to_json() for span in spans)
    for secret in (CANARY, TOKEN, ADMIN_TOKEN, present(TOKEN)["Authorization"], uid, "4bf92f35"):
        assert secret not in told


async def test_what_goes_out_is_a_span_below_what_led_to_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    sent: list[httpx.Request] = []

    async def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        if request.url.path == "/gone":
            raise httpx.ConnectError(CANARY)
        return httpx.Response(200, content=wrap(()))

    traced, exporter = tracing()
    client = WatchedClient(
        Metrics(), traced, allow_private=True, transport=httpx.MockTransport(answer)
    )
    target = Target("one", CANARY)
    with traced.pushing("one", "sessions"):
        url = "https://one.example/sessions/DE/ABC/1"
        await client.request(target, "PUT", url, body=CANARY, correlation_id="c-1")
        with pytest.raises(ExchangeFailed):
            await client.request(target, "GET", "https://one.example/gone")
    await client.close()
    put, gone, push = exporter.get_finished_spans()
    assert (put.name, gone.name, push.name) == ("PUT sessions", "GET other", "push sessions")
    assert put.parent is not None
    assert put.parent.span_id == push.context.span_id
    assert of(put)["ocpi.correlation_id"] == "c-1"
    assert of(put)["ocpi.outcome"] == "ok"
    assert of(gone)["ocpi.outcome"] == "connect"
    assert CANARY not in " ".join(span.to_json() for span in (put, gone, push))
    # Partners learn nothing of our traces.
    assert not any("traceparent" in request.headers for request in sent)


async def test_without_an_endpoint_nothing_is_traced() -> None:
    off = open_tracing({})
    assert off.tracer is None
    # The same object each time: nothing is made for a message.
    assert off.coming_in("GET", "cpo", "tokens") is off.going_out("one", "PUT", "cdrs")
    await off.close()


async def test_an_endpoint_turns_traces_on() -> None:
    on = open_tracing({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})
    assert on.tracer is not None
    await on.close()
