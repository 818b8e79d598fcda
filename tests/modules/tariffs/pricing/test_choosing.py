"""Which price applies: per dimension the first element whose restrictions all hold."""

from decimal import Decimal
from typing import Any

import pytest

from modules.tariffs.pricing import PricingError, cost_fields, pick_tariff, price_cdr, read_tariff
from tests.modules.tariffs.pricing.sample import (
    MONDAY,
    Document,
    amounts,
    cdr,
    component,
    costs,
    element,
    outcome,
    period,
    tariff,
)

ENERGY = cdr(period("08:00", ENERGY="10"))
LAST = element(component("ENERGY", "0.5"))


@pytest.mark.req("TA-06")
def test_dimensions_may_be_priced_by_different_elements() -> None:
    mixed = tariff(
        element(component("TIME", "2"), day_of_week=["MONDAY"]),
        element(component("ENERGY", "0.3"), component("TIME", "9")),
    )
    bill = price_cdr(cdr(period("08:00", ENERGY="10", TIME="1")), [mixed], "UTC")
    assert costs(cost_fields(bill)) == {
        "total_cost": Decimal(5),
        "total_energy_cost": Decimal(3),
        "total_time_cost": Decimal(2),
    }


@pytest.mark.req("TA-06")
def test_of_two_components_of_one_dimension_the_first_counts() -> None:
    twice = tariff(element(component("ENERGY", "0.3"), component("ENERGY", "0.1")))
    assert price_cdr(ENERGY, [twice]).total.excl == 3


@pytest.mark.req("TA-07")
def test_what_nothing_prices_has_no_cost_field_and_is_noted() -> None:
    bill = price_cdr(ENERGY, [tariff(element(component("TIME", "2")))])
    assert costs(cost_fields(bill)) == {"total_cost": 0}
    assert bill.codes() == ["no_price_component"]


@pytest.mark.req("TA-08")
def test_a_flat_of_nothing_is_free_of_charge() -> None:
    bill = price_cdr(ENERGY, [tariff(element(component("FLAT", "0.00", 0)))])
    assert costs(cost_fields(bill)) == {"total_cost": 0, "total_fixed_cost": 0}


@pytest.mark.req("TA-16")
@pytest.mark.parametrize(
    ("restrictions", "code"),
    [
        ({"min_vehicle_soc": 80}, "unknown_restriction"),
        ({"start_time": "24:00"}, "unknown_restriction"),
        ({"start_time": "8 am"}, "unknown_restriction"),
        ({"end_date": "2024-02-31"}, "unknown_restriction"),
        ({"day_of_week": ["HOLIDAY"]}, "unknown_restriction"),
        ({"reservation": "OVERTIME"}, "unknown_restriction"),
    ],
)
def test_an_element_that_is_not_understood_applies_to_nobody(
    restrictions: Document, code: str
) -> None:
    bill = price_cdr(ENERGY, [tariff(element(component("ENERGY", "0"), **restrictions), LAST)])
    assert outcome(bill) == (5, [code])


def test_a_restriction_that_is_null_restricts_nothing() -> None:
    bill = price_cdr(ENERGY, [tariff(element(component("ENERGY", "1"), booking=None))])
    assert outcome(bill) == (10, [])


def test_unknown_dimensions_are_left_out_and_noted() -> None:
    congested = tariff(element(component("CONGESTION_TIME", "30"), component("ENERGY", "0.5")))
    received = cdr(period("08:00", ENERGY="10", CONGESTION_TIME="1"))
    bill = price_cdr(received, [congested])
    assert outcome(bill) == (5, ["unknown_dimension"])


@pytest.mark.req("TA-17", "TA-19")
@pytest.mark.parametrize(
    ("restrictions", "start", "applies"),
    [
        ({"start_time": "09:00"}, "08:00", True),  # In Amsterdam it is an hour later.
        ({"start_time": "09:01"}, "08:00", False),
        ({"end_time": "09:00"}, "08:00", False),
        ({"end_time": "09:01"}, "08:00", True),
        ({"start_time": "22:00", "end_time": "10:00"}, "08:00", True),
        ({"start_time": "22:00", "end_time": "00:00"}, "22:59", True),
        ({"start_time": "22:00", "end_time": "00:00"}, "23:00", False),
        ({"end_time": "00:00"}, "13:00", True),
        ({"start_time": "08:00", "end_time": "08:00"}, "13:00", True),
        ({"start_date": "2024-01-15"}, "08:00", True),
        ({"end_date": "2024-01-15"}, "08:00", False),
        ({"start_date": "2024-01-16"}, "23:00", True),
        ({"day_of_week": ["MONDAY", "SUNDAY"]}, "08:00", True),
        ({"day_of_week": ["TUESDAY"]}, "08:00", False),
        ({"day_of_week": ["TUESDAY"]}, "23:00", True),
        ({"min_kwh": 1}, "08:00", False),
        ({"max_kwh": 1}, "08:00", True),
        ({"min_duration": 0, "max_duration": 1}, "08:00", True),
        ({"min_duration": 1}, "08:00", False),
        ({"min_power": 11}, "08:00", True),
        ({"max_power": 11}, "08:00", False),
        ({"max_power": Decimal("11.1")}, "08:00", True),
        ({"min_current": 1}, "08:00", False),
        ({"min_power": 11, "day_of_week": ["TUESDAY"]}, "08:00", False),
    ],
)
def test_a_restriction_holds_or_not(restrictions: Document, start: str, *, applies: bool) -> None:
    restricted = tariff(element(component("ENERGY", "0.1"), **restrictions), LAST)
    received = cdr(period(start, ENERGY="10", MIN_POWER="11", MAX_POWER="11"), end="23:59")
    bill = price_cdr(received, [restricted], "Europe/Amsterdam")
    assert bill.total.excl == (1 if applies else 5)


def test_several_tariffs_are_told_apart_by_the_periods() -> None:
    day, night = tariff(LAST), tariff(element(component("ENERGY", "0.2")), id="NIGHT")
    received = cdr(period("08:00", "t1", ENERGY="1"), period("09:00", "night", ENERGY="10"))
    assert price_cdr(received, [day, night]).total.excl == Decimal("2.5")
    partly = cdr(period("08:00", "t1", ENERGY="1"), period("09:00", ENERGY="10"))
    bill = price_cdr(partly, [day, night])
    assert outcome(bill) == (Decimal("0.5"), ["period_without_tariff"])


TWICE = cdr(period("08:00", ENERGY="1"), period("08:00", TIME="1"))
BY_THE_CLOCK = tariff(element(component("ENERGY", "1"), end_time="10:00"))


@pytest.mark.parametrize(
    ("received", "tariffs", "code"),
    [
        (cdr(period("08:00", "T9", ENERGY="1")), [tariff(LAST)], "unknown_tariff"),
        (ENERGY, [], "no_tariff"),
        (TWICE, [tariff(LAST)], "equal_period_starts"),
        (ENERGY, [BY_THE_CLOCK], "time_zone_unknown"),
        (ENERGY | {"charging_periods": []}, [tariff(LAST)], "unreadable_cdr"),
        (ENERGY | {"start_date_time": "0001-01-01T00:00:00Z"}, [tariff(LAST)], "unreadable_cdr"),
        (ENERGY, [tariff()], "unreadable_tariff"),
    ],
)
def test_where_there_is_no_price_an_error_says_why(
    received: Document, tariffs: list[Document], code: str
) -> None:
    with pytest.raises(PricingError) as caught:
        price_cdr(received, tariffs)
    assert caught.value.code == code


def test_an_unknown_time_zone_is_refused() -> None:
    with pytest.raises(PricingError, match="no time zone 'Mars/Base'"):
        price_cdr(ENERGY, [tariff(LAST)], "Mars/Base")


@pytest.mark.parametrize(
    ("place", "total", "codes"),
    [
        ({"country": "NLD"}, 1, ["time_zone_inferred"]),
        ({"country": "DEU"}, 1, ["time_zone_inferred"]),
        ({"country": "GBR"}, 5, ["time_zone_inferred"]),
        ({"country": "USA", "time_zone": "Europe/Paris"}, 1, []),
        (
            {"country": "FRA", "time_zone": "Nowhere"},
            1,
            ["unknown_time_zone", "time_zone_inferred"],
        ),
    ],
)
def test_a_time_zone_that_is_not_told_is_inferred(
    place: Document, total: int, codes: list[str]
) -> None:
    morning = tariff(element(component("ENERGY", "0.1"), start_time="09:00"), LAST)
    received = cdr(period("08:00", ENERGY="10"), end="08:30", cdr_location=place)
    bill = price_cdr(received, [morning])
    assert outcome(bill) == (total, codes)


@pytest.mark.parametrize(
    ("preference", "picked"),
    [("REGULAR", "R"), ("AD_HOC_PAYMENT", "A"), ("PROFILE_GREEN", "G"), ("PROFILE_FAST", "R")],
)
def test_a_session_is_priced_by_the_drivers_preference(preference: str, picked: str) -> None:
    kinds = {"OLD": "REGULAR", "A": "AD_HOC_PAYMENT", "G": "PROFILE_GREEN", "R": "REGULAR"}
    offers = [read_tariff(tariff(LAST, id=name, type=kind)) for name, kind in kinds.items()]
    ended = read_tariff(tariff(LAST, id="OLD", end_date_time="2024-01-15T08:00:00Z"))
    assert pick_tariff([ended, *offers[1:]], MONDAY, preference).id == picked


@pytest.mark.req("TA-09")
def test_a_tariff_without_type_is_for_every_session() -> None:
    anyone = read_tariff(tariff(LAST))
    for preference in ("REGULAR", "AD_HOC_PAYMENT", "PROFILE_CHEAP"):
        assert pick_tariff([anyone], MONDAY, preference) is anyone
    with pytest.raises(PricingError, match="No tariff for AD_HOC_PAYMENT"):
        pick_tariff([read_tariff(tariff(LAST, type="REGULAR"))], MONDAY, "AD_HOC_PAYMENT")


@pytest.mark.req("TA-09")
def test_a_tariff_without_type_does_not_hide_those_that_have_the_type_wanted() -> None:
    kinds = {"ANY": None, "G": "PROFILE_GREEN", "A": "AD_HOC_PAYMENT", "R": "REGULAR"}
    members = {name: {"type": kind} if kind else {} for name, kind in kinds.items()}
    offers = [read_tariff(tariff(LAST, id=name, **given)) for name, given in members.items()]
    picked = {
        preference: pick_tariff(offers, MONDAY, preference).id
        for preference in ("PROFILE_GREEN", "AD_HOC_PAYMENT", "REGULAR", "PROFILE_FAST")
    }
    assert picked == {
        "PROFILE_GREEN": "G",
        "AD_HOC_PAYMENT": "A",
        "REGULAR": "R",
        "PROFILE_FAST": "ANY",
    }


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"end_date_time": "2023-01-01T00:00:00Z"}, "none_valid"),
        ({"currency": "USD"}, "currency_differs"),
    ],
)
def test_a_doubtful_tariff_is_used_and_noted(members: dict[str, Any], code: str) -> None:
    bill = price_cdr(ENERGY, [tariff(LAST, **members)])
    assert outcome(bill) == (5, [code])


@pytest.mark.req("TA-14")
def test_without_vat_both_amounts_are_the_same() -> None:
    for vat, incl in ((None, 5), ("0", 5), ("21", Decimal("6.05"))):
        bill = price_cdr(ENERGY, [tariff(element(component("ENERGY", "0.5", vat=vat)))])
        assert amounts(bill) == (5, incl)


def test_prices_that_include_tax_are_taken_apart() -> None:
    taxed = tariff(element(component("ENERGY", "0.605", vat="21")), tax_included="YES")
    bill = price_cdr(ENERGY, [taxed])
    assert amounts(bill) == (5, Decimal("6.05"))
    odd = tariff(element(component("ENERGY", "0.5", vat="-100")), tax_included="YES")
    assert amounts(price_cdr(ENERGY, [odd])) == (5, 0)
    exempt = tariff(element(component("ENERGY", "0.5", vat="21")), tax_included="N/A")
    assert price_cdr(ENERGY, [exempt]).total.incl == 5


@pytest.mark.req("TA-20", "TA-21")
def test_a_reservation_is_priced_by_its_own_elements_only() -> None:
    reserving = tariff(
        element(
            component("ENERGY", "9"), component("FLAT", "4"), reservation="RESERVATION_EXPIRES"
        ),
        element(component("TIME", "3"), component("FLAT", "2"), reservation="RESERVATION"),
        element(component("TIME", "1"), component("FLAT", "0.5")),
    )
    reserved, used = period("08:00", RESERVATION_TIME="1"), period("09:00", TIME="2")
    assert costs(cost_fields(price_cdr(cdr(reserved, used), [reserving]))) == {
        "total_cost": Decimal("7.5"),
        "total_fixed_cost": Decimal("0.5"),
        "total_reservation_cost": 5,
        "total_time_cost": 2,
    }
    assert costs(cost_fields(price_cdr(cdr(reserved, end="09:00"), [reserving]))) == {
        "total_cost": 7,
        "total_reservation_cost": 7,
    }


@pytest.mark.req("TA-10")
def test_a_mere_reservation_has_no_minimum_price() -> None:
    cheap = tariff(
        element(component("TIME", "1"), reservation="RESERVATION"),
        min_price={"excl_vat": 5, "incl_vat": 5},
        max_price={"excl_vat": 1, "incl_vat": 1},
    )
    bill = price_cdr(cdr(period("08:00", RESERVATION_TIME="2")), [cheap])
    assert [limit.name for limit in bill.limits] == ["max_price"]
    assert bill.total.excl == 1


@pytest.mark.req("TA-10")
def test_the_limits_of_the_first_of_several_tariffs_count() -> None:
    first = tariff(LAST, max_price={"excl_vat": 1, "incl_vat": 1})
    second = tariff(LAST, id="T2", max_price={"excl_vat": 2, "incl_vat": 2})
    received = cdr(period("08:00", "T1", ENERGY="10"), period("09:00", "T2", ENERGY="10"))
    assert outcome(price_cdr(received, [second, first])) == (1, ["limits_of_first_tariff"])


@pytest.mark.req("TA-10")
def test_a_limit_without_vat_moves_vat_in_proportion() -> None:
    limit = {"excl_vat": Decimal(4)}
    for price, expected in (("0.2", (4, Decimal("4.8"))), ("0", (4, 4)), ("0.5", (5, 6))):
        offer = tariff(element(component("ENERGY", price, vat="20")), min_price=limit)
        assert amounts(price_cdr(ENERGY, [offer])) == expected
    dear = tariff(element(component("ENERGY", "0.5", vat="20")), max_price=limit)
    assert amounts(price_cdr(ENERGY, [dear])) == (4, Decimal("4.8"))


def test_of_several_valid_tariffs_the_first_is_used() -> None:
    dear = tariff(element(component("ENERGY", "0.9")), id="T2")
    assert outcome(price_cdr(ENERGY, [tariff(LAST), dear])) == (5, ["several_valid"])
