"""Every vector is met: what the specification decides, and what the project decided."""

from typing import Any

import pytest

from modules.tariffs.pricing import Bill, billed_quantities, cost_fields, price_cdr
from tests.modules.tariffs.pricing.sample import BY_NAME, VECTORS

NOTED = {
    "period_spans_price_change",
    "no_price_component",
    "second_flat_ignored",
    "period_outside_session",
}


def bill_of(vector: dict[str, Any]) -> Bill:
    return price_cdr(
        vector["cdr"],
        [vector["tariff"]],
        vector["timezone"],
        expired=vector.get("options", {}).get("reservation_expired"),
    )


@pytest.mark.req("TA-06", "TA-07", "TA-10", "TA-13", "TA-14", "TA-15", "TA-16", "TA-17", "TA-18")
@pytest.mark.req("TA-19", "TA-20", "TA-21", "CD-23", "CD-24", "CD-25", "CD-26")
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_a_vector_is_priced_as_expected(vector: dict[str, Any]) -> None:
    bill, expected = bill_of(vector), vector["expected"]
    wanted = {name: cost for name, cost in expected.items() if name.startswith("total_")}
    found = {
        name: cost
        for name, cost in cost_fields(bill, 4).items()
        if name in wanted or cost["excl_vat"] or cost["incl_vat"]
    }
    limit = bill.limits[-1].name if bill.limits else None
    assert found == wanted
    assert billed_quantities(bill) == expected["billed"]
    assert NOTED & set(bill.codes()) == set(expected["notes"])
    assert limit == expected["price_limit_applied"]


def test_all_vectors_are_here() -> None:
    states = [vector["status"] for vector in VECTORS]
    assert (states.count("agreed"), states.count("contested")) == (49, 12)


@pytest.mark.parametrize(
    ("name", "code", "setting"),
    [
        ("edge-02-overnight-and-weekday", "overnight_weekday", "overnight_day=literal"),
        ("edge-08-missing-power-dimension", "restriction_undecidable", None),
        ("edge-10-two-flats", "second_flat_ignored", "flat=once_per_session"),
        ("edge-11-parking-then-charging", "parking_before_charging", "time_step=parking_if_any"),
        ("edge-12-hours-with-4-decimals", "step_tolerance", "time_step_tolerance_s=0.18"),
    ],
)
def test_a_policy_that_decided_is_named(name: str, code: str, setting: str | None) -> None:
    notes = {note.code: note.policy for note in bill_of(BY_NAME[name]).notes}
    assert notes[code] == setting
