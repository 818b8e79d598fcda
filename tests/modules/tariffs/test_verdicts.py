"""A received CDR gets a verdict on its price, whatever it holds."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import modules.tariffs.verdicts
from modules.tariffs.verdicts import judge_received
from ocpi.spec.cdrs import CDR
from ocpi.spec.document import decode, encode
from ocpi.spec.reading import defects, read
from tests.modules.tariffs.pricing.sample import (
    BY_NAME,
    Document,
    cdr,
    component,
    element,
    period,
    tariff,
)
from tests.modules.tariffs.pricing.wild import cdrs, offers

OFFER = tariff(element(component("ENERGY", "0.5", vat="10")))
STATED: Document = {
    "country_code": "NL",
    "party_id": "TST",
    "id": "CDR1",
    "cdr_token": {
        "country_code": "DE",
        "party_id": "MSP",
        "uid": "1",
        "type": "RFID",
        "contract_id": "C1",
    },
    "auth_method": "WHITELIST",
    "cdr_location": {
        "id": "LOC1",
        "address": "Street 1",
        "city": "City",
        "country": "NLD",
        "coordinates": {"latitude": "52.00000", "longitude": "4.00000"},
        "evse_uid": "1",
        "evse_id": "NL*TST*E1",
        "connector_id": "1",
        "connector_standard": "IEC_62196_T2",
        "connector_format": "SOCKET",
        "connector_power_type": "AC_3_PHASE",
    },
    "total_energy": 4,
    "total_time": 1,
    "last_updated": "2024-01-15T12:00:00Z",
}


def received(*periods: Document, excl: str = "2", **members: Any) -> Document:
    cost = {"excl_vat": Decimal(excl)}
    return STATED | cdr(*periods, end="09:00", total_cost=cost, **members)


ONE = received(period("08:00", ENERGY="4"))


def test_the_sample_is_a_sound_cdr() -> None:
    assert defects(ONE | {"tariffs": [OFFER]}, CDR) == []


@pytest.mark.parametrize("document", [ONE | {"tariffs": [OFFER]}, ONE])
def test_a_cdr_that_asks_for_its_price_agrees(document: Document) -> None:
    assert decode(encode(judge_received(document, [OFFER]))) == {
        "verdict": "agrees",
        "code": "within_tolerance",
        "sentence": "All figures agree.",
        "currency": "EUR",
        "claimed": {"excl_vat": 2},
        "computed": {"excl_vat": 2, "incl_vat": Decimal("2.2")},
        "differences": [],
        "explained_by": [],
        "notes": [],
    }


@pytest.mark.req("TA-22")
def test_a_difference_is_disputed_with_what_would_explain_it() -> None:
    vector = BY_NAME["spec-23-step-size-into-free-parking"]
    document = STATED | vector["cdr"] | {"total_cost": {"excl_vat": Decimal("0.78")}}
    verdict = judge_received(document, [vector["tariff"]], vector["timezone"])
    assert (verdict["verdict"], verdict["explained_by"]) == ("disputed", ["step_total=measured"])
    total = verdict["differences"][0]
    assert (total["pointer"], total["difference"], total["within_tolerance"]) == (
        "/total_cost/excl_vat",
        Decimal("0.05"),
        False,
    )


def test_notes_are_told_once_each() -> None:
    periods = [period(f"08:{minute:02}", PARKING_TIME="0.01") for minute in range(60)]
    verdict = judge_received(received(*periods, tariffs=[OFFER]))
    assert [(note["code"], note["times"]) for note in verdict["notes"]] == [
        ("no_price_component", 60)
    ]


DEAR = tariff(element(component("ENERGY", "1E9")))
LOCAL = tariff(element(component("ENERGY", "0.5"), start_time="06:00"))


@pytest.mark.parametrize(
    ("document", "stored", "zone", "code"),
    [
        (ONE, [], None, "no_tariff"),
        (received(period("08:00", "T9", ENERGY="4")), [OFFER], None, "unknown_tariff"),
        (received(*[period("08:00", ENERGY="1")] * 2), [OFFER], None, "equal_period_starts"),
        (ONE | {"cdr_location": {}}, [LOCAL], None, "time_zone_unknown"),
        (ONE, [LOCAL], "Mars/Base", "unknown_time_zone"),
        (ONE | {"start_date_time": "0001-01-01T00:00:00Z"}, [OFFER], None, "unreadable_cdr"),
        (ONE, [tariff(*OFFER["elements"] * 10_001)], None, "too_large"),
        (received(period("08:00", ENERGY="9.9E30")), [DEAR], None, "absurd"),
    ],
)
def test_a_cdr_without_a_price_is_told_from_a_dispute(
    document: Document, stored: list[Document], zone: str | None, code: str
) -> None:
    verdict = judge_received(document, stored, zone)
    assert (verdict["verdict"], verdict["code"]) == ("unpriceable", code)
    assert verdict["sentence"].endswith(".")


def test_a_stored_tariff_that_cannot_be_used_is_no_hindrance() -> None:
    verdict = judge_received(ONE, [{"id": "T0", "elements": []}, OFFER])
    assert verdict["verdict"] == "agrees"
    assert [note["code"] for note in verdict["notes"]] == ["unreadable_stored_tariff"]


def test_a_defect_of_ours_costs_no_partner_its_cdr(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_args: Any, **_options: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(modules.tariffs.verdicts, "check_cdr", crash)
    assert judge_received(ONE)["code"] == "failed"


@settings(deadline=None, max_examples=100)
@given(
    cdrs(STATED), st.lists(offers, max_size=2), st.sampled_from([None, "Europe/Paris", "Nowhere"])
)
def test_no_valid_cdr_makes_it_fail(
    document: Document, stored: list[Document], zone: str | None
) -> None:
    read(CDR, document)
    verdict = judge_received(document, stored, zone)
    assert verdict["code"] != "failed"
    assert set(decode(encode(verdict))) >= {"verdict", "code", "sentence", "notes"}


CARELESS: list[Callable[[Document], Document]] = [
    lambda offer: {"tariffs": offer},
    lambda offer: {"tariffs": [None, offer]},
    lambda offer: {"tariffs": [offer], "total_energy": "4"},
    lambda offer: {"tariffs": [offer], "charging_periods": ONE["charging_periods"][0]},
    lambda offer: {"tariffs": [offer | {"elements": offer["elements"][0]}]},
]


@pytest.mark.parametrize("members", CARELESS)
def test_what_is_read_with_tolerance_is_priced_with_tolerance(
    members: Callable[[Document], Document],
) -> None:
    document = ONE | members(OFFER)
    read(CDR, document)
    assert judge_received(document)["verdict"] == "agrees"
