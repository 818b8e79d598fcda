"""Each reading that the specification leaves open can be chosen, and gives its own price."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from modules.tariffs.pricing import Policy, cost_fields, price_cdr
from modules.tariffs.pricing.policy import (
    Flat,
    OvernightDay,
    RangeRule,
    Rounding,
    StepTotal,
    TimeStep,
)
from tests.modules.tariffs.pricing.sample import BY_NAME, cdr, component, element, period, tariff


@pytest.mark.parametrize(
    ("name", "change", "total"),
    [
        ("edge-02-overnight-and-weekday", {"overnight_day": OvernightDay.WINDOW_START}, "1"),
        (
            "edge-03-overnight-and-weekday-morning",
            {"overnight_day": OvernightDay.WINDOW_START},
            "3",
        ),
        ("edge-10-two-flats", {"flat": Flat.ONCE_PER_COMPONENT}, "6"),
        ("edge-11-parking-then-charging", {"time_step": TimeStep.LAST_PERIOD}, "0.7333"),
        ("edge-12-hours-with-4-decimals", {"time_step_tolerance_s": Decimal(0)}, "2"),
        ("edge-19-free-minutes-no-component", {"step_total": StepTotal.MEASURED}, "0.5"),
        ("spec-11-energy-step-100wh", {"apply_step_size": False}, "5.6125"),
        ("spec-23-step-size-into-free-parking", {"step_total": StepTotal.MEASURED}, "0.78"),
        ("ref-10-codeberg-228", {"rounding": Rounding.PER_PERIOD}, "1.83"),
        ("ref-10-codeberg-228", {"rounding": Rounding.PER_DIMENSION}, "1.84"),
    ],
)
@pytest.mark.req("TA-22")
def test_another_reading_gives_its_own_price(name: str, change: dict[str, Any], total: str) -> None:
    vector = BY_NAME[name]
    policy = replace(Policy(), **change)
    bill = price_cdr(vector["cdr"], [vector["tariff"]], vector["timezone"], policy=policy)
    assert cost_fields(bill, 4)["total_cost"]["excl_vat"] == Decimal(total)


@pytest.mark.parametrize(("rule", "total"), [(RangeRule.PEAK, "1"), (RangeRule.WHOLE_PERIOD, "3")])
@pytest.mark.req("TA-18")
def test_a_current_that_straddles_its_bound_is_judged_by_policy(
    rule: RangeRule, total: str
) -> None:
    by_current = tariff(
        element(component("ENERGY", "0.1"), min_current=16), element(component("ENERGY", "0.3"))
    )
    received = cdr(period("08:00", ENERGY="10", MIN_CURRENT="6", MAX_CURRENT="32"))
    bill = price_cdr(received, [by_current], policy=Policy(range_rule=rule))
    assert cost_fields(bill)["total_cost"]["excl_vat"] == Decimal(total)
    assert [(note.code, note.policy) for note in bill.notes] == [
        ("range_straddles", f"range_rule={rule}")
    ]


@pytest.mark.req("TA-22")
def test_amounts_are_rounded_half_up_to_the_minor_unit_of_the_currency() -> None:
    received = cdr(period("08:00", ENERGY="20.5"))
    for currency, total in (("EUR", "5.13"), ("JPY", "5"), ("KWD", "5.125"), ("???", "5.13")):
        local = tariff(element(component("ENERGY", "0.25")), currency=currency)
        bill = price_cdr(received | {"currency": currency}, [local])
        assert str(cost_fields(bill)["total_cost"]["excl_vat"]) == total
