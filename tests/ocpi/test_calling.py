"""What is called past FastAPI is the endpoint that FastAPI would call, and nothing else is."""

from collections.abc import Iterator
from typing import Any

import pytest

from ocpi.app import create_ocpi_api, endpoints_of
from ocpi.arrival import Arrival
from ocpi.calling import Endpoint, Endpoints
from ocpi.catalogue import HUB_OFFERS, OFFERS
from tests.house import SENDER

LOCATIONS = f"{SENDER}/locations"


def find(endpoints: Endpoints, method: str, path: str, query: bytes = b"") -> Endpoint | None:
    scope = {"method": method, "raw_path": path.encode(), "headers": [], "type": "http"}
    arrival = Arrival(scope, receive)
    return endpoints.find(method, arrival.base, arrival.below, query)


async def receive() -> dict[str, Any]:
    return {"type": "http.request"}


def routes() -> Iterator[tuple[str, str, str]]:
    """Each method and path of the hub's modules, with its name in the document."""
    for path, operations in create_ocpi_api(HUB_OFFERS).openapi()["paths"].items():
        for method, operation in operations.items():
            if "/sender/" in path or "/receiver/" in path:
                yield method.upper(), path, operation["operationId"]


@pytest.fixture(scope="module")
def endpoints() -> Endpoints:
    return endpoints_of(HUB_OFFERS)


def test_all_are_called_so_but_where_a_parameter_of_the_query_is_given(
    endpoints: Endpoints,
) -> None:
    left = {path for method, path, _ in routes() if not find(endpoints, method, path)}
    # Its parameters have no default that FastAPI could do without.
    assert all("chargingprofiles" in path for path in left), left
    asked = {path for method, path, _ in routes() if not find(endpoints, method, path, b"type=x")}
    assert {path for path in asked - left if "{token_uid}" not in path} == set()
    assert asked > left


def test_what_is_called_is_the_endpoint_of_that_path(endpoints: Endpoints) -> None:
    for method, path, name in routes():
        found = find(endpoints, method, path)
        if found is not None:
            assert name.startswith(f"{found.call.function.__name__}_ocpi_")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", f"{LOCATIONS}/L1"),
        ("GET", f"{LOCATIONS}/L1/E1/1/more"),
        ("GET", f"{SENDER}/locationsx"),
        ("GET", f"{SENDER}"),
        ("PUT", LOCATIONS),
        ("GET", "/ocpi/emsp/2.2.1/sender/locations"),
        ("GET", "/ocpi/cpo/2.1.1/sender/locations"),
        ("GET", "/ocpi/cpo/2.2.1/receiver/locations/NL/TNM/L1"),
    ],
)
def test_what_is_at_no_endpoint_is_left_to_fastapi(method: str, path: str) -> None:
    assert find(endpoints_of(OFFERS), method, path) is None


def test_segments_are_decoded_once(endpoints: Endpoints) -> None:
    found = find(endpoints, "GET", f"{LOCATIONS}/a%2Fb%2525")
    assert isinstance(found, Endpoint)
    assert found.segments == {"location_id": "a/b%25"}
