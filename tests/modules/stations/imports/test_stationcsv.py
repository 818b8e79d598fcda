"""Our own CSV of stations."""

import csv
import io
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modules.stations.imports import Refusal, count_records, stationcsv
from modules.stations.imports.stationcsv import COLUMNS, TEMPLATE
from ocpi.spec.locations import Location
from ocpi.spec.reading import defects
from tests.modules.stations.imports.sample import stations, write

EXAMPLE = re.findall(r"^    (\S.*)$", stationcsv.__doc__ or "", re.MULTILINE)
ROW: dict[str, str] = next(csv.DictReader(EXAMPLE))


def write_rows(folder: Path, *rows: dict[str, str], delimiter: str = ",") -> Path:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return write(folder / "stations.csv", text.getvalue())


def test_the_example_of_the_documentation_is_what_it_says(tmp_path: Path) -> None:
    imported, refusals = stations(write(tmp_path / "example.csv", "\n".join(EXAMPLE)))
    assert EXAMPLE[0] + "\n" == TEMPLATE
    assert refusals == []
    hours = [
        {"weekday": day, "period_begin": "08:00", "period_end": "19:00"} for day in range(1, 6)
    ]
    assert imported[0].document == {
        "country_code": "FR",
        "party_id": "EXA",
        "id": "LOC1",
        "publish": True,
        "name": "Station Nord",
        "address": "Rue de la Gare 1",
        "city": "Lyon",
        "postal_code": "69003",
        "country": "FRA",
        "coordinates": {"latitude": "45.76030", "longitude": "4.85950"},
        "parking_type": "PARKING_LOT",
        "evses": [
            {
                "uid": "FREXAE0001",
                "evse_id": "FR*EXA*E0001",
                "status": "AVAILABLE",
                "capabilities": ["RFID_READER", "RESERVABLE"],
                "connectors": [
                    {
                        "id": "1",
                        "standard": "IEC_62196_T2",
                        "format": "SOCKET",
                        "power_type": "AC_3_PHASE",
                        "max_voltage": 230,
                        "max_amperage": 32,
                        "max_electric_power": 22000,
                        "tariff_ids": ["AC1", "AC2"],
                        "last_updated": "2026-01-02T03:04:05Z",
                    }
                ],
                "floor_level": "-1",
                "physical_reference": "A1",
                "last_updated": "2026-01-02T03:04:05Z",
            }
        ],
        "operator": {"name": "Example Charging"},
        "time_zone": "Europe/Paris",
        "opening_times": {"twentyfourseven": False, "regular_hours": hours},
        "last_updated": "2026-01-02T03:04:05Z",
    }
    assert defects(imported[0].document, Location) == []


def test_rows_make_connectors_and_evses_wherever_they_stand(tmp_path: Path) -> None:
    least = {
        column: ROW[column]
        for column in ("location_id", "address", "city", "latitude", "longitude")
    } | {"country": "fr", "max_electric_power": "150000", "evse_id": "FR*EXA*E1"}
    rows = [
        least | {"standard": "IEC_62196_T2_COMBO"},
        least | {"location_id": "LOC2", "evse_id": "FR*EXA*E2", "standard": "CHADEMO"},
        least | {"standard": "IEC_62196_T2", "max_electric_power": "7400"},
    ]
    path = write_rows(tmp_path, *rows, delimiter=";")
    imported, refusals = stations(path)
    assert refusals == []
    first = imported[0].document
    assert (first["country"], first["publish"], count_records(path)) == ("FRA", True, 2)
    assert first["evses"][0]["uid"] == "FREXAE1"
    assert first["evses"][0]["status"] == "UNKNOWN"
    connectors = first["evses"][0]["connectors"]
    assert [(each["id"], each["power_type"], each["max_amperage"]) for each in connectors] == [
        ("1", "DC", 300),
        ("2", "AC_1_PHASE", 32),
    ]
    assert imported[1].document["evses"][0]["connectors"][0]["format"] == "CABLE"


@pytest.mark.parametrize(
    ("change", "record", "field", "reason"),
    [
        ({"location_id": ""}, "line 2", "location_id", "is required"),
        ({"country": "ZZ"}, "LOC1", "country", "'ZZ' is no country of ISO 3166"),
        ({"latitude": ""}, "LOC1", "latitude", "'None' is no coordinate in degrees"),
        ({"publish": "perhaps"}, "LOC1", "publish", "'perhaps' is neither true nor false"),
        ({"opening_hours": "late"}, "LOC1", "opening_hours", "'late' can't be understood"),
        ({"city": ""}, "LOC1", "city", "is required"),
        ({"evse_uid": "", "evse_id": ""}, "LOC1 (line 2)", "evse_uid", "is required"),
        ({"standard": ""}, "LOC1 (line 2)", "standard", "is required"),
        (
            {"max_electric_power": "22kW"},
            "LOC1 (line 2)",
            "max_electric_power",
            "'22kW' is no whole number above zero",
        ),
        (
            {"max_electric_power": ""},
            "LOC1 (line 2)",
            "max_electric_power",
            "is required, or max_voltage and max_amperage",
        ),
        (
            {"max_electric_power": "", "max_voltage": "230", "max_amperage": "16"},
            "LOC1 (line 2)",
            "power_type",
            "is required where max_electric_power is not given",
        ),
        (
            {"last_updated": "yesterday"},
            "LOC1/FREXAE0001/1",
            "last_updated",
            "'yesterday' is no moment such as 2026-01-02T03:04:05Z",
        ),
    ],
)
def test_a_bad_row_is_named_with_field_and_reason(
    tmp_path: Path, change: dict[str, str], record: str, field: str, reason: str
) -> None:
    _, refusals = stations(write_rows(tmp_path, ROW | change))
    assert refusals[0] == Refusal(record, field, reason)


def test_voltage_and_current_will_do_instead_of_power(tmp_path: Path) -> None:
    electric = {"power_type": "AC_3_PHASE", "max_voltage": "230", "max_amperage": "16"}
    imported, _ = stations(write_rows(tmp_path, ROW | electric | {"max_electric_power": ""}))
    connector = imported[0].document["evses"][0]["connectors"][0]
    assert (connector["max_voltage"], connector["max_amperage"]) == (230, 16)
    assert "max_electric_power" not in connector


def test_a_connector_that_stands_twice_counts_once(tmp_path: Path) -> None:
    imported, refusals = stations(write_rows(tmp_path, ROW, ROW))
    assert len(imported[0].document["evses"][0]["connectors"]) == 1
    reason = "'1' stands twice in EVSE FREXAE0001"
    assert refusals == [Refusal("LOC1 (line 3)", "connector_id", reason)]


def test_a_row_of_another_width_is_lost_alone(tmp_path: Path) -> None:
    text = write_rows(tmp_path, ROW).read_text() + "LOC2,short\n"
    imported, refusals = stations(write(tmp_path / "stations.csv", text))
    assert len(imported) == 1
    assert refusals == [Refusal("line 3", "", "has 2 cells where the header has 28")]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(changes=st.dictionaries(st.sampled_from(COLUMNS), st.text(max_size=12), max_size=5))
def test_any_row_gives_a_location_or_a_refusal(tmp_path: Path, changes: dict[str, Any]) -> None:
    safe = {column: text.encode(errors="replace").decode() for column, text in changes.items()}
    imported, refusals = stations(write_rows(tmp_path, ROW | safe))
    assert imported or refusals
