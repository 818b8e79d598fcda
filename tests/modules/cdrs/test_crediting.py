"""CDRs that are taken back or dated otherwise than most."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from modules.cdrs.own import credit_of, store_own
from ocpi.spec.document import decode
from tests.house import OURS, Service, open_service
from tests.modules.cdrs.test_admin import URL, cdr, plain, post


@pytest.fixture
async def service(sqlite_url: str) -> AsyncIterator[Service]:
    async with open_service(sqlite_url) as opened:
        yield opened


@pytest.mark.req("CD-10")
async def test_a_credit_cdr_negates_the_amounts_to_the_last_digit_and_keeps_what_else_is_there(
    service: Service,
) -> None:
    exact = "12345678901234567890.123456789012345"
    taxes = [{"name": "VAT", "amount": Decimal("1.5")}]
    total = {"excl_vat": Decimal(exact), "incl_vat": 0, "taxes": taxes, "note": "as agreed"}
    await post(service, cdr(total_cost=total))
    answer = await service.admin.post(f"{URL}/credit")
    assert answer.status_code == 201
    wanted = plain({**total, "excl_vat": Decimal(f"-{exact}")})
    assert decode(answer.content)["total_cost"] == wanted


async def test_a_cdr_that_was_stored_with_a_longer_coordinate_is_still_known_and_taken_back(
    service: Service,
) -> None:
    sydney = {"latitude": "-33.8688197", "longitude": "151.2092955"}
    stored = cdr(cdr_location=cdr()["cdr_location"] | {"coordinates": sydney})
    async with service.database.write() as db:
        await store_own(db, OURS, stored)
    assert (await post(service, stored)).status_code == 200
    answer = await service.admin.post(f"{URL}/credit")
    assert answer.status_code == 201, answer.text
    assert answer.json()["cdr_location"]["coordinates"]["latitude"] == "-33.868819"


@pytest.mark.req("CD-10")
async def test_a_cdr_that_would_be_refused_today_can_still_be_taken_back(service: Service) -> None:
    async with service.database.write() as db:
        await store_own(db, OURS, cdr(auth_method="whitelist"))
    answer = await service.admin.post(f"{URL}/credit")
    assert (answer.status_code, answer.json()["auth_method"]) == (201, "whitelist")


async def test_a_cdr_is_not_dated_ahead_but_may_bear_the_date_that_it_had(service: Service) -> None:
    ahead, long_ago = "2099-01-01T00:00:00Z", "2020-01-01T00:00:00Z"
    old = await post(service, cdr(last_updated=long_ago))
    assert (old.status_code, old.json()["last_updated"]) == (201, long_ago)
    credit = {**plain(credit_of(plain(cdr()), "CDR-1-C")), "last_updated": ahead}
    for body in (cdr(id="CDR-2", session_id="S-2", last_updated=ahead), credit):
        answer = await post(service, body)
        assert answer.status_code == 400
        assert "lies more than five minutes ahead" in answer.json()["error"]
