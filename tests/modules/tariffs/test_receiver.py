"""What CPOs push of their Tariffs: put whole, withdrawn for good, and nothing of others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from ocpi.spec.document import decode, encode
from ocpi.testing import samples
from tests.house import RECEIVER, RECEIVING, Service, codes_of, data_of, envelope_of, open_service

URL = f"{RECEIVER}/tariffs/DE/CPO/TARIFF-1"
T0, T1 = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"


@pytest.fixture
async def service(sqlite_url: str) -> AsyncIterator[Service]:
    async with open_service(sqlite_url, offers=RECEIVING) as opened:
        yield opened


@pytest.fixture
async def each_service(database_url: str) -> AsyncIterator[Service]:
    async with open_service(database_url, offers=RECEIVING) as opened:
        yield opened


def plain(document: Any) -> Any:
    """As the wire has it, with exact numbers."""
    return decode(encode(document))


@pytest.mark.req("TA-02", "PP-02", "PP-03", "ST-05", "EN-05")
async def test_a_tariff_is_put_replaced_read_and_withdrawn(each_service: Service) -> None:
    cpo = each_service.cpo
    created = await cpo.put(URL, json=samples.tariff())
    assert codes_of(created) == (201, 1000)
    assert "data" not in envelope_of(created)
    assert data_of(await cpo.get(URL)) == plain(samples.tariff())
    bare = samples.tariff(last_updated=T1, x_new=True)
    del bare["tariff_alt_text"]
    assert codes_of(await cpo.put(URL, json=bare)) == (200, 1000)
    assert data_of(await cpo.get(URL)) == plain(bare)
    assert codes_of(await cpo.delete(URL)) == (200, 1000)
    assert codes_of(await cpo.get(URL)) == (404, 2000)


BAD: list[tuple[str, str, Any, tuple[int, int], str]] = [
    ("PUT", URL, {}, (200, 2001), "country_code: is required"),
    ("PUT", URL, samples.tariff(id="X"), (200, 2001), "id: the URL says 'TARIFF-1'"),
    ("PUT", URL, samples.tariff(party_id="XXX"), (200, 2001), "party_id: the URL says"),
    ("PUT", URL, samples.tariff(elements=[]), (200, 2001), "elements: "),
    ("PUT", URL, samples.tariff(last_updated=None), (200, 2001), "last_updated: "),
    ("PUT", URL.replace("DE/CPO", "FR/OTH"), samples.tariff(), (404, 2000), "FR*OTH is no party"),
    ("GET", URL.replace("DE/CPO", "FR/OTH"), None, (404, 2000), "FR*OTH is no party"),
    ("DELETE", URL.replace("DE/CPO", "FR/OTH"), None, (404, 2000), "FR*OTH is no party"),
    ("GET", URL.replace("-1", "-2"), None, (404, 2000), "no such object"),
    ("DELETE", URL.replace("-1", "-2"), None, (404, 2000), "no such object"),
    ("PATCH", URL, {"last_updated": T1}, (405, 2000), "PATCH is not offered"),
    ("POST", URL, samples.tariff(), (405, 2000), "POST is not offered"),
]


@pytest.mark.req("TA-02", "TA-05", "PP-01", "CO-04", "CO-05", "CO-06", "ST-15", "ST-04", "TR-11")
async def test_bad_requests_are_refused_and_change_nothing(service: Service) -> None:
    await service.cpo.put(URL, json=samples.tariff())
    for method, url, body, codes, sentence in BAD:
        answer = await service.cpo.request(method, url, json=body)
        assert (method, url, codes_of(answer)) == (method, url, codes), answer.text
        assert sentence in envelope_of(answer)["status_message"]
    assert data_of(await service.cpo.get(URL)) == plain(samples.tariff())


@pytest.mark.req("PP-09")
async def test_an_older_tariff_does_not_replace_the_newer_one(service: Service) -> None:
    await service.cpo.put(URL, json=samples.tariff())
    answer = await service.cpo.put(URL, json=samples.tariff(currency="SEK", last_updated=T0))
    assert codes_of(answer) == (200, 1000)
    assert envelope_of(answer)["status_message"].startswith("Not applied")
    assert data_of(await service.cpo.get(URL)) == plain(samples.tariff())


async def test_a_tariff_that_was_withdrawn_can_come_back(service: Service) -> None:
    await service.cpo.put(URL, json=samples.tariff())
    await service.cpo.delete(URL)
    assert codes_of(await service.cpo.put(URL, json=samples.tariff())) == (201, 1000)


@pytest.mark.req("TY-08")
async def test_prices_stay_as_exact_as_they_came(service: Service) -> None:
    text = encode(samples.tariff()).replace('"price":0.5', '"price":0.2950000000000000001')
    await service.cpo.put(URL, content=text)
    assert '"price":0.2950000000000000001' in (await service.cpo.get(URL)).text
