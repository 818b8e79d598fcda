"""A partner's CDR is held against its tariffs, and a difference is traced to a reading."""

from decimal import Decimal
from typing import Any

import pytest

from modules.tariffs.pricing import Check, Policy, check_cdr
from tests.modules.tariffs.pricing.sample import (
    BY_NAME,
    VECTORS,
    Document,
    cdr,
    component,
    element,
    period,
    tariff,
)

OFFER = tariff(element(component("ENERGY", "0.5", vat="10")))
CLAIMED: list[Document] = [
    vector for vector in VECTORS if "total_cost" in vector["cdr"] and "claimed" not in vector
]


def claim(excl: str, incl: str | None = None) -> dict[str, Decimal]:
    cost = {"excl_vat": Decimal(excl)}
    return cost if incl is None else cost | {"incl_vat": Decimal(incl)}


def found(check: Check) -> list[tuple[str, str, str | None]]:
    """What differs: the pointer, the verdict, and what would explain it."""
    return [
        (each.pointer, "within" if each.within else "beyond", each.explained_by)
        for each in check.costs
        if each.difference
    ]


@pytest.mark.parametrize("vector", CLAIMED, ids=lambda vector: vector["name"])
def test_the_figures_that_others_publish_agree(vector: dict[str, Any]) -> None:
    check = check_cdr(vector["cdr"] | {"tariffs": [vector["tariff"]]}, (), vector["timezone"])
    assert (check.agrees, found(check)) == (True, [])


def test_a_cdr_rounded_by_period_is_recognized() -> None:
    vector = BY_NAME["ref-10-codeberg-228"]
    check = check_cdr(vector["cdr"], (), vector["timezone"])
    assert found(check) == [
        ("/total_cost/excl_vat", "within", "rounding=per_period"),
        ("/total_cost/incl_vat", "within", "rounding=per_period"),
    ]
    assert check.costs[0].sentence() == (
        "/total_cost/excl_vat: 1.83 is claimed, 1.84 was computed, which is close enough; "
        "it is met with rounding=per_period."
    )


@pytest.mark.parametrize(
    ("name", "total", "explanation"),
    [
        ("spec-23-step-size-into-free-parking", "0.78", "step_total=measured"),
        ("edge-12-hours-with-4-decimals", "2.00", "time_step_tolerance_s=0"),
        ("edge-10-two-flats", "6.00", "flat=once_per_component"),
        ("edge-02-overnight-and-weekday", "1.00", "overnight_day=window_start"),
        ("edge-11-parking-then-charging", "0.7333", "time_step=last_period"),
        ("spec-16-reservation-fee-and-hour", "8.58", "apply_step_size=False"),
        ("spec-04-min-price-applied", "0.30", None),
    ],
)
@pytest.mark.req("TA-22")
def test_a_difference_is_traced_to_another_reading(
    name: str, total: str, explanation: str | None
) -> None:
    vector = BY_NAME[name]
    received = vector["cdr"] | {"tariffs": [vector["tariff"]], "total_cost": claim(total)}
    check = check_cdr(received, (), vector["timezone"])
    assert (check.agrees, found(check)) == (
        False,
        [("/total_cost/excl_vat", "beyond", explanation)],
    )


@pytest.mark.req("CD-10")
def test_only_the_total_of_a_credit_cdr_is_negative() -> None:
    received = cdr(
        period("08:00", ENERGY="10"),
        tariffs=[OFFER],
        total_cost=claim("-5", "-5.5"),
        total_energy_cost=claim("5", "5.5"),
        credit=True,
        credit_reference_id="CDR1",
    )
    check = check_cdr(received)
    assert (check.agrees, check.form) == (True, ())
    assert not check_cdr(received | {"credit": False}).agrees


def test_fees_may_be_counted_as_parking() -> None:
    offer = tariff(element(component("FLAT", "1"), component("PARKING_TIME", "2")))
    received = cdr(
        period("08:00", PARKING_TIME="1"),
        end="09:00",
        tariffs=[offer],
        total_cost=claim("3"),
        total_fixed_cost=claim("0"),
        total_parking_cost=claim("3"),
    )
    check = check_cdr(received)
    assert check.agrees
    assert {why for _, _, why in found(check)} == {"fees counted as parking"}


@pytest.mark.req("CD-20")
@pytest.mark.parametrize(
    ("members", "beyond"),
    [
        ({"total_energy": Decimal("10.0005"), "total_time": Decimal("1.0005")}, []),
        ({"total_energy": Decimal(10_000)}, ["/total_energy"]),
        ({"total_time": Decimal("0.75")}, ["/total_time"]),
        ({"total_parking_time": Decimal("0.25")}, []),
        ({"total_parking_time": Decimal("0.3")}, ["/total_parking_time"]),
    ],
)
def test_totals_are_held_against_the_cdr_itself(members: Document, beyond: list[str]) -> None:
    periods = (period("08:00", ENERGY="10"), period("08:45", PARKING_TIME="0.25"))
    check = check_cdr(cdr(*periods, end="09:00", tariffs=[OFFER], **members))
    assert [each.pointer for each in check.quantities if not each.within] == beyond
    assert check.agrees is not bool(beyond)


@pytest.mark.req("CD-20")
@pytest.mark.parametrize(("hours", "agrees"), [("1", True), ("1.25", True), ("1.1", False)])
def test_a_total_time_may_hold_the_reservation_or_leave_it_out(hours: str, *, agrees: bool) -> None:
    periods = (period("08:00", RESERVATION_TIME="0.25"), period("08:15", ENERGY="10", TIME="1"))
    claimed = cdr(*periods, end="09:15", tariffs=[OFFER], total_time=Decimal(hours))
    assert check_cdr(claimed).agrees is agrees


@pytest.mark.req("CD-19", "CD-17")
@pytest.mark.parametrize(
    ("received", "codes"),
    [
        (cdr(period("08:00", ENERGY="1", STATE_OF_CHARGE="80")), ["session_only_dimension"]),
        (cdr(period("08:00", ENERGY="1", CONGESTION_TIME="1")), ["unknown_dimension"]),
        (cdr(period("08:00", ENERGY="-1")), ["negative_volume", "negative_total"]),
        (
            cdr(period("08:00", TIME="1.1"), end="09:00"),
            ["no_price_component", "times_exceed_period"],
        ),
        (
            cdr(period("09:00", ENERGY="1"), period("08:00", ENERGY="1")),
            ["periods_out_of_order", "period_outside_session"],
        ),
        (cdr(period("08:00", ENERGY="1"), credit=True), ["credit_without_reference"]),
        (cdr(period("08:00", ENERGY="1"), credit_reference_id="X"), ["reference_without_credit"]),
        (
            cdr(
                period("08:00", ENERGY="1"),
                credit=True,
                credit_reference_id="X",
                total_cost=claim("1"),
            ),
            ["credit_not_negative"],
        ),
    ],
)
def test_the_form_of_a_cdr_is_remarked(received: Document, codes: list[str]) -> None:
    check = check_cdr(received | {"tariffs": [OFFER]})
    assert [note.code for note in check.form] == codes


def test_a_dimension_given_twice_is_added_up_and_remarked() -> None:
    twice = period("08:00", ENERGY="1")
    twice["dimensions"] *= 2
    check = check_cdr(cdr(twice, tariffs=[OFFER], total_energy=2))
    assert (check.agrees, [note.code for note in check.form]) == (True, ["duplicate_dimension"])


def test_stored_tariffs_fill_in_and_are_compared() -> None:
    received = cdr(period("08:00", ENERGY="10"), total_cost=claim("5", "5.5"))
    assert check_cdr(received, [OFFER]).agrees
    newer = tariff(element(component("ENERGY", "0.6")), last_updated="2025-01-01T00:00:00Z")
    check = check_cdr(received | {"tariffs": [OFFER]}, [newer])
    assert (check.agrees, [note.code for note in check.form]) == (True, ["tariff_differs"])


def test_under_a_policy_without_tolerance_a_difference_is_told_all_the_same() -> None:
    vector = BY_NAME["edge-12-hours-with-4-decimals"]
    received = vector["cdr"] | {"tariffs": [vector["tariff"]], "total_cost": claim("99")}
    policy = Policy(time_step_tolerance_s=Decimal(0))
    check = check_cdr(received, (), vector["timezone"], policy=policy)
    assert found(check) == [("/total_cost/excl_vat", "beyond", None)]


@pytest.mark.req("CD-24", "TA-15")
@pytest.mark.parametrize(
    ("hours", "billed"),
    [
        (["0.1667"] * 6, 1),  # 3600.72 s: six times ten minutes, each with what rounding added.
        (["0.1667"] * 5 + ["0.1669"], 2),  # 3601.44 s are more than six roundings come to.
        (["1.0001"], 2),  # 3600.36 s are more than one rounding comes to.
    ],
)
def test_each_volume_that_was_rounded_may_be_a_little_too_long(
    hours: list[str], billed: int
) -> None:
    """The periods last for a quarter of an hour or more, so their clock tells nothing of it."""
    offer = tariff(element(component("TIME", "1", 3600)))
    starts = [f"{8 + index // 4:02}:{index % 4 * 15:02}" for index in range(len(hours))]
    parts = [period(start, TIME=volume) for start, volume in zip(starts, hours, strict=True)]
    check = check_cdr(cdr(*parts, tariffs=[offer]))
    assert round(check.bill.total.excl, 3) == billed


@pytest.mark.req("CD-24", "TA-15")
@pytest.mark.parametrize(("end", "billed"), [("08:40", 1), ("08:41", 2)])
def test_a_volume_that_is_the_difference_of_two_totals_is_measured_by_the_clock(
    end: str, billed: int
) -> None:
    """0.3334 h are 1200.24 s: the period's 20 minutes, or else more than a step."""
    offer = tariff(element(component("TIME", "3", 1200), min_duration=1200))
    parts = period("08:00", TIME="0.3333"), period("08:20", TIME="0.3334")
    check = check_cdr(cdr(*parts, end=end, tariffs=[offer]))
    assert round(check.bill.total.excl, 3) == billed
