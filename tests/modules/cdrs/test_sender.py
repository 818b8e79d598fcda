"""What eMSPs read of our CDRs: pages of what their own drivers are billed for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from modules.cdrs.own import post_own
from ocpi.headers import Party
from ocpi.spec.document import decode, encode
from ocpi.testing import samples
from tests.house import (
    OURS,
    OWNER,
    SENDER,
    Service,
    add_partner,
    calling,
    codes_of,
    data_of,
    open_service,
    present,
)

LIST = f"{SENDER}/cdrs"


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Service]:
    async with open_service(database_url) as opened:
        yield opened


def cdr(name: str, driver_of: str = "MSP", **over: Any) -> dict[str, Any]:
    token = samples.cdr_token(party_id=driver_of)
    return samples.cdr(**{**OWNER, "id": name, "cdr_token": token, **over})


async def post(service: Service, *documents: dict[str, Any]) -> None:
    for document in documents:
        await post_own(service.database, OURS, document)


@pytest.mark.req("CD-01", "PG-01", "PG-02", "PG-05", "PG-07", "PG-09")
async def test_cdrs_are_listed_oldest_first_with_or_without_dates(service: Service) -> None:
    names = ["C", "A", "D", "B"]
    moments = [f"2026-01-15T09:3{minute}:00Z" for minute in range(4)]
    bodies = [cdr(n, last_updated=m) for n, m in zip(names, moments, strict=True)]
    await post(service, *bodies)
    answer = await service.partner.get(LIST)
    assert data_of(answer) == decode(encode(bodies))
    assert answer.headers["x-total-count"] == "4"
    page = await service.partner.get(f"{LIST}?date_from={moments[1]}&date_to={moments[3]}&limit=1")
    assert [each["id"] for each in data_of(page)] == ["A"]
    assert (page.headers["x-total-count"], "link" in page.headers) == ("2", True)


@pytest.mark.req("CD-01", "TR-22", "PG-07")
@pytest.mark.threat("TA-05")
async def test_an_emsp_sees_the_cdrs_of_its_own_drivers_only(service: Service) -> None:
    await post(service, cdr("MINE"), cdr("YOURS", "OTH"), cdr("NOBODYS", "XXX"))
    await add_partner(service.database, "Another eMSP", "another-token_01234", Party("DE", "OTH"))
    async with calling(service.app, present("another-token_01234")) as another:
        for caller, name in ((service.partner, "MINE"), (another, "YOURS")):
            answer = await caller.get(LIST)
            assert [each["id"] for each in data_of(answer)] == [name]
            assert answer.headers["x-total-count"] == "1"


@pytest.mark.req("CD-01", "CD-08", "TR-11")
async def test_there_is_no_single_cdr_to_get_or_to_change(service: Service) -> None:
    await post(service, cdr("CDR-1"))
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        answer = await service.partner.request(method, f"{LIST}/CDR-1")
        assert codes_of(answer) == (404, 2000)
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert codes_of(await service.partner.request(method, LIST)) == (405, 2000)
