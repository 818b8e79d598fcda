"""Where a session takes place, as its CDR says it: fit for OCPI whatever the registry has."""

from typing import Any

import pytest

from modules.stations.reports.sites import Site, choose_tariff, profiles_of
from ocpi.spec.cdrs import CdrLocation
from ocpi.spec.reading import defects
from ocpi.testing import samples

START = "2026-03-01T10:00:00Z"


def site(evse: Any = None, connector: Any = None, **over: Any) -> Site:
    return Site(samples.location(**over), evse, connector, ())


@pytest.mark.req("CD-16")
def test_only_the_evse_and_the_connector_used_are_told() -> None:
    place = site(samples.evse(2), samples.connector(2)).cdr_location()
    assert defects(place, CdrLocation) == []
    assert (place["evse_uid"], place["evse_id"], place["connector_id"]) == (
        "EVSE-2",
        "DE*CPO*E10002",
        "2",
    )
    assert place["connector_power_type"] == "DC"


@pytest.mark.req("CD-16")
def test_texts_are_cut_to_what_a_cdr_allows() -> None:
    place = site(samples.evse(), samples.connector(), address="x" * 255, state="y" * 45)
    told = place.cdr_location()
    assert defects(told, CdrLocation) == []
    assert (told["address"], told["state"]) == ("x" * 45, "y" * 20)


@pytest.mark.req("CD-16")
def test_na_stands_only_for_what_a_reservation_has_not_assigned() -> None:
    nowhere = site().cdr_location()
    assert defects(nowhere, CdrLocation) == []
    assert {nowhere[name] for name in ("evse_uid", "evse_id", "connector_id")} == {"#NA"}
    plain = samples.evse()
    del plain["evse_id"]
    assert site(plain, samples.connector()).cdr_location()["evse_id"] == "EVSE-1"


def test_a_tariff_that_cannot_be_read_is_passed_over() -> None:
    broken = samples.tariff(id="BROKEN", elements=[])
    good = samples.tariff(id="GOOD")
    profile = samples.tariff(id="GREEN", type="PROFILE_GREEN")
    over = samples.tariff(id="OVER", end_date_time="2020-01-01T00:00:00Z")
    assert choose_tariff([broken, good], START, "REGULAR") == "GOOD"
    assert choose_tariff([good, profile], START, "PROFILE_GREEN") == "GREEN"
    assert choose_tariff([good, profile], START, "PROFILE_FAST") == "GOOD"
    assert choose_tariff([good], START, "AD_HOC_PAYMENT") == "GOOD"
    assert choose_tariff([over], START, "REGULAR") == "OVER"
    assert choose_tariff([broken], START, "REGULAR") is None
    assert choose_tariff([], START, "REGULAR") is None


@pytest.mark.req("TA-09")
def test_of_tariffs_that_are_over_too_the_type_wanted_comes_before_none() -> None:
    ended = {"end_date_time": "2020-01-01T00:00:00Z"}
    anyone = samples.tariff(id="ANY", **ended)
    anyone.pop("type", None)
    profile = samples.tariff(id="GREEN", type="PROFILE_GREEN", **ended)
    assert choose_tariff([anyone, profile], START, "PROFILE_GREEN") == "GREEN"
    assert choose_tariff([anyone, profile], START, "PROFILE_FAST") == "ANY"


@pytest.mark.req("TA-09")
def test_of_tariffs_that_are_not_valid_only_those_count_that_were_and_the_latest_first() -> None:
    new = samples.tariff(id="NEW", start_date_time="2027-01-01T00:00:00Z")
    old, older = (
        samples.tariff(id=name, end_date_time=f"{year}-01-01T00:00:00Z")
        for name, year in (("OLD", 2026), ("OLDER", 2025))
    )
    assert choose_tariff([new, older, old], START, "REGULAR") == "OLD"
    assert choose_tariff([new], START, "REGULAR") is None


@pytest.mark.req("TA-09", "LO-30")
def test_the_profiles_of_tariffs_are_those_that_would_price_a_session() -> None:
    regular = samples.tariff(id="R")
    anyone = samples.tariff(id="ANY")
    del anyone["type"]
    green = samples.tariff(id="GREEN", type="PROFILE_GREEN")
    over = samples.tariff(id="F", type="PROFILE_FAST", end_date_time="2020-01-01T00:00:00Z")
    offers = [anyone, regular, green, over]
    assert profiles_of(offers, START) == {"REGULAR", "GREEN"}
    assert choose_tariff(offers, START, "PROFILE_FAST") == "ANY"
    assert choose_tariff(offers, START, "PROFILE_REGULAR") == "R"
    assert profiles_of([], START) == {"REGULAR"}


def test_a_session_that_has_its_currency_keeps_it() -> None:
    euro = samples.tariff(id="R")
    yen = samples.tariff(id="YEN", type="PROFILE_GREEN", currency="JPY")
    offers = [euro, yen]
    assert choose_tariff(offers, START, "PROFILE_GREEN", "eur") == "R"
    assert choose_tariff([yen], START, "PROFILE_GREEN", "EUR") is None
    assert profiles_of(offers, START, "EUR") == {"REGULAR"}
    assert profiles_of(offers, START, "JPY") == {"REGULAR", "GREEN"}


@pytest.mark.req("TA-09")
def test_nobody_is_billed_by_a_tariff_that_is_meant_for_others() -> None:
    ad_hoc = samples.tariff(id="AD_HOC", type="AD_HOC_PAYMENT")
    over = samples.tariff(id="OVER", end_date_time="2020-01-01T00:00:00Z", type="REGULAR")
    assert choose_tariff([ad_hoc], START, "REGULAR") is None
    assert choose_tariff([ad_hoc, over], START, "REGULAR") == "OVER"
    assert choose_tariff([ad_hoc, over], START, "AD_HOC_PAYMENT") == "AD_HOC"
