"""Sessions and CDRs out of records: split where the price changes, and fit for strict receivers."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from modules.stations.reports.billing import (
    Fixed,
    finished,
    reservation_over,
    reserved_session,
    running_session,
)
from modules.stations.reports.record import Record
from modules.tariffs.pricing import check_cdr
from ocpi.spec.cdrs import CDR
from ocpi.spec.moments import parse_moment
from ocpi.spec.reading import defects
from ocpi.spec.sessions import Session
from ocpi.testing import samples
from tests.house import OWNER
from tests.modules.stations.reports.yard import TARIFF, Document, energy_of, starts_of

LATER = "2026-06-01T00:00:00Z"


def fixed(tariff: Document | None = TARIFF, **over: Any) -> Fixed:
    session = {
        "session_id": "S-1",
        "cdr_token": samples.cdr_token(),
        "auth_method": "WHITELIST",
        "location_id": "LOC-1",
        "evse_uid": "EVSE-1",
        "connector_id": "1",
        "cdr_location": samples.cdr()["cdr_location"],
        "time_zone": "Europe/Berlin",
        "currency": "EUR",
        **over,
    }
    if tariff is None:
        return Fixed(session, [], [])
    return Fixed(session, [tariff], [{"at": "2026-03-01T00:00:00Z", "tariff_id": tariff["id"]}])


def record(
    begin: str, end: str | None, *values: tuple[str, Any, str | None], **over: Any
) -> Record:
    """A session at which 100 kWh stand at the begin, and `values` later: moment, kWh, state."""
    made = Record("t1", "LOC-1", ["NL", "TNM"])
    made.begin(parse_moment(begin), "EVSE-1", {"kwh": Decimal(100)})
    for moment, kwh, state in values:
        given = {} if kwh is None else {"kwh": Decimal(str(kwh))}
        made.measure(parse_moment(moment), given, state)
    if end is not None:
        made.end(parse_moment(end), {}, None)
    known = over.pop("fixed", fixed())
    made.session, made.tariffs, made.tariff_changes = (
        known.session,
        known.tariffs,
        known.tariff_changes,
    )
    return made


def bill(made: Record) -> tuple[Document, Document]:
    """Session and CDR, each as a strict receiver takes it, and with the price of its tariffs."""
    session, cdr, problem = finished(made, OWNER)
    assert problem is None
    assert cdr is not None
    assert defects({**session, "last_updated": LATER}, Session) == []
    assert defects({**cdr, "last_updated": LATER}, CDR) == []
    assert session["kwh"] == energy_of(session) == energy_of(cdr) == cdr["total_energy"]
    assert [each for each in check_cdr(cdr, zone="Europe/Berlin").figures if each.difference] == []
    return session, cdr


@pytest.mark.req("CD-17", "CD-18")
def test_a_period_begins_where_local_time_changes_the_price() -> None:
    _, cdr = bill(
        record("2026-03-01T20:30:00Z", "2026-03-01T21:30:00Z", ("2026-03-01T21:30:00Z", 106, None))
    )
    assert starts_of(cdr) == ["2026-03-01T20:30:00Z", "2026-03-01T21:00:00Z"]
    assert cdr["total_energy_cost"]["excl_vat"] == Decimal("2.40")  # 3 kWh at 0.5, 3 at 0.3


@pytest.mark.req("TA-11", "CD-13")
def test_a_tariff_that_ends_meanwhile_prices_the_session_to_its_end() -> None:
    ending = {**TARIFF, "end_date_time": "2026-03-01T10:30:00Z"}
    _, cdr = bill(
        record(
            "2026-03-01T10:00:00Z",
            "2026-03-01T11:00:00Z",
            ("2026-03-01T11:00:00Z", 104, None),
            fixed=fixed(ending),
        )
    )
    assert [each["id"] for each in cdr["tariffs"]] == [TARIFF["id"]]
    assert cdr["total_energy_cost"]["excl_vat"] == 2  # 4 kWh at 0.5


@pytest.mark.req("CD-18")
def test_in_summer_the_cheap_hours_begin_an_hour_earlier_by_utc() -> None:
    _, cdr = bill(
        record("2026-03-29T19:30:00Z", "2026-03-29T20:30:00Z", ("2026-03-29T20:30:00Z", 106, None))
    )
    assert starts_of(cdr) == ["2026-03-29T19:30:00Z", "2026-03-29T20:00:00Z"]


@pytest.mark.req("CD-18")
def test_a_night_in_which_the_clock_leaps_is_priced_by_the_time_that_passed() -> None:
    _, cdr = bill(
        record("2026-03-28T23:00:00Z", "2026-03-29T05:00:00Z", ("2026-03-29T05:00:00Z", 106, None))
    )
    # Six on the new clock is four by UTC: five of six hours were cheap.
    assert starts_of(cdr)[-1] == "2026-03-29T04:00:00Z"
    assert cdr["total_energy_cost"]["excl_vat"] == Decimal("2.00")
    assert cdr["total_time"] == 6


@pytest.mark.req("CD-17", "CD-18")
def test_a_period_begins_where_the_threshold_of_energy_is_crossed() -> None:
    _, cdr = bill(
        record("2026-03-01T10:00:00Z", "2026-03-01T11:00:00Z", ("2026-03-01T11:00:00Z", 120, None))
    )
    assert starts_of(cdr) == ["2026-03-01T10:00:00Z", "2026-03-01T10:30:00Z"]
    assert cdr["total_energy_cost"]["excl_vat"] == 11  # 10 kWh at 0.5, 10 at 0.6


@pytest.mark.req("CD-18", "CD-20", "CD-21")
def test_parking_is_a_period_of_its_own_and_part_of_the_total_time() -> None:
    _, cdr = bill(
        record(
            "2026-03-01T10:00:00Z",
            "2026-03-01T11:00:00Z",
            ("2026-03-01T10:30:00Z", 106, "PARKED"),
            ("2026-03-01T10:45:00Z", 106, "PAUSED_BY_STATION"),
        )
    )
    assert starts_of(cdr) == [
        "2026-03-01T10:00:00Z",
        "2026-03-01T10:30:00Z",
        "2026-03-01T10:45:00Z",
    ]
    kinds = [{each["type"] for each in period["dimensions"]} for period in cdr["charging_periods"]]
    assert kinds == [{"ENERGY", "TIME"}, {"PARKING_TIME"}, {"TIME"}]
    assert (cdr["total_time"], cdr["total_parking_time"]) == (1, Decimal("0.25"))
    assert cdr["total_parking_cost"]["excl_vat"] == Decimal("0.50")


def test_a_session_of_no_length_is_billed_as_one_of_a_second() -> None:
    made = record("2026-03-01T10:00:00.900Z", None)
    made.end(parse_moment("2026-03-01T10:00:00.950Z"), {"kwh": Decimal(101)}, None)
    session, cdr = bill(made)
    assert (session["kwh"], cdr["total_energy"]) == (1, 1)
    assert (session["start_date_time"], session["end_date_time"]) == (
        "2026-03-01T10:00:00Z",
        "2026-03-01T10:00:01Z",
    )


@pytest.mark.req("SE-21")
def test_a_place_without_tariff_is_free_of_charge_and_names_none() -> None:
    made = record(
        "2026-03-01T10:00:00Z",
        "2026-03-01T11:00:00Z",
        ("2026-03-01T11:00:00Z", 106, None),
        fixed=fixed(None, time_zone=None),
    )
    session, cdr, problem = finished(made, OWNER)
    assert problem is None
    assert cdr is not None
    assert (cdr["total_cost"]["excl_vat"], session["total_cost"]["excl_vat"]) == (0, 0)
    assert "tariffs" not in cdr
    assert "tariff_id" not in cdr["charging_periods"][0]
    assert defects({**cdr, "last_updated": LATER}, CDR) == []


@pytest.mark.req("SE-21")
def test_where_the_price_is_not_known_the_session_tells_none_and_there_is_no_cdr() -> None:
    for known, why in (
        (fixed(unpriced="None of the Connector's Tariffs is known: X."), "Tariffs is known"),
        (fixed(time_zone=None), "time zone"),
        (fixed(time_zone="Mars/Olympus"), "no time zone 'Mars/Olympus'"),
    ):
        made = record(
            "2026-03-01T10:00:00Z",
            "2026-03-01T11:00:00Z",
            ("2026-03-01T11:00:00Z", 106, None),
            fixed=known,
        )
        session, cdr, problem = finished(made, OWNER)
        assert cdr is None
        assert why in str(problem)
        assert (session["kwh"], session["status"]) == (6, "COMPLETED")
        assert not {"total_cost", "charging_periods"} & session.keys()
        assert defects({**session, "last_updated": LATER}, Session) == []


@pytest.mark.parametrize(
    ("kind", "restrictions", "sentence"),
    [
        ("ENERGY", {"min_vehicle_soc": 80}, "Element 1 has a restriction that can't be understood"),
        ("ENERGY", {"max_current": 32}, "the current of the period was not told"),
        ("ENERGIE", None, "Element 1 has a price for ENERGIE"),
    ],
)
def test_staff_are_told_of_prices_that_could_not_be_used(
    kind: str, restrictions: Document | None, sentence: str
) -> None:
    component = {"type": kind, "price": 0.5, "step_size": 1}
    element = {"price_components": [component], "restrictions": restrictions}
    made = record(
        "2026-03-01T10:00:00Z",
        "2026-03-01T11:00:00Z",
        ("2026-03-01T11:00:00Z", 106, None),
        fixed=fixed(samples.tariff(**OWNER, elements=[element])),
    )
    _, cdr, _ = finished(made, OWNER)
    assert cdr is not None
    assert cdr["total_cost"]["excl_vat"] == 0
    [note] = made.notes
    assert sentence in note


def test_tariffs_of_several_currencies_are_not_added_up() -> None:
    known = fixed()
    yen = {**TARIFF, "id": "YEN", "currency": "JPY"}
    both = Fixed(
        known.session,
        [TARIFF, yen],
        [*known.tariff_changes, {"at": "2026-03-01T10:30:00Z", "tariff_id": "YEN"}],
    )
    at = "2026-03-01T11:00:00Z"
    made = record("2026-03-01T10:00:00Z", at, (at, 106, None), fixed=both)
    _, cdr, problem = finished(made, OWNER)
    assert (cdr, problem) == (None, "Its Tariffs have several currencies: EUR, JPY.")


@pytest.mark.parametrize(
    ("end", "priced"), [("2026-04-01T10:00:00Z", True), ("2026-04-01T10:00:01Z", False)]
)
def test_what_went_on_for_longer_than_a_month_is_left_to_staff(end: str, *, priced: bool) -> None:
    made = record("2026-03-01T10:00:00Z", end, (end, 106, None))
    _, cdr, problem = finished(made, OWNER)
    assert (cdr is not None) == (problem is None) == priced
    assert "total_cost" not in running_session(
        record("2010-01-02T00:00:00Z", None, (end, 106, None)), OWNER
    )
    if problem is not None:
        assert problem.startswith(
            f"It went on from 2026-03-01T10:00:00Z to {end}, which is more than 31 days"
        )


@pytest.mark.req("CD-13")
def test_staff_are_told_of_a_tariff_that_changed_between_the_start_and_its_report() -> None:
    for updated, noted in (("2026-03-01T10:00:00Z", 0), ("2026-03-01T10:00:01Z", 1)):
        known = Fixed(
            fixed().session,
            [{**TARIFF, "last_updated": updated}],
            [{"at": "2026-03-01T10:00:00Z", "tariff_id": TARIFF["id"]}],
        )
        at = "2026-03-01T11:00:00Z"
        made = record("2026-03-01T10:00:00Z", at, (at, 106, None), fixed=known)
        bill(made)
        assert len(made.notes) == noted
    assert "TARIFF-1 was changed on 2026-03-01T10:00:01Z, after the session began" in made.notes[0]


def test_a_running_session_has_its_price_so_far_and_no_period_before_a_second_has_passed() -> None:
    made = record("2026-03-01T10:00:00Z", None)
    session = running_session(made, OWNER)
    assert "charging_periods" not in session
    assert session["total_cost"]["excl_vat"] == 1
    made.measure(parse_moment("2026-03-01T10:30:00Z"), {"kwh": Decimal(104)}, None)
    session = running_session(made, OWNER)
    assert (session["kwh"], session["total_cost"]["excl_vat"], session["status"]) == (
        4,
        3,
        "ACTIVE",
    )
    assert len(session["charging_periods"]) == 1


@pytest.mark.req("CM-22", "SE-16", "SE-17")
def test_a_reservation_costs_by_its_tariff_and_has_a_cdr_only_then() -> None:
    paid = samples.tariff(
        **OWNER,
        elements=[
            {
                "price_components": [{"type": "TIME", "price": 3, "vat": 19, "step_size": 60}],
                "restrictions": {"reservation": "RESERVATION_EXPIRES"},
            }
        ],
    )
    since, until = "2026-03-01T10:00:00.250Z", "2026-03-01T10:20:00.750Z"
    held = reserved_session(fixed(paid), OWNER, since)
    assert (held["status"], held["kwh"]) == ("RESERVATION", 0)
    assert defects({**held, "last_updated": LATER}, Session) == []
    session, cdr, problem = reservation_over(fixed(paid), OWNER, since, until, expired=True)
    assert (session["status"], problem) == ("COMPLETED", None)
    assert cdr is not None
    assert defects({**cdr, "last_updated": LATER}, CDR) == []
    assert cdr["total_cost"]["excl_vat"] == cdr["total_reservation_cost"]["excl_vat"] == 1
    for tariff, expired in ((paid, False), (TARIFF, True)):
        _, cdr, _ = reservation_over(fixed(tariff), OWNER, since, until, expired=expired)
        assert cdr is None


def test_a_reservation_that_ends_at_once_lasts_a_second() -> None:
    moment = "2026-03-01T10:00:00.250Z"
    session, _, problem = reservation_over(fixed(), OWNER, moment, moment, expired=False)
    assert problem is None
    lasted = parse_moment(session["end_date_time"]) - parse_moment(session["start_date_time"])
    assert lasted == timedelta(seconds=1)
