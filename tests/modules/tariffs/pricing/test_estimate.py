"""What a session would cost is told before it begins."""

from decimal import Decimal

import pytest

from modules.tariffs.pricing import PricingError, billed_quantities, estimate
from tests.modules.tariffs.pricing.sample import MONDAY, component, element, tariff

OFFER = tariff(
    element(component("ENERGY", "0.3"), end_time="10:00"),
    element(component("ENERGY", "0.5"), component("PARKING_TIME", "6")),
)


def test_energy_is_charged_first_and_the_rest_of_the_stay_is_parking() -> None:
    bill = estimate(OFFER, MONDAY, 150, Decimal(22), Decimal(11), "Europe/Amsterdam")
    assert billed_quantities(bill) == {"energy_kwh": 22, "parking_s": 1800}
    assert bill.total.excl == Decimal("3.3") + Decimal("5.5") + 3


def test_without_power_the_whole_stay_is_charging() -> None:
    bill = estimate(OFFER, MONDAY, 120, Decimal(10), zone="Europe/Amsterdam")
    assert billed_quantities(bill) == {"energy_kwh": 10}
    assert bill.total.excl == 4


@pytest.mark.req("TA-18")
def test_prices_by_power_and_current_are_judged_by_what_is_given() -> None:
    fast = tariff(
        element(component("ENERGY", "0.9"), min_power=50),
        element(component("ENERGY", "0.7"), min_current=16),
        element(component("ENERGY", "0.5")),
    )
    for power, current, price in ((60, None, 9), (40, 20, 7), (40, None, 5), (None, 10, 5)):
        bill = estimate(
            fast,
            MONDAY,
            60,
            Decimal(10),
            None if power is None else Decimal(power),
            current=None if current is None else Decimal(current),
        )
        assert bill.total.excl == price


@pytest.mark.parametrize(
    ("minutes", "power", "code"),
    [(30, "11", "stay_too_short"), (30, "0", "no_power"), (0, None, "bad_duration")],
)
def test_an_impossible_stay_is_refused(minutes: int, power: str | None, code: str) -> None:
    with pytest.raises(PricingError) as caught:
        estimate(OFFER, MONDAY, minutes, Decimal(11), Decimal(power) if power else None, "UTC")
    assert caught.value.code == code
