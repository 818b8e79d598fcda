"""Each lint finds what it is for, and a sound tariff has no findings."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from modules.tariffs.pricing import Severity, lint_connector, lint_tariff, read_tariff
from tests.modules.tariffs.pricing.sample import VECTORS, Document, component, element, tariff

NOW = datetime(2024, 6, 1, tzinfo=UTC)
ENERGY = component("ENERGY", "0.5")
TIME = component("TIME", "1")
PARKING = component("PARKING_TIME", "2")
FLAT = component("FLAT", "1")
LAST = element(ENERGY)
WEEK = ["MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"]
HOURS = [f"{hour % 24:02}:00" for hour in range(25)]


def windows(bounds: list[str]) -> list[Document]:
    """The same price in each window."""
    return [element(ENERGY, start_time=start, end_time=end) for start, end in pairwise(bounds)]


def restricted(**restrictions: Any) -> Document:
    return tariff(element(ENERGY, **restrictions), LAST)


def priced(*components: Document) -> Document:
    return tariff(element(*components))


def codes(document: Document) -> list[str]:
    found = lint_tariff(document, zone="Europe/Paris", now=NOW)
    return sorted({finding.code for finding in found})


def test_what_is_not_ocpi_is_said_in_words() -> None:
    odd = tariff(LAST, currency="eur", type="GOLD", last_updated="2024-06-01 00:00:00")
    found = lint_tariff(odd, zone="Europe/Paris", now=NOW)
    told = {each.pointer: each.sentence for each in found if each.code == "not_ocpi"}
    assert told == {
        "": "currency 'eur' is not three capital letters (ISO 4217).",
        "/type": "type: is a value that OCPI 2.2.1 doesn't know.",
        "/last_updated": "last_updated: is no moment as OCPI writes it, such as "
        "2026-01-02T03:04:05Z.",
    }


def test_a_sound_tariff_has_no_findings() -> None:
    night = element(ENERGY, start_time="22:00", end_time="06:00")
    assert lint_tariff(tariff(night, LAST)) == []
    assert lint_tariff(priced(component("FLAT", "0.00", 0))) == []


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (tariff(), ["not_ocpi"]),
        (tariff(element()), ["not_ocpi"]),
        (restricted(dayOfWeek=["MONDAY"]), ["unknown_restriction", "unusable_element"]),
        (restricted(min_soc=80), ["unknown_restriction", "unusable_element"]),
        (tariff(LAST, minPrice={}), ["unknown_field"]),
        (tariff(LAST, green=True), ["unknown_field"]),
        (tariff(LAST, min_price=None), ["null_field"]),
        (tariff(LAST, country_code="NLD"), ["not_ocpi", "unknown_country"]),
        (tariff(LAST, country_code="nl"), ["lower_case"]),
        (tariff(LAST, currency="EUX"), ["unknown_currency"]),
        (tariff(LAST, currency="eur"), ["lower_case", "not_ocpi"]),
        (tariff(LAST, type="GOLD"), ["not_ocpi"]),
        (tariff({**LAST, "restrictions": {}}), ["empty_restrictions", "not_ocpi"]),
        (tariff(LAST, element(ENERGY, min_kwh=1)), ["shadowed"]),
        (tariff(element(ENERGY, max_kwh=9), element(ENERGY, max_kwh=5), LAST), ["never_reached"]),
        (tariff(element(ENERGY, min_kwh=5)), ["gap"]),
        (tariff(element(ENERGY, max_kwh=5), element(ENERGY, min_kwh=5)), []),
        (tariff(element(ENERGY, day_of_week=WEEK[:5]), element(ENERGY, day_of_week=WEEK[5:])), []),
        (tariff(element(ENERGY, start_time="06:00"), element(ENERGY, end_time="05:00")), ["gap"]),
        (
            tariff(element(ENERGY, max_power=5, max_current=9), element(ENERGY, min_power=5)),
            ["gap"],
        ),
        (priced(ENERGY, ENERGY), ["duplicate_component"]),
        (tariff(*windows(["06:00", "08:00", "09:00"]), LAST), ["mergeable"]),
        (tariff(*windows(HOURS)), ["clock_change", "hourly_prices", "mergeable"]),
        (restricted(min_kwh=5, max_kwh=5), ["impossible", "never_reached"]),
        (restricted(max_power=0), ["impossible", "never_reached"]),
        (
            restricted(start_date="2024-07-02", end_date="2024-07-02"),
            ["impossible", "never_reached"],
        ),
        (restricted(min_duration=0), ["idle_bound", "never_reached"]),
        (restricted(start_time="08:00", end_time="08:00"), ["equal_times", "never_reached"]),
        (restricted(end_time="00:00"), ["midnight_alone", "never_reached"]),
        (restricted(end_time="24:00"), ["not_ocpi", "unusable_element"]),
        (restricted(end_time="23:59"), ["lost_minute"]),
        (
            restricted(start_time="22:00", end_time="06:00", day_of_week=["FRIDAY"]),
            ["overnight_day"],
        ),
        (restricted(day_of_week=WEEK), ["idle_days", "never_reached"]),
        (restricted(day_of_week=["MONDAY", "MONDAY"]), ["idle_days"]),
        (tariff(element(ENERGY, start_date="2024-07-01")), ["dates_of_tariff", "gap"]),
        (restricted(end_date="2024-06-01"), ["past_dates"]),
        (restricted(start_date="0001-01-01", end_date="9999-12-31"), ["never_reached", "not_ocpi"]),
        (restricted(start_time="02:30", end_time="06:00"), ["clock_change"]),
        (
            tariff(element(ENERGY, PARKING), element(PARKING, min_duration=60)),
            ["parking_duration", "shadowed"],
        ),
        (restricted(min_power=11_000), ["unlikely_unit"]),
        (restricted(max_current=501), ["unlikely_unit"]),
        (priced(component("ENERGY", "-1")), ["negative_price"]),
        (priced(component("ENERGY", "1", vat="120")), ["bad_vat"]),
        (priced(component("ENERGY", "1", vat="0.21")), ["fraction_vat"]),
        (priced(component("ENERGY", "1", 0)), ["no_step"]),
        (priced(ENERGY, component("FLAT", "1", 60)), ["flat_step"]),
        (priced(component("ENERGY", "1", 1001)), ["large_step"]),
        (priced(component("TIME", "1", 3601)), ["large_step"]),
        (priced(component("TIME", "1", 60)), ["step"]),
        (priced(component("TIME", "1", 60), PARKING), ["step", "time_step_idle"]),
        (tariff(element(component("ENERGY", "1", 60), max_kwh=1), LAST), ["mixed_steps", "step"]),
        (priced(ENERGY, component("PARKING_TIME", "0", 60)), ["free_step", "step"]),
        (tariff(element(FLAT, max_kwh=1), element(FLAT, ENERGY)), ["several_flats"]),
        (priced(component("ENERGY", "1", vat="21"), FLAT), ["mixed_vat"]),
        (priced(component("ENERGY", "0.12345")), ["fine_price"]),
        (
            tariff(
                LAST,
                min_price={"excl_vat": 2, "incl_vat": 2},
                max_price={"excl_vat": 1, "incl_vat": 1},
            ),
            ["limits_crossed"],
        ),
        (tariff(LAST, min_price={"excl_vat": 2}), ["limit_without_vat"]),
        (tariff(LAST, min_price={"excl_vat": 2, "incl_vat": 1}), ["limit_vat"]),
        (tariff(LAST, max_price={"excl_vat": 0, "incl_vat": 0}), ["free_by_limit"]),
        (
            tariff(element(ENERGY, FLAT), max_price={"excl_vat": Decimal("0.5"), "incl_vat": 1}),
            ["fee_above_limit"],
        ),
        (
            tariff(element(FLAT), min_price={"excl_vat": 2, "incl_vat": 2}),
            ["limit_as_fee", "no_use_priced"],
        ),
        (
            tariff(
                LAST, start_date_time="2024-07-02T00:00:00Z", end_date_time="2024-07-01T00:00:00Z"
            ),
            ["never_valid"],
        ),
        (tariff(LAST, end_date_time="2024-05-01T00:00:00Z"), ["over"]),
        (
            tariff(element(TIME, PARKING, reservation="RESERVATION"), LAST),
            ["reservation_dimension"],
        ),
        (tariff(element(TIME, reservation="RESERVATION_EXPIRES"), LAST), ["only_expired"]),
        (
            tariff(
                element(TIME, reservation="RESERVATION_EXPIRES"),
                element(TIME, reservation="RESERVATION"),
                LAST,
            ),
            ["two_reservation_times"],
        ),
        (priced(PARKING), ["no_use_priced"]),
        (priced(component("ENERGY", "0")), ["free_otherwise"]),
        (
            tariff(LAST, tariff_alt_text=[{"language": "en", "text": "2.50 per kWh"}]),
            ["prices_in_text"],
        ),
        (tariff(LAST, tariff_alt_text=[{"language": "english", "text": "Enjoy"}]), ["not_ocpi"]),
        (tariff(LAST, tariff_alt_url="http://example.org"), ["insecure_url"]),
        (tariff(LAST, type="AD_HOC_PAYMENT"), ["no_text"]),
        (
            tariff(element(component("ENERGY", "1", vat="21")), tax_included="N/A"),
            ["tax_not_applicable"],
        ),
        (tariff(LAST, tax_included="YES"), ["tax_unknown"]),
    ],
)
def test_a_lint_finds_what_it_is_for(document: Document, expected: list[str]) -> None:
    assert codes(document) == expected


def test_a_finding_says_where_and_what() -> None:
    finding, _ = lint_tariff(restricted(dayOfWeek=["MONDAY"]))
    assert (finding.severity, finding.pointer, finding.sentence) == (
        Severity.ERROR,
        "/elements/0/restrictions/dayOfWeek",
        "OCPI has no dayOfWeek here. Is day_of_week meant? The element can't be used.",
    )


def test_a_gap_is_shown_by_an_example() -> None:
    findings = lint_tariff(tariff(element(ENERGY, start_time="08:00", min_kwh=5)))
    assert "".join(finding.sentence for finding in findings) == (
        "There is not always a price for energy, for example Monday 00:00, after 0 kWh; "
        "then it is free. An unrestricted element at the end would price the rest."
    )


def test_a_tariff_that_tells_too_much_apart_is_not_tried_whole() -> None:
    many = [
        element(ENERGY, min_kwh=number, min_power=number, min_duration=number, min_current=number)
        for number in range(1, 20)
    ]
    assert "too_many_cases" in codes(tariff(*many))


def test_every_vector_can_be_linted_worst_findings_first() -> None:
    for vector in VECTORS:
        ranks = [list(Severity).index(each.severity) for each in lint_tariff(vector["tariff"])]
        assert ranks == sorted(ranks)


@pytest.mark.req("LO-29")
def test_a_connector_names_tariffs_that_can_be_told_apart() -> None:
    known = {
        members["id"].lower(): read_tariff(tariff(LAST, **members))
        for members in (
            {"id": "A", "type": "REGULAR"},
            {"id": "B", "type": "REGULAR"},
            {"id": "C", "type": "AD_HOC_PAYMENT"},
            {"id": "D", "type": "REGULAR", "end_date_time": "2024-01-01T00:00:00Z"},
        )
    }
    connector = {"tariff_ids": ["a", "B", "C", "D", "E", "A"]}
    found = [(each.code, each.pointer) for each in lint_connector(connector, known, NOW)]
    assert found == [("several_valid", "/tariff_ids")]
    assert list(lint_connector({"tariff_ids": ["A", "C", "D"]}, known, NOW)) == []
