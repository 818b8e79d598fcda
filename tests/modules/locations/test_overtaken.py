"""Messages of CPOs about a Location and its parts that overtake each other: none is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ocpi.testing import samples
from tests.house import RECEIVING, Service, codes_of, envelope_of, open_service
from tests.modules.locations.test_receiver import T1, T2, URL, stored, wrote


@pytest.fixture
async def service(sqlite_url: str) -> AsyncIterator[Service]:
    async with open_service(sqlite_url, offers=RECEIVING) as opened:
        yield opened


async def test_what_a_location_is_called_is_taken_though_an_evse_has_dated_it_later(
    service: Service,
) -> None:
    await service.cpo.put(URL, json=samples.location())
    newer = {"status": "CHARGING", "last_updated": T2}
    wrote(await service.cpo.patch(f"{URL}/EVSE-2", json=newer))
    for _ in range(2):
        answer = await service.cpo.patch(URL, json={"name": "New", "last_updated": T1})
        assert codes_of(answer) == (200, 1000)
    location = await stored(service)
    assert (location["name"], location["last_updated"]) == ("New", T2)
    assert location["evses"][1] == {**samples.evse(2), **newer}


@pytest.mark.req("PP-09")
async def test_a_location_that_comes_late_is_taken_beside_what_is_newer_in_it(
    service: Service,
) -> None:
    await service.cpo.put(URL, json=samples.location())
    newer = {"status": "CHARGING", "last_updated": T2}
    wrote(await service.cpo.patch(f"{URL}/EVSE-1", json=newer))
    wrote(await service.cpo.put(f"{URL}/EVSE-5", json=samples.evse(5, last_updated=T2)))
    evses = [samples.evse(n, status="BLOCKED", last_updated=T1) for n in (1, 2, 4)]
    body = samples.location(name="New", evses=evses, last_updated=T1)
    assert codes_of(await service.cpo.put(URL, json=body)) == (200, 1000)
    location = await stored(service)
    kept = {**samples.evse(1), **newer}
    expected = [kept, evses[1], samples.evse(5, last_updated=T2), evses[2]]
    assert location == {**body, "evses": expected, "last_updated": T2}


@pytest.mark.req("PP-09")
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
async def test_what_is_older_than_a_location_dated_as_a_whole_is_not_applied(
    service: Service, method: str
) -> None:
    evses = [samples.evse(n, last_updated=T2) for n in (1, 2)]
    body = samples.location(evses=evses, last_updated=T2)
    await service.cpo.put(URL, json=body)
    old = samples.location(name="Old", last_updated=T1)
    answer = await service.cpo.request(method, URL, json=old)
    assert envelope_of(answer)["status_message"].startswith("Not applied: ")
    assert await stored(service) == body


@pytest.mark.req("PP-09")
async def test_a_whole_evse_that_is_older_does_not_take_its_status_back(service: Service) -> None:
    await service.cpo.put(URL, json=samples.location())
    plugs = [samples.connector(1, last_updated=T2)]
    newer = samples.evse(1, status="CHARGING", connectors=plugs, last_updated=T2)
    wrote(await service.cpo.put(f"{URL}/EVSE-1", json=newer))
    answer = await service.cpo.put(f"{URL}/EVSE-1", json=samples.evse(1, last_updated=T1))
    assert envelope_of(answer)["status_message"].startswith("Not applied: ")
    assert await stored(service, "/EVSE-1") == newer
