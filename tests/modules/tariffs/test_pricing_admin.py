"""Prices in the admin API: exact numbers in and out, and answers as they are described."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from modules.tariffs.answers import BillAnswer, CheckAnswer, LintAnswer
from ocpi.spec.document import decode, encode
from tests.house import Service, open_service
from tests.modules.tariffs.pricing.sample import (
    BY_NAME,
    VECTORS,
    cdr,
    component,
    element,
    period,
    tariff,
)

OFFER = tariff(element(component("ENERGY", "0.5", vat="10")))
SESSION = cdr(period("08:00", ENERGY="4"), tariffs=[OFFER])


@pytest.fixture
async def service(sqlite_url: str) -> AsyncIterator[Service]:
    async with open_service(sqlite_url) as opened:
        yield opened


async def ask(service: Service, path: str, question: Any) -> tuple[int, Any]:
    answer: httpx.Response = await service.admin.post(f"/admin{path}", content=encode(question))
    return answer.status_code, decode(answer.content)


async def test_every_vector_is_priced_and_checked_as_the_description_says(
    service: Service,
) -> None:
    for vector in VECTORS:
        question = {
            "cdr": vector["cdr"],
            "tariffs": [vector["tariff"]],
            "time_zone": vector["timezone"],
            "reservation_expired": vector.get("options", {}).get("reservation_expired"),
        }
        status, bill = await ask(service, "/cdrs/price", question)
        wanted = {name: cost for name, cost in vector["expected"].items() if "total_" in name}
        assert status == 200
        assert {name: bill["costs"][name] for name in wanted} == wanted
        BillAnswer.model_validate(bill)
        status, check = await ask(service, "/cdrs/check", question)
        assert status == 200
        CheckAnswer.model_validate(check)


async def test_a_dispute_is_an_answer(service: Service) -> None:
    vector = BY_NAME["spec-23-step-size-into-free-parking"]
    received = vector["cdr"] | {"total_cost": {"excl_vat": Decimal("0.78")}, "id": "CDR1"}
    question = {"cdr": received, "tariffs": [vector["tariff"]], "time_zone": vector["timezone"]}
    status, check = await ask(service, "/cdrs/check", question)
    assert (status, check["agrees"], check["cdr"]["id"]) == (200, False, "CDR1")
    assert check["explained_by"] == ["step_total=measured"]


async def test_prices_are_no_floats(service: Service) -> None:
    fine = tariff(element(component("ENERGY", "0.1234567890123456789", 0)))
    question = {"cdr": SESSION, "tariffs": [fine]}
    _, bill = await ask(service, "/cdrs/price", question)
    assert bill["costs"]["total_cost"]["excl_vat"] == Decimal("0.4938")
    large = cdr(period("08:00", ENERGY="9007199254740993.0001"))
    _, bill = await ask(service, "/cdrs/price", {"cdr": large, "tariffs": [OFFER]})
    assert bill["lines"][0]["measured"] == Decimal("9007199254740993.0001")


async def test_a_tariff_is_examined_whether_valid_or_not(service: Service) -> None:
    assert await ask(service, "/tariffs/lint", {"tariff": OFFER}) == (
        200,
        {"errors": 0, "findings": []},
    )
    for document in ({}, {"elements": 5}, tariff(element(component("ENERGY", "-1")))):
        status, lint = await ask(service, "/tariffs/lint", {"tariff": document})
        assert (status, lint["errors"] > 0) == (200, True)
        LintAnswer.model_validate(lint)


async def test_a_session_is_estimated_in_local_time(service: Service) -> None:
    night = element(component("ENERGY", "0.2"), end_time="06:00", max_current=20)
    question: dict[str, Any] = {
        "tariff": tariff(night, *OFFER["elements"]),
        "minutes": 60,
        "kwh": 10,
        "power": Decimal("11.5"),
        "current": 16,
        "time_zone": "Asia/Tokyo",
    }
    for start, total in (("2026-01-31T04:00:00", 2), ("2026-01-30T22:00:00Z", 5)):
        status, bill = await ask(service, "/tariffs/estimate", question | {"start": start})
        assert (status, bill["costs"]["total_cost"]["excl_vat"]) == (200, total)
        BillAnswer.model_validate(bill)


STAY = {"tariff": OFFER, "start": "2026-01-31T04:00:00Z", "minutes": 60, "kwh": 10}


@pytest.mark.parametrize(
    ("path", "question", "sentence"),
    [
        ("/cdrs/price", {}, "cdr: is required"),
        ("/cdrs/price", {"cdr": []}, "cdr: "),
        ("/cdrs/price", {"cdr": {}}, "charging_periods: is required (unreadable_cdr)"),
        ("/cdrs/price", {"cdr": SESSION, "tariffs": []}, "There is no tariff"),
        ("/cdrs/price", {"cdr": SESSION, "tariff": OFFER}, "tariff: "),
        ("/cdrs/check", {"cdr": SESSION, "time_zone": "Mars"}, "no time zone 'Mars'"),
        ("/cdrs/check", {"cdr": SESSION | {"tariffs": [{}]}}, "tariffs.0: elements: is required"),
        ("/tariffs/lint", {"tariff": OFFER, "time_zone": "Mars"}, "no time zone 'Mars'"),
        ("/tariffs/estimate", STAY | {"kwh": -1}, "kwh: "),
        ("/tariffs/estimate", STAY | {"minutes": 10**12}, "The stay must last"),
        ("/tariffs/estimate", STAY | {"power": 1}, "takes longer than 60 min"),
        ("/tariffs/estimate", STAY | {"start": "9999-12-31T00:00:00Z"}, "in the year 9999"),
        ("/tariffs/estimate", STAY | {"start": "noon"}, "start: "),
    ],
)
async def test_what_cannot_be_answered_is_refused_in_a_sentence(
    service: Service, path: str, question: Any, sentence: str
) -> None:
    status, answer = await ask(service, path, question)
    assert (status, sentence in answer["error"]) == (400, True), answer


async def test_prices_are_for_staff(service: Service) -> None:
    answer = await service.partner.post("/admin/cdrs/price", content=encode({"cdr": SESSION}))
    assert answer.status_code == 401
