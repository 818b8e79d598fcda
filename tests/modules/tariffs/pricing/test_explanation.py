"""A bill can be read out, and its documents hold all that led to it."""

from decimal import Decimal
from typing import Any

import pytest

from modules.tariffs.pricing import (
    Policy,
    bill_document,
    check_cdr,
    check_document,
    explain,
    price_cdr,
    read_tariff,
)
from modules.tariffs.pricing.policy import Rounding
from ocpi.spec.document import decode, encode
from tests.modules.tariffs.pricing.sample import (
    BY_NAME,
    VECTORS,
    cdr,
    component,
    element,
    period,
    tariff,
)


def told(name: str) -> list[str]:
    vector = BY_NAME[name]
    return explain(price_cdr(vector["cdr"], [vector["tariff"]], vector["timezone"]))


def test_prices_steps_and_totals_are_told() -> None:
    assert told("spec-22-step-size-switch-time") == [
        (
            "The session lasted from 2024-01-15 16:35 to 2024-01-15 17:10 (Europe/Amsterdam) and "
            "is priced in EUR by the tariff 22."
        ),
        "Period 1, 16:35 to 17:00:",
        (
            "- Charging time: 25 min at EUR 1.20 per hour is EUR 0.50, no VAT applies. The price "
            "is that of element 1, which applies from 00:00 to 17:00 (it was 16:35)."
        ),
        "Period 2, 17:00 to 17:10:",
        (
            "- Charging time: 10 min, billed as 20 min at EUR 2.40 per hour is EUR 0.80, no VAT "
            "applies. The price is that of element 2, which applies from 17:00 to 20:00 (it was "
            "17:00). Not used: element 1 applies from 00:00 to 17:00, and it was 17:00."
        ),
        (
            "Charging time is billed in steps of 15 min: 35 min in all became 45 min; the "
            "difference is part of period 2."
        ),
        "Charging time: EUR 1.30 without VAT, EUR 1.30 with VAT.",
        "In all: EUR 1.30 without VAT, EUR 1.30 with VAT.",
        "Amounts were rounded only at the end, each by itself (rounding=total).",
    ]


def test_limits_notes_and_policies_are_told() -> None:
    lines = [line for name in ("spec-04", "spec-06", "edge-10", "edge-20") for line in _named(name)]
    for sentence in (
        (
            "The minimum price of the tariff raised the total from EUR 0.30 without VAT, "
            "EUR 0.33 with VAT."
        ),
        (
            "The maximum price of the tariff lowered the total from EUR 13.00 without VAT, "
            "EUR 14.35 with VAT."
        ),
        (
            "A second fixed fee, that of element 2, applied from period 2; it was not charged "
            "(flat=once_per_session)."
        ),
        (
            "The price of energy changed within period 1, which should have been split there: "
            "element 1 applied at its start and element 2 at its end. "
            "It was priced as at its start."
        ),
    ):
        assert sentence in lines


def _named(start: str) -> list[str]:
    return told(next(name for name in BY_NAME if name.startswith(start)))


def test_what_is_not_priced_is_told_with_the_reason() -> None:
    assert (
        "- Parking time: 20 min, not priced. Not used: element 1 applies from 1200 s, and there "
        "had been 0 s." in told("edge-19-free-minutes-no-component")
    )


def test_only_some_of_many_reasons_are_read_out() -> None:
    (line,) = (line for line in told("ref-10-codeberg-228") if "7.293" in line)
    assert line.endswith("element 3 applies from 02:00 to 03:00, and it was 14:00; and 11 more.")


def test_parts_that_do_not_add_up_to_the_total_are_explained() -> None:
    halves = tariff(element(component("ENERGY", "0.004"), component("TIME", "0.004")))
    received = cdr(period("08:00", ENERGY="1", TIME="1"))
    assert explain(price_cdr(received, [halves]))[-1] == (
        "Amounts were rounded only at the end, each by itself (rounding=total); therefore the "
        "parts as shown do not add up to the total exactly."
    )
    summed = price_cdr(received, [halves], policy=Policy(rounding=Rounding.PER_DIMENSION))
    assert explain(summed)[-1] == (
        "The cost of each dimension was rounded, and the total is their sum "
        "(rounding=per_dimension)."
    )


def test_one_tariff_is_told_in_the_currency_of_each_session() -> None:
    terms = read_tariff(tariff(element(component("ENERGY", "0.5", vat="5.5"))))
    received = cdr(period("08:00", ENERGY="3"))
    currencies = ("EUR", "JPY", "KWD", "EUR")
    told = [explain(price_cdr(received | {"currency": each}, [terms]))[2] for each in currencies]
    assert [line.partition(". The price")[0] for line in told] == [
        "- Energy: 3 kWh at EUR 0.50 per kWh is EUR 1.50, with 5.5 % VAT EUR 1.5825",
        "- Energy: 3 kWh at JPY 0.5 per kWh is JPY 1.5, with 5.5 % VAT JPY 1.5825",
        "- Energy: 3 kWh at KWD 0.500 per kWh is KWD 1.500, with 5.5 % VAT KWD 1.5825",
        "- Energy: 3 kWh at EUR 0.50 per kWh is EUR 1.50, with 5.5 % VAT EUR 1.5825",
    ]


def test_a_bill_is_a_document() -> None:
    vector = BY_NAME["spec-11-energy-step-100wh"]
    bill = price_cdr(vector["cdr"], [vector["tariff"]], vector["timezone"])
    document = bill_document(bill)
    flat, energy = document["lines"]
    shown = ("costs", "rounded_costs", "billed", "steps", "notes")
    assert {name: document[name] for name in shown} == {
        "costs": {
            "total_cost": {"excl_vat": Decimal("5.625"), "incl_vat": Decimal("6.2375")},
            "total_fixed_cost": {"excl_vat": Decimal("0.50"), "incl_vat": Decimal("0.60")},
            "total_energy_cost": {"excl_vat": Decimal("5.125"), "incl_vat": Decimal("5.6375")},
        },
        "rounded_costs": {
            "total_cost": {"excl_vat": Decimal("5.63"), "incl_vat": Decimal("6.24")},
            "total_fixed_cost": {"excl_vat": Decimal("0.50"), "incl_vat": Decimal("0.60")},
            "total_energy_cost": {"excl_vat": Decimal("5.13"), "incl_vat": Decimal("5.64")},
        },
        "billed": {"energy_kwh": Decimal("20.5")},
        "steps": [
            {"dimension": "ENERGY", "step_size": 100, "measured": 20450, "billed": 20500, "line": 2}
        ],
        "notes": [],
    }
    assert flat["dimension"] == "FLAT"
    assert energy == {
        "period": 1,
        "dimension": "ENERGY",
        "measured": Decimal("20.45"),
        "billed": Decimal("20.5"),
        "skipped": [],
        "element": 1,
        "component": 2,
        "because": [],
        "price": Decimal("0.25"),
        "vat": Decimal(10),
        "cost": {"excl_vat": Decimal("5.125"), "incl_vat": Decimal("5.6375")},
    }
    assert document["policy"]["rounding"] == "total"


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_every_check_can_be_written_as_json(vector: dict[str, Any]) -> None:
    received = vector["cdr"] | {"tariffs": [vector["tariff"]]}
    document = check_document(check_cdr(received, (), vector["timezone"]))
    said = {"agrees", "sentence", "explained_by", "costs", "quantities", "form", "bill"}
    assert set(decode(encode(document))) == said
