"""Any ASGI app can be served on a free port for as long as a test needs it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from ocpi.testing.serving import serving


async def greet(_request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


async def test_an_app_is_reached_at_its_url_and_gone_afterwards(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lived = []

    @asynccontextmanager
    async def live(_app: Starlette) -> AsyncIterator[None]:
        lived.append("up")
        yield
        lived.append("down")

    app = Starlette(routes=[Route("/", greet)], lifespan=live)
    async with httpx.AsyncClient() as http:
        async with serving(app) as base_url:
            assert base_url.startswith("http://127.0.0.1:")
            assert (await http.get(base_url)).text == "hello"
            assert lived == ["up"]
        assert lived == ["up", "down"]
        with pytest.raises(httpx.ConnectError):
            await http.get(base_url)
    assert [record for record in caplog.records if record.name.startswith("uvicorn")] == []


async def test_an_app_that_refuses_to_start_fails_where_it_was_to_be_served() -> None:
    @asynccontextmanager
    async def fail(_app: Starlette) -> AsyncIterator[None]:
        raise ValueError("no database")
        yield

    with pytest.raises(RuntimeError, match="refused to start"):
        async with serving(Starlette(lifespan=fail)):
            pytest.fail("it runs")


async def test_two_apps_run_side_by_side() -> None:
    app = Starlette(routes=[Route("/", greet)])
    async with serving(app) as first, serving(app) as second, httpx.AsyncClient() as http:
        assert first != second
        assert [(await http.get(url)).text for url in (first, second)] == ["hello", "hello"]


async def test_a_failure_inside_comes_out_and_the_server_stops() -> None:
    with pytest.raises(KeyError):
        async with serving(Starlette()) as base_url:
            raise KeyError(base_url)
    async with httpx.AsyncClient() as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(base_url)


async def test_an_app_is_reached_at_an_address_of_ipv6() -> None:
    app = Starlette(routes=[Route("/", greet)])
    for host in ("::1", "::"):
        async with serving(app, host) as base_url, httpx.AsyncClient() as http:
            assert base_url.startswith("http://[::1]:")
            assert (await http.get(base_url)).text == "hello"
