"""What pushes of parts and fields make of a Location: no more than can be read on a page."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from ocpi.spec.document import MAX_SIZE, decode, encode
from ocpi.testing import samples
from tests.house import (
    RECEIVER,
    RECEIVING,
    Service,
    codes_of,
    data_of,
    envelope_of,
    open_service,
)

URL = f"{RECEIVER}/locations/DE/CPO/LOC-1"
T1, T2 = "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"


@pytest.fixture
async def service(sqlite_url: str) -> AsyncIterator[Service]:
    async with open_service(sqlite_url, offers=RECEIVING) as opened:
        yield opened


@pytest.mark.threat("TA-20")
@pytest.mark.parametrize(
    ("path", "document", "levels"),
    [
        ("", samples.location(last_updated=T1), 29),
        ("/EVSE-2", samples.evse(2, last_updated=T1), 27),
        ("/EVSE-1/2", samples.connector(2, last_updated=T1), 25),
    ],
)
async def test_what_no_page_could_be_read_with_is_refused_at_each_level(
    service: Service, path: str, document: dict[str, Any], levels: int
) -> None:
    def nested(count: int) -> dict[str, Any]:
        return {**document, "unknown": decode("[" * count + "]" * count)}

    cpo = service.cpo
    await cpo.put(URL, json=samples.location())
    assert codes_of(await cpo.put(URL + path, json=nested(levels + 1))) == (200, 2001)
    patch = {"unknown": nested(levels + 1)["unknown"], "last_updated": T2}
    assert codes_of(await cpo.put(URL + path, json=nested(levels)))[1] == 1000
    assert codes_of(await cpo.patch(URL + path, json=patch)) == (200, 2001)
    page = {"data": [data_of(await cpo.get(URL))]}
    assert decode(encode(page)) == page


@pytest.mark.threat("TA-14")
@pytest.mark.parametrize("path", ["", "/EVSE-1"])
async def test_a_location_grows_no_larger_than_one_request_by_many(
    service: Service, path: str
) -> None:
    cpo = service.cpo
    await cpo.put(URL, json=samples.location())
    half = "x" * 16_000
    for number in range(2):
        fields = {f"unknown_{number}_{n}": half for n in range(140)}
        answer = await cpo.patch(URL + path, json={**fields, "last_updated": T1})
        assert codes_of(answer) == ((200, 1000), (413, 2000))[number]
    assert envelope_of(answer)["status_message"] == "The object would be larger than 4194304 bytes."
    assert len((await cpo.get(URL)).content) < MAX_SIZE
