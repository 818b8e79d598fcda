"""A tariff in plain words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from modules.tariffs.pricing import describe, example, language_of, read_tariff
from ocpi.spec.document import decode, encode
from ocpi.testing import samples


def words(*elements: dict[str, Any], **over: Any) -> list[str]:
    return describe(read_tariff(decode(encode(samples.tariff(elements=[*elements], **over)))))


def element(kind: str, price: float, step_size: int = 1, **restrictions: Any) -> dict[str, Any]:
    component = {"type": kind, "price": price, "step_size": step_size}
    only = {"restrictions": restrictions} if restrictions else {}
    return {"price_components": [component], **only}


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (element("ENERGY", 0.5), "Energy: EUR 0.50 per kWh, no VAT applies."),
        (element("FLAT", 1), "The fixed fee: EUR 1.00, no VAT applies."),
        (
            element("ENERGY", 0.4, 500, start_time="22:00", end_time="06:00"),
            "Energy: EUR 0.40 per kWh, no VAT applies, in steps of 500 Wh, from 22:00 to 06:00.",
        ),
        (
            element("TIME", 3, 300, day_of_week=["SUNDAY"]),
            "Charging time: EUR 3.00 per hour, no VAT applies, in steps of 5 min, on Sunday.",
        ),
        (
            element("ENERGY", 0.3, min_kwh=20),
            "Energy: EUR 0.30 per kWh, no VAT applies, for the part of the energy from 20 kWh.",
        ),
        (
            element("ENERGY", 0.3, max_power=11),
            "Energy: EUR 0.30 per kWh, no VAT applies, at a power below 11 kW.",
        ),
    ],
)
def test_each_price_is_one_sentence(told: dict[str, Any], sentence: str) -> None:
    assert words(told) == [sentence]


def test_all_seven_days_are_every_day() -> None:
    days = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"]
    (sentence,) = words(element("ENERGY", 0.3, day_of_week=days))
    assert sentence.endswith(", every day.")


def test_what_a_reservation_costs_that_runs_out_is_told_apart() -> None:
    found = words(
        element("FLAT", 2, reservation="RESERVATION"),
        element("FLAT", 5, reservation="RESERVATION_EXPIRES"),
    )
    assert "runs out" not in found[0]
    assert found[1].endswith("where a reservation runs out unused.")


def test_limits_and_validity_come_last() -> None:
    found = words(
        element("ENERGY", 0.3),
        min_price={"excl_vat": 1, "incl_vat": 1.19},
        max_price={"excl_vat": 20},
        end_date_time="2027-01-01T00:00:00Z",
    )
    assert found[1:] == [
        "At least EUR 1.00 without VAT, EUR 1.19 with VAT in all.",
        "At most EUR 20.00 without VAT in all.",
        "It is valid until 2027-01-01T00:00:00Z.",
    ]


def test_the_example_is_a_price_and_the_owners_texts_keep_their_language() -> None:
    tariff = samples.tariff()
    now = datetime(2026, 1, 15, 9, tzinfo=UTC)
    assert example(read_tariff(decode(encode(tariff))), now, None) == (
        "20 kWh within 60 min, from now on, would cost EUR 10.00 without VAT, EUR 11.90 with VAT."
    )
    assert language_of(tariff) == ["Parking is paid for once you are full. (en)"]
    assert language_of({}) == []


def test_of_more_prices_than_anybody_reads_no_example_is_reckoned() -> None:
    elements = [element("ENERGY", n, min_kwh=n, max_kwh=n + 1) for n in range(401)]
    now = datetime(2026, 1, 15, 9, tzinfo=UTC)
    told = [
        example(read_tariff(decode(encode(samples.tariff(elements=some)))), now, None)
        for some in (elements[:400], elements)
    ]
    assert told[0].endswith("with VAT.")
    assert told[1].endswith("would cost is not reckoned for more than 400 prices.")
