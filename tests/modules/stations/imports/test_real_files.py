"""The real files that ship with the product are read whole, and what is lost is counted."""

from collections import Counter
from functools import cache
from pathlib import Path

import pytest

import ocpi.testing
from modules.stations.imports import Imported, Refusal, count_records
from ocpi.spec.locations import Location
from ocpi.spec.reading import defects
from ocpi.spec.tariffs import Tariff
from tests.modules.stations.imports.sample import stations, tariffs

DATA = Path(ocpi.testing.__file__).parent / "data"
LOCATIONS = DATA / "locations-tesla-fr.json.gz"
TARIFFS = DATA / "tariffs-tesla-fr.json.gz"
REGISTER = DATA / "irve-statique.json.gz"


@cache
def register() -> tuple[list[Imported], list[Refusal]]:
    return stations(REGISTER)


def parts(imported: list[Imported]) -> tuple[int, int, int]:
    evses = [evse for each in imported for evse in each.document.get("evses", [])]
    return len(imported), len(evses), sum(len(evse["connectors"]) for evse in evses)


@pytest.mark.req("TY-14", "TY-15")
def test_every_published_location_is_kept_with_its_unknown_members() -> None:
    imported, refusals = stations(LOCATIONS)
    assert (parts(imported), refusals) == ((273, 4_063, 4_426), [])
    assert {each.owner for each in imported} == {("NL", "TSL")}
    assert not [each for each in imported if defects(each.document, Location)]
    assert all("charging_accessibility" in each.document for each in imported)
    assert {each.document["operator"]["logo"]["type"] for each in imported} == {"jpeg"}


@pytest.mark.req("LO-03")
def test_an_evse_is_never_older_than_its_connectors() -> None:
    imported, _ = stations(LOCATIONS)
    lifted = [
        remark
        for each in imported
        for remark in each.remarks
        if remark.reason == "was older than a Connector's, and was lifted"
    ]
    assert len(lifted) == 23


@pytest.mark.req("TY-14", "TY-15")
def test_every_published_tariff_is_kept_and_what_is_unknown_in_it_is_reported() -> None:
    imported, refusals = tariffs(TARIFFS)
    assert (len(imported), refusals) == (273, [])
    fields = Counter(
        (remark.field.rpartition(".")[2], remark.reason)
        for each in imported
        for remark in each.remarks
    )
    kept = "is unknown to OCPI 2.2.1, and was kept"
    assert fields == {
        ("type", "is a value that OCPI 2.2.1 doesn't know, and was kept"): 546,
        ("min_vehicle_soc", kept): 546,
        ("min_congestion_threshold", kept): 546,
    }
    rules = {
        line.partition(": ")[2] for each in imported for line in defects(each.document, Tariff)
    }
    assert rules == {"is a value that OCPI 2.2.1 doesn't know"}


def test_the_register_becomes_locations_that_a_strict_receiver_takes() -> None:
    imported, _ = register()
    assert parts(imported) == (5_571, 28_284, 34_779)
    assert not [each for each in imported if defects(each.document, Location)]


def test_only_points_whose_plug_nobody_can_name_are_lost_from_the_register() -> None:
    _, refusals = register()
    assert Counter((refusal.field, refusal.reason) for refusal in refusals) == {
        ("prise_type", "no plug type set"): 269,
        ("prise_type", "the only plug type set is 'autre'"): 556,
    }
    assert len({refusal.record for refusal in refusals}) == 825


def test_what_the_register_leaves_open_is_said() -> None:
    imported, _ = register()
    reasons = Counter(
        f"{remark.field} {remark.reason}"
        for each in imported
        for remark in each.remarks
        if remark.field in ("city", "postal_code", "evses", "prise_type_autre")
    )
    assert reasons == {
        "city was missing: derived from the municipality's code": 1_043,
        "city was missing: derived from address or name": 142,
        "city was missing, and can't be known": 565,
        "postal_code is missing, and can't be known": 845,
        "evses has none that can be used, so nobody displays this Location": 27,
        "prise_type_autre names no plug, and was left out": 180,
    }
    cities = Counter(each.document["city"] for each in imported)
    assert (cities["#NA"], cities["Paris"], cities["Garges-lès-Gonesse"]) == (565, 438, 2)


@pytest.mark.req("LO-25", "LO-26")
def test_every_text_of_opening_hours_in_the_register_is_understood() -> None:
    imported, _ = register()
    hours = [each.document["opening_times"] for each in imported]
    assert Counter(each["twentyfourseven"] for each in hours) == {True: 5_500, False: 71}


def test_records_are_counted_without_reading_them_out() -> None:
    assert [count_records(path) for path in (LOCATIONS, TARIFFS, REGISTER)] == [273, 273, 5_571]
