"""The operator's way to Locations: good requests change them, bad ones change nothing."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ocpi.spec.document import decode
from ocpi.testing import samples
from tests.house import OWNER, SENDER, Service, data_of, open_service

URL = "/admin/locations/NL/TNM/LOC-1"
T1 = "2026-01-16T00:00:00Z"


@pytest.fixture
async def service(sqlite_url: str) -> AsyncIterator[Service]:
    async with open_service(sqlite_url) as opened:
        yield opened


def location(**over: Any) -> dict[str, Any]:
    return samples.location(**{**OWNER, **over})


LEVELS = [
    ("", location(), {"name": "New"}),
    ("/EVSE-1", samples.evse(1), {"status": "CHARGING"}),
    ("/EVSE-1/1", samples.connector(1), {"max_amperage": 8}),
]


@pytest.mark.parametrize(("path", "document", "changes"), LEVELS)
async def test_each_level_is_put_read_and_changed(
    service: Service, path: str, document: dict[str, Any], changes: dict[str, Any]
) -> None:
    await service.admin.put(URL, json=location(evses=[]))
    if path == "/EVSE-1/1":
        await service.admin.put(
            f"{URL}/EVSE-1", json=samples.evse(1, connectors=[samples.connector(2)])
        )
    first = await service.admin.put(URL + path, json=document | {"last_updated": T1})
    assert first.status_code == (200 if path == "" else 201)
    again = await service.admin.put(URL + path, json=document | {"last_updated": T1})
    assert (again.status_code, again.json()) == (200, first.json())
    patched = await service.admin.patch(URL + path, json=changes)
    assert patched.status_code == 200
    assert patched.json() == first.json() | changes | {
        "last_updated": patched.json()["last_updated"]
    }
    read = await service.admin.get(URL + path)
    assert (read.status_code, read.json()) == (200, patched.json())
    assert data_of(await service.partner.get(f"{SENDER}/locations/LOC-1{path}")) == read.json()


@pytest.mark.req("LO-12", "LO-13")
@pytest.mark.parametrize("path", ["", "/EVSE-1"])
async def test_delete_withdraws_and_gives_what_remains(service: Service, path: str) -> None:
    await service.admin.put(URL, json=location(evses=[samples.evse(1)]))
    for _ in range(2):
        answer = await service.admin.delete(URL + path)
        assert answer.status_code == 200
        evse = answer.json() if path else answer.json()["evses"][0]
        assert evse["status"] == "REMOVED"


async def test_a_connector_is_never_deleted(service: Service) -> None:
    await service.admin.put(URL, json=location())
    answer = await service.admin.delete(f"{URL}/EVSE-1/1")
    assert (answer.status_code, set(answer.json())) == (405, {"error"})


BAD: list[tuple[str, str, Any, int, str]] = [
    ("PUT", URL, {}, 400, "is required"),
    ("PUT", URL, location(id="X"), 400, "id: the URL says 'LOC-1'"),
    ("PUT", URL, location(country_code="DE"), 400, "country_code: "),
    ("PUT", URL, location(evses=[{"uid": "X"}]), 400, "evses.0.status: is required"),
    ("PUT", URL, location(last_updated="yesterday"), 400, "last_updated: "),
    ("PUT", URL, location(last_updated="2020-01-01T00:00:00Z"), 409, "older than the stored"),
    ("PUT", URL, [], 400, "one JSON object"),
    ("PATCH", URL, {"evses": [{"uid": "EVSE-1"}]}, 400, "must be complete"),
    ("PATCH", URL, {"name": None}, 400, "name: "),
    ("PATCH", f"{URL}/EVSE-1", {"status": None}, 400, "status: "),
    ("PATCH", f"{URL}/EVSE-1", {"uid": "OTHER"}, 400, "uid: "),
    ("PATCH", f"{URL}/EVSE-9", {}, 404, "There is no LOC-1/EVSE-9"),
    ("PATCH", f"{URL}/EVSE-1/9", {}, 404, "There is no LOC-1/EVSE-1/9"),
    ("PUT", f"{URL}/EVSE-9/1", samples.connector(1), 404, "has no EVSE EVSE-9"),
    ("PUT", "/admin/locations/NL/TNM/NO/EVSE-1", samples.evse(1), 404, "There is no Location NO"),
    ("GET", f"{URL}/EVSE-9", None, 404, "has no EVSE EVSE-9"),
    ("GET", "/admin/locations/NL/TNM/NO", None, 404, "There is no such Location"),
    ("GET", "/admin/locations/DE/XXX/LOC-1", None, 404, "DE*XXX is no party of ours"),
    ("DELETE", "/admin/locations/NL/TNM/NO", None, 404, "There is no NO to remove"),
    ("POST", URL, {}, 405, "Method Not Allowed"),
    ("GET", "/admin/locations", None, 404, "Not Found"),
]


async def test_bad_requests_say_why_and_change_nothing(service: Service) -> None:
    await service.admin.put(URL, json=location())
    for method, url, body, status, sentence in BAD:
        answer = await service.admin.request(method, url, json=body)
        assert (method, url, answer.status_code) == (method, url, status), answer.text
        assert set(answer.json()) == {"error"}
        assert sentence in answer.json()["error"]
    assert (await service.admin.get(URL)).json() == location()


async def test_numbers_stay_exact(service: Service) -> None:
    body = '{"x_price":0.10000000000000000001,"x_whole":12345678901234567890,"x_zero":1.00}'
    await service.admin.put(URL, json=location(evses=[]))
    answer = await service.admin.patch(URL, content=body)
    assert answer.status_code == 200
    for text in body.strip("{}").split(","):
        assert text in answer.text
        assert text in (await service.partner.get(f"{SENDER}/locations")).text
    assert decode(answer.content)["x_whole"] == 12345678901234567890


async def test_our_party_is_named_in_any_case(service: Service) -> None:
    answer = await service.admin.put("/admin/locations/nl/tnm/loc-1", json=location())
    assert (answer.status_code, answer.json()["id"]) == (201, "LOC-1")
    assert (await service.admin.get(URL)).status_code == 200


async def test_of_tags_that_are_put_at_once_the_last_ones_stay_alone(postgres_url: str) -> None:
    tags = "/admin/location-tags/NL/TNM/LOC-1"
    async with open_service(postgres_url) as service:
        await service.admin.put(URL, json=location())
        for n in range(10):
            wishes = [[f"a{n}"], [f"b{n}"]]
            await asyncio.gather(*(service.admin.put(tags, json={"tags": wish}) for wish in wishes))
            assert (await service.admin.get(tags)).json()["tags"] in wishes
