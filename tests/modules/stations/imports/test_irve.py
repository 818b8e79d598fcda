"""Rows of the French register become Locations."""

import csv
import gzip
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modules.stations.imports import Imported, Refusal, count_records
from ocpi.spec.locations import Location
from ocpi.spec.reading import defects
from tests.modules.stations.imports.sample import (
    POINT,
    Row,
    said,
    stations,
    write,
    write_json,
    write_lines,
)


def csv_of(*rows: Row, delimiter: str = ",") -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, POINT.keys(), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def test_a_point_becomes_a_location_and_keeps_what_ocpi_has_no_field_for(tmp_path: Path) -> None:
    imported, refusals = stations(write_lines(tmp_path, POINT))
    assert refusals == []
    assert imported[0].remarks == []
    assert imported[0].document == {
        "country_code": "FR",
        "party_id": "EXA",
        "id": "FREXAP1",
        "publish": True,
        "name": "Gare",
        "address": "1 Rue de la Gare",
        "city": "Lyon",
        "postal_code": "69003",
        "country": "FRA",
        "coordinates": {"latitude": "45.76000", "longitude": "4.85950"},
        "parking_type": "ON_STREET",
        "evses": [
            {
                "uid": "FREXAE11",
                "evse_id": "FR*EXA*E11",
                "status": "UNKNOWN",
                "capabilities": ["CREDIT_CARD_PAYABLE"],
                "connectors": [
                    {
                        "id": "T2",
                        "standard": "IEC_62196_T2",
                        "format": "SOCKET",
                        "power_type": "AC_3_PHASE",
                        "max_voltage": 230,
                        "max_amperage": 32,
                        "max_electric_power": 22000,
                        "last_updated": "2025-07-19T00:00:00Z",
                    }
                ],
                "parking_restrictions": ["DISABLED"],
                "last_updated": "2025-07-19T00:00:00Z",
            }
        ],
        "operator": {"name": "Example Charge"},
        "owner": {"name": "Ville de Lyon"},
        "time_zone": "Europe/Paris",
        "opening_times": {"twentyfourseven": True},
        "last_updated": "2025-07-19T00:00:00Z",
        "irve": {
            "nom_enseigne": "Example",
            "contact_operateur": "hello@example.org",
            "implantation_station": "Voirie",
            "adresse_station": "1 Rue de la Gare, 69003 Lyon, France",
            "code_insee_commune": "69383",
            "nbre_pdc": "1",
            "puissance_nominale": "22.0",
            "prise_type_autre": "False",
            "paiement_cb": "True",
            "condition_acces": "Accès libre",
            "reservation": "False",
            "accessibilite_pmr": "Réservé PMR",
            "station_deux_roues": "False",
        },
    }


def test_json_and_csv_of_the_same_rows_give_the_same(tmp_path: Path) -> None:
    other = POINT | {"id_pdc_itinerance": "FREXAE12"}
    files = [
        write_lines(tmp_path, POINT, other),
        write(tmp_path / "comma.csv", csv_of(POINT, other)),
        write(tmp_path / "semicolon.csv", "\ufeff" + csv_of(POINT, other, delimiter=";")),
        write(tmp_path / "compressed.csv", gzip.compress(csv_of(POINT, other).encode())),
        write_json(tmp_path, [POINT, other]),
    ]
    first, *others = [stations(path) for path in files]
    assert others == [first] * 4
    assert [count_records(path) for path in files] == [1] * 5


def test_rows_of_a_station_are_found_wherever_they_stand(tmp_path: Path) -> None:
    rows = [
        POINT,
        POINT | {"id_station_itinerance": "FREXAP2", "id_pdc_itinerance": "FREXAE21"},
        POINT | {"id_pdc_itinerance": "FREXAE12", "date_maj": "2025-08-01", "nbre_pdc": "2"},
    ]
    imported, _ = stations(write_lines(tmp_path, *rows))
    uids = {
        each.document["id"]: [evse["uid"] for evse in each.document["evses"]] for each in imported
    }
    assert uids == {"FREXAP1": ["FREXAE11", "FREXAE12"], "FREXAP2": ["FREXAE21"]}
    station = imported[0].document
    assert station["last_updated"] == "2025-08-01T00:00:00Z"
    assert "nbre_pdc" not in station["irve"]
    assert [evse["irve"] for evse in station["evses"]] == [{"nbre_pdc": "1"}, {"nbre_pdc": "2"}]


LOST_POINTS = [
    ({"prise_type_2": "False"}, "prise_type", "no plug type set"),
    (
        {"prise_type_2": "False", "prise_type_autre": "True"},
        "prise_type",
        "the only plug type set is 'autre'",
    ),
    ({"puissance_nominale": None}, "puissance_nominale", "'' is no power in kW"),
    ({"puissance_nominale": "many"}, "puissance_nominale", "'many' is no power in kW"),
    ({"puissance_nominale": "-3"}, "puissance_nominale", "'-3' is no power in kW"),
    ({"puissance_nominale": "22000"}, "puissance_nominale", "'22000' is no power in kW"),
]


@pytest.mark.parametrize(("change", "field", "reason"), LOST_POINTS)
def test_a_bad_point_is_lost_alone(tmp_path: Path, change: Row, field: str, reason: str) -> None:
    bad = POINT | {"id_pdc_itinerance": "FREXAE12"} | change
    imported, refusals = stations(write_lines(tmp_path, POINT, bad))
    assert refusals == [Refusal("FREXAP1/FREXAE12", field, reason)]
    assert [evse["uid"] for evse in imported[0].document["evses"]] == ["FREXAE11"]


LOST_STATIONS = [
    ({"coordonneesXY": "nowhere"}, "coordonneesXY", "'' is no coordinate in degrees"),
    ({"coordonneesXY": "[2.5, 91]"}, "coordonneesXY", "'91' is no coordinate in degrees"),
    (
        {"coordonneesXY": "[-30.0, 40.0]"},
        "time_zone",
        "the coordinates tell none: name one by --time-zone",
    ),
]


@pytest.mark.parametrize(("change", "field", "reason"), LOST_STATIONS)
def test_a_bad_station_is_lost_alone(tmp_path: Path, change: Row, field: str, reason: str) -> None:
    bad = POINT | {"id_station_itinerance": "FREXAP2", "id_pdc_itinerance": "FREXAE21"} | change
    imported, refusals = stations(write_lines(tmp_path, bad, POINT))
    assert refusals == [Refusal("FREXAP2", field, reason)]
    assert [each.document["id"] for each in imported] == ["FREXAP1"]


def test_a_point_without_any_id_is_named_by_its_line(tmp_path: Path) -> None:
    nameless = POINT | {"id_pdc_itinerance": "Non concerné"}
    imported, refusals = stations(write_lines(tmp_path, POINT, nameless))
    reason = "is missing, and so is a local id"
    assert refusals == [Refusal("line 2", "id_pdc_itinerance", reason)]
    assert len(imported) == 1


@pytest.mark.req("LO-20")
def test_a_point_that_stands_twice_counts_once(tmp_path: Path) -> None:
    elsewhere = POINT | {"id_station_itinerance": "FREXAP2"}
    imported, refusals = stations(write_lines(tmp_path, POINT, elsewhere))
    assert refusals == [Refusal("FREXAP2/FREXAE11", "uid", "stands twice in this file")]
    assert ["evses" in each.document for each in imported] == [True, False]


STATION_IDS = [
    ({}, "FREXAP1"),
    ({"id_station_itinerance": None, "id_station_local": "local 7"}, "local 7"),
    ({"id_station_itinerance": "Non concerné"}, "FREXAP11"),
    ({"id_station_itinerance": None, "id_pdc_itinerance": "FR*EXA*E5*1"}, "FREXAP5*1"),
    (
        {"id_station_itinerance": None, "id_pdc_itinerance": None, "id_pdc_local": "borne 3"},
        "borne 3",
    ),
]


@pytest.mark.parametrize(("change", "expected"), STATION_IDS)
def test_a_station_takes_its_id_from_the_best_column(
    tmp_path: Path, change: Row, expected: str
) -> None:
    imported, _ = stations(write_lines(tmp_path, POINT | change))
    assert [each.document["id"] for each in imported] == [expected]


def test_at_sea_the_default_time_zone_counts(tmp_path: Path) -> None:
    path = write_lines(tmp_path, POINT | {"coordonneesXY": "[-30.0, 40.0]"})
    imported, _ = stations(path, default_time_zone="Atlantic/Azores")
    assert imported[0].document["time_zone"] == "Atlantic/Azores"


@pytest.mark.req("LO-15")
@pytest.mark.parametrize(
    ("access", "publish"),
    [("Accès libre", True), ("Accès réservé", True), ("Accès privé", False), (None, True)],
)
def test_only_what_is_private_is_not_published(
    tmp_path: Path, access: str | None, *, publish: bool
) -> None:
    imported, _ = stations(write_lines(tmp_path, POINT | {"condition_acces": access}))
    assert imported[0].document["publish"] is publish


MEANINGS = [
    ({"reservation": "true"}, "capabilities", ["CREDIT_CARD_PAYABLE", "RESERVABLE"]),
    ({"paiement_cb": "0"}, "capabilities", None),
    ({"station_deux_roues": "1"}, "parking_restrictions", ["DISABLED", "MOTORCYCLES"]),
    (
        {"implantation_station": "Parking privé réservé à la clientèle"},
        "parking_restrictions",
        ["DISABLED", "CUSTOMERS"],
    ),
    ({"accessibilite_pmr": "Accessible mais non réservé PMR"}, "parking_restrictions", None),
]


@pytest.mark.parametrize(("change", "member", "expected"), MEANINGS)
def test_columns_become_what_ocpi_can_say_of_an_evse(
    tmp_path: Path, change: Row, member: str, expected: Any
) -> None:
    imported, _ = stations(write_lines(tmp_path, POINT | change))
    assert imported[0].document["evses"][0].get(member) == expected


UNCERTAIN = [
    (
        {"horaires": "selon magasin"},
        ("opening_times", "'selon magasin' can't be understood, and was left out"),
    ),
    (
        {"horaires": "Mo 00:00-00:01"},
        ("opening_times", "'Mo 00:00-00:01' was taken at its word, and may be a placeholder"),
    ),
    (
        {"prise_type_2": "False", "prise_type_ef": "True"},
        ("puissance_nominale", "none of its plugs can carry 22000 W"),
    ),
    ({"prise_type_autre": "True"}, ("prise_type_autre", "names no plug, and was left out")),
    (
        {"id_pdc_itinerance": "borne 7"},
        ("evses.0.evse_id", "is missing, and CDRs of this EVSE need it"),
    ),
]


@pytest.mark.parametrize(("change", "remark"), UNCERTAIN)
def test_what_is_uncertain_is_remarked(
    tmp_path: Path, change: Row, remark: tuple[str, str]
) -> None:
    imported, refusals = stations(write_lines(tmp_path, POINT | change))
    assert refusals == []
    assert said(imported[0]) == [remark]


def test_hours_that_are_not_understood_are_kept_as_published(tmp_path: Path) -> None:
    imported, _ = stations(write_lines(tmp_path, POINT | {"horaires": "selon magasin"}))
    assert imported[0].document["irve"]["horaires"] == "selon magasin"


def test_a_row_without_a_date_is_as_old_as_its_file(tmp_path: Path) -> None:
    imported, _ = stations(write_lines(tmp_path, POINT | {"date_maj": "bientôt"}))
    assert imported[0].document["last_updated"] > "2025-07-19T00:00:00Z"


values = st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.lists(st.integers())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(changes=st.dictionaries(st.sampled_from(sorted(POINT)), values, max_size=6))
def test_any_row_gives_a_sound_location_or_a_refusal(tmp_path: Path, changes: Row) -> None:
    keys = {"id_pdc_itinerance": "FREXAE11", "puissance_nominale": "22.0"}
    imported, refusals = stations(write_lines(tmp_path, POINT | changes, POINT | keys))
    assert imported or refusals
    for each in [*imported, *refusals]:
        assert isinstance(each, (Imported, Refusal))
    for each in imported:
        lengths = [line for line in defects(each.document, Location) if "is longer" not in line]
        assert lengths == []
