"""OCPI Locations and Tariffs are read whole, from 2.2.1 and from 2.1.1."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modules.stations.imports import Imported, Refusal, count_records
from tests.modules.stations.imports.sample import (
    LOCATION,
    TARIFF,
    Row,
    said,
    stations,
    tariffs,
    write,
    write_json,
    write_lines,
)

OLD_LOCATION: Row = {
    "id": "LOC1",
    "type": "PARKING_GARAGE",
    "address": "F.Rooseveltlaan 3A",
    "city": "Gent",
    "postal_code": "9000",
    "country": "BEL",
    "coordinates": {"latitude": "51.04759", "longitude": "3.729944"},
    "evses": [
        {
            "uid": "3256",
            "evse_id": "BE-BEC-E041503001",
            "status": "AVAILABLE",
            "capabilities": ["RESERVABLE"],
            "connectors": [
                {
                    "id": "1",
                    "standard": "IEC_62196_T2",
                    "format": "CABLE",
                    "power_type": "AC_3_PHASE",
                    "voltage": 230,
                    "amperage": 16,
                    "tariff_id": "11",
                    "last_updated": "2015-03-16T10:10:02",
                }
            ],
            "last_updated": "2015-06-28T08:12:01",
        }
    ],
    "opening_times": {
        "regular_hours": [{"weekday": 1, "period_begin": "08:00", "period_end": "20:00"}]
    },
    "energy_mix": {
        "is_green_energy": True,
        "environ_impact": [{"source": "CARBON_DIOXIDE", "amount": 3}],
    },
    "last_updated": "2015-06-29T20:39:09",
}


def changed(document: Row, path: str, value: Any) -> Row:
    """Return a copy of a document with the member at the path set, or removed by `...`."""
    copy: Any = deepcopy(document)
    *parents, last = (int(part) if part.isdigit() else part for part in path.split("."))
    target = copy
    for parent in parents:
        target = target[parent]
    if value is ...:
        del target[last]
    else:
        target[last] = value
    return dict(copy)


def test_a_location_of_2_2_1_comes_out_as_it_went_in(tmp_path: Path) -> None:
    document = LOCATION | {"brand": {"colour": "green", "since": [1999, 2024]}}
    imported, refusals = stations(write_json(tmp_path, document))
    assert refusals == []
    assert imported[0].document == document
    assert said(imported[0]) == [("brand", "is unknown to OCPI 2.2.1, and was kept")]
    assert imported[0].owner == ("NL", "ABC")


@pytest.mark.parametrize(
    "layout",
    [
        json.dumps(LOCATION),
        json.dumps(LOCATION, indent=2),
        json.dumps([LOCATION]),
        json.dumps([LOCATION], indent=2),
        json.dumps({"data": [LOCATION], "status_code": 1000, "timestamp": "2026-01-01T00:00:00Z"}),
        json.dumps({"status_code": 1000, "data": LOCATION}, indent=2),
        f"\ufeff{json.dumps(LOCATION)}\n\n",
    ],
)
def test_every_layout_of_json_is_read(tmp_path: Path, layout: str) -> None:
    path = write(tmp_path / "file", layout)
    assert stations(path) == ([Imported(LOCATION, [])], [])
    assert count_records(path) == 1


def test_json_lines_are_read_one_by_one(tmp_path: Path) -> None:
    other = LOCATION | {"id": "LOC2", "evses": []}
    lines = f"{json.dumps(LOCATION)}\n\nnonsense\n[]\n{json.dumps(other)}\n"
    imported, refusals = stations(write(tmp_path / "file", lines))
    assert [each.document["id"] for each in imported] == ["LOC1", "LOC2"]
    assert [refusal.record for refusal in refusals] == ["line 3", "line 4"]
    assert "malformed" in refusals[0].reason
    assert refusals[1] == Refusal("line 4", "", "is no object")


def test_reading_stops_after_the_limit(tmp_path: Path) -> None:
    documents = [LOCATION | {"id": f"LOC{number}", "evses": []} for number in range(5)]
    imported, _ = stations(write_json(tmp_path, documents), limit=2)
    assert [each.document["id"] for each in imported] == ["LOC0", "LOC1"]


REPAIRED = [
    (("party_id", ...), ("party_id", "EXA"), "was missing: the importing party is the owner"),
    (
        ("time_zone", ...),
        ("time_zone", "Europe/Amsterdam"),
        "was missing: taken from the coordinates",
    ),
    (
        ("last_updated", "2020-01-01T00:00:00Z"),
        ("last_updated", "2026-01-02T03:04:05Z"),
        "was older than an EVSE's, and was lifted",
    ),
    (
        ("coordinates.latitude", 52.1),
        ("coordinates.latitude", "52.10000"),
        "is no coordinate as OCPI writes it, text with five to seven decimals, and was put right",
    ),
    (
        ("evses.0.connectors.0.max_voltage", "230"),
        ("evses.0.connectors.0.max_voltage", 230),
        "is a number written as text, and was put right",
    ),
    (
        ("evses.0.status", "NAPPING"),
        ("evses.0.status", "NAPPING"),
        "is a value that OCPI 2.2.1 doesn't know, and was kept",
    ),
    (
        ("address", "x" * 300),
        ("address", "x" * 300),
        "is longer than OCPI 2.2.1 allows, and was kept",
    ),
    (
        ("images", [{"url": "https://a.example/b", "category": "OTHER", "type": "jpg"}]),
        ("images.0.type", "jpeg"),
        "was jpg, which OCPI calls jpeg",
    ),
]


@pytest.mark.req("LO-03", "LO-21", "TY-15")
@pytest.mark.parametrize(("given", "expected", "reason"), REPAIRED)
def test_what_is_repaired_or_kept_is_remarked(
    tmp_path: Path, given: tuple[str, Any], expected: tuple[str, Any], reason: str
) -> None:
    imported, refusals = stations(write_json(tmp_path, changed(LOCATION, *given)))
    assert refusals == []
    value: Any = imported[0].document
    for part in expected[0].split("."):
        value = value[int(part) if part.isdigit() else part]
    assert value == expected[1]
    assert said(imported[0]) == [(expected[0], reason)]


LOST = [
    ("id", ..., "record 1", "id", "is required"),
    ("address", ..., "LOC1", "address", "is required"),
    ("publish", "yes", "LOC1", "publish", "is neither true nor false"),
    ("evses", "many", "LOC1", "evses.0", "is no object"),
    ("evses.0.uid", ..., "LOC1/[0]", "uid", "is required"),
    ("evses.0.status", 7, "LOC1/EVSE1", "status", "is no Status"),
    ("evses.0.connectors", [], "LOC1/EVSE1", "connectors", "needs at least one item"),
    ("evses.0.connectors.0.max_voltage", "?", "LOC1/EVSE1/1", "max_voltage", "is no whole number"),
    ("evses.0.connectors.0.id", ..., "LOC1/EVSE1/[0]", "id", "is required"),
]


@pytest.mark.parametrize(("path", "value", "record", "field", "reason"), LOST)
def test_what_is_lost_is_named_with_record_field_and_reason(
    tmp_path: Path, path: str, value: Any, record: str, field: str, reason: str
) -> None:
    _, refusals = stations(write_json(tmp_path, changed(LOCATION, path, value)))
    assert refusals[0] == Refusal(record, field, reason)


def test_a_bad_connector_is_lost_alone_and_a_bad_evse_too(tmp_path: Path) -> None:
    document = deepcopy(LOCATION)
    good = document["evses"][0]
    bad_connector = good["connectors"][0] | {"id": "2", "max_amperage": None}
    document["evses"] = [
        good | {"connectors": [*good["connectors"], bad_connector]},
        None,
        {"uid": "EVSE2"},
        "EVSE3",
        good | {"uid": "EVSE4", "connectors": [bad_connector]},
    ]
    imported, refusals = stations(write_json(tmp_path, document))
    assert imported[0].document == LOCATION
    assert refusals == [
        Refusal("LOC1/EVSE1/2", "max_amperage", "is required"),
        Refusal("LOC1/EVSE2", "status", "is required (and 2 more)"),
        Refusal("LOC1/[3]", "", "is no object"),
        Refusal("LOC1/EVSE4/2", "max_amperage", "is required"),
        Refusal("LOC1/EVSE4", "connectors", "needs at least one item"),
    ]


@pytest.mark.req("LO-20")
def test_an_id_that_stands_twice_counts_once(tmp_path: Path) -> None:
    twin = deepcopy(LOCATION) | {"id": "LOC2"}
    again = LOCATION | {"id": "loc1"}
    imported, refusals = stations(write_json(tmp_path, [LOCATION, twin, again]))
    assert [each.document["id"] for each in imported] == ["LOC1", "LOC2"]
    assert refusals == [
        Refusal("LOC2/EVSE1", "uid", "stands twice in this file"),
        Refusal("loc1", "id", "stands twice in this file; the first one counts"),
    ]


def test_a_location_at_sea_without_a_time_zone_needs_a_default(tmp_path: Path) -> None:
    adrift = changed(LOCATION, "time_zone", ...)
    adrift["coordinates"] = {"latitude": "40.00000", "longitude": "-30.00000"}
    path = write_json(tmp_path, adrift)
    reason = "is missing, and the coordinates tell none: name one by --time-zone"
    assert stations(path) == ([], [Refusal("LOC1", "time_zone", reason)])
    imported, _ = stations(path, default_time_zone="Atlantic/Azores")
    assert said(imported[0]) == [("time_zone", "was missing: the default of this import")]


def test_a_location_of_2_1_1_becomes_one_of_2_2_1(tmp_path: Path) -> None:
    imported, refusals = stations(write_json(tmp_path, OLD_LOCATION))
    assert refusals == []
    assert said(imported[0]) == [
        ("party_id", "was missing: the importing party is the owner"),
        ("time_zone", "was missing: taken from the coordinates"),
    ]
    connector = {
        "id": "1",
        "standard": "IEC_62196_T2",
        "format": "CABLE",
        "power_type": "AC_3_PHASE",
        "max_voltage": 230,
        "max_amperage": 16,
        "tariff_ids": ["11"],
        "last_updated": "2015-03-16T10:10:02Z",
    }
    evse = OLD_LOCATION["evses"][0]
    hours = OLD_LOCATION["opening_times"]["regular_hours"]
    assert imported[0].document == {
        "country_code": "FR",
        "party_id": "EXA",
        "id": "LOC1",
        "publish": True,
        "address": "F.Rooseveltlaan 3A",
        "city": "Gent",
        "postal_code": "9000",
        "country": "BEL",
        "coordinates": {"latitude": "51.04759", "longitude": "3.729944"},
        "parking_type": "PARKING_GARAGE",
        "evses": [evse | {"connectors": [connector], "last_updated": "2015-06-28T08:12:01Z"}],
        "time_zone": "Europe/Brussels",
        "opening_times": {"twentyfourseven": False, "regular_hours": hours},
        "energy_mix": {
            "is_green_energy": True,
            "environ_impact": [{"category": "CARBON_DIOXIDE", "amount": 3}],
        },
        "last_updated": "2015-06-29T20:39:09Z",
    }


def test_what_an_old_connector_lacks_stays_absent(tmp_path: Path) -> None:
    document = changed(OLD_LOCATION, "evses.0.connectors.0.tariff_id", ...)
    document = changed(document, "evses.0.connectors.0.voltage", ...)
    document = changed(document, "energy_mix.environ_impact.0", {"category": "NUCLEAR_WASTE"})
    _, refusals = stations(write_json(tmp_path, document))
    assert refusals[0] == Refusal("LOC1/3256/1", "max_voltage", "is required")


@pytest.mark.parametrize("kind", ["OTHER", "UNKNOWN"])
def test_a_parking_type_that_2_2_1_lacks_is_left_out(tmp_path: Path, kind: str) -> None:
    imported, _ = stations(write_json(tmp_path, OLD_LOCATION | {"type": kind}))
    assert "parking_type" not in imported[0].document
    remark = ("type", f"was {kind}, which 2.2.1 doesn't have, and was left out")
    assert remark in said(imported[0])


def test_a_location_of_2_1_1_is_known_by_its_connectors_too(tmp_path: Path) -> None:
    imported, _ = stations(write_json(tmp_path, changed(OLD_LOCATION, "type", ...)))
    assert imported[0].document["evses"][0]["connectors"][0]["max_voltage"] == 230


def test_a_tariff_without_an_owner_becomes_the_importing_partys(tmp_path: Path) -> None:
    old = {key: value for key, value in TARIFF.items() if key not in ("country_code", "party_id")}
    imported, refusals = tariffs(write_lines(tmp_path, TARIFF, old | {"id": "T2"}))
    assert refusals == []
    assert [each.owner for each in imported] == [("NL", "ABC"), ("FR", "EXA")]
    assert imported[0] == Imported(TARIFF, [])


def test_a_tariff_is_lost_whole_because_an_element_less_would_be_another_price(
    tmp_path: Path,
) -> None:
    elements = [*TARIFF["elements"], {"price_components": []}]
    imported, refusals = tariffs(write_json(tmp_path, [TARIFF | {"elements": elements}, 7]))
    assert imported == []
    assert refusals == [
        Refusal("T1", "elements.1.price_components", "needs at least one item"),
        Refusal("record 2", "", "is no object"),
    ]


values: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.just([]) | st.just({})
)
paths = st.sampled_from(
    [
        *LOCATION,
        "type",
        "evses.0",
        "coordinates.latitude",
        *(f"evses.0.{name}" for name in LOCATION["evses"][0]),
        "evses.0.connectors.0",
        *(f"evses.0.connectors.0.{name}" for name in LOCATION["evses"][0]["connectors"][0]),
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(path=paths, value=values, old=st.booleans())
def test_any_location_gives_a_document_or_a_refusal(
    tmp_path: Path, path: str, value: Any, *, old: bool
) -> None:
    document = changed(LOCATION, path, value)
    if old:
        document.pop("publish", None)
        document.setdefault("type", "OTHER")
    imported, refusals = stations(write_lines(tmp_path, document, LOCATION | {"id": "LOC9"}))
    assert "LOC9" in [each.document["id"] for each in imported]
    assert len(imported) == 2 or refusals
