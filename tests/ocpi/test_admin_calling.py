"""Endpoints of the admin API that are called past FastAPI: the same ones, the same answers."""

import re
from collections.abc import AsyncIterator

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.responses import Response

from ocpi.admin import AdminFront
from ocpi.app import admin_endpoints, create_admin_api
from ocpi.calling import Endpoints
from ocpi.request import Here
from tests.house import ADMIN_TOKEN, Service, calling, open_service

JSON = "application/json"


@pytest.fixture
async def service(sqlite_url: str) -> AsyncIterator[Service]:
    async with open_service(sqlite_url) as opened:
        yield opened


def test_each_is_the_one_that_fastapi_would_call() -> None:
    found = {}
    for path, operations in create_admin_api().openapi()["paths"].items():
        for method, operation in operations.items():
            below = re.sub(r"\{[^}]*\}", "any", path).removeprefix("/")
            endpoint = admin_endpoints().find(method.upper(), "/admin", below, b"")
            if endpoint is not None:
                found[f"{method} {path}"] = endpoint.call.function.__name__
                assert operation["operationId"].startswith(found[f"{method} {path}"])
    assert found["post /authorize"] == "post_authorize"
    assert found["put /tariffs/{country_code}/{party_id}/{tariff_id}"] == "put_tariff"
    assert found["get /tokens"] == "list_tokens"
    # Where a parameter of the query is given, FastAPI reads it.
    assert admin_endpoints().find("GET", "/admin", "tokens", b"limit=1") is None


BODIES: list[tuple[bytes, str | None]] = [
    (b'{"uid":"A"}', JSON),
    (b'{"uid":"A","uid":"B","x":[]}', JSON),
    (b'\xef\xbb\xbf{"uid":"A"}', JSON),
    ('{"uid":"A"}'.encode("utf-16"), JSON),
    (b'{"uid":"A"}', f"{JSON}; charset=utf-8"),
    (b'{"uid":"A"}', "Application/JSON"),
    (b'{"uid":"A"}', "application/problem+json"),
    (b'{"uid":"A"}', "application/jsonp"),
    (b'{"uid":"A"}', "text/plain"),
    (b'{"uid":"A"}', None),
    (b"", JSON),
    (b"", None),
    (b"{", JSON),
    (b"\xff", JSON),
    (b"[" * 99_999, JSON),
    (b"[]", JSON),
    (b"null", JSON),
    (b"{}", JSON),
    (b'{"uid":7}', JSON),
    (b'{"uid":NaN}', JSON),
    (b'{"uid":"\\ud800"}', JSON),
    (b'{"uid":"","type":"x","evse_uid":"\\u0000"}', JSON),
    (b'{"uid":".."}', JSON),
    (b'{"uid":"A","country_code":"XX"}', JSON),
]


@pytest.mark.parametrize(("body", "kind"), BODIES, ids=range(len(BODIES)))
async def test_a_body_is_answered_as_fastapi_answers_it(
    service: Service, body: bytes, kind: str | None
) -> None:
    told = []
    for endpoints in (Endpoints({}), admin_endpoints()):
        front = AdminFront(service.context, create_admin_api(), endpoints)
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
        async with calling(
            front, headers if kind is None else headers | {"Content-Type": kind}
        ) as client:
            answer = await client.post("/admin/authorize", content=body)
        told.append((answer.status_code, answer.text, answer.headers["content-type"]))
    assert told[0] == told[1]


class _One(BaseModel):
    a: int


class _Other(BaseModel):
    b: int


def test_what_only_fastapi_can_call_is_left_to_it() -> None:
    router = APIRouter()

    @router.post("/both")
    async def both(one: _One, other: _Other) -> Response:
        raise NotImplementedError

    @router.post("/optional")
    async def optional(one: _One = _One(a=1)) -> Response:  # noqa: B008
        raise NotImplementedError

    @router.post("/written")
    async def written(here: Here, one: _One) -> _One:
        raise NotImplementedError

    @router.post("/thread")
    def in_a_thread(one: _One) -> Response:
        raise NotImplementedError

    @router.post("/one")
    async def only(here: Here, one: _One) -> Response:
        raise NotImplementedError

    endpoints = Endpoints({"/admin": [router]})
    paths = [route.path for route in router.routes if isinstance(route, APIRoute)]
    assert len(paths) == 5
    assert [each for each in paths if endpoints.find("POST", "/admin", each[1:], b"")] == ["/one"]
