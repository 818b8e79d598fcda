"""Small files and records for the tests of importing, and what comes of them."""

import json
from pathlib import Path
from typing import Any

from modules.stations.imports import Imported, Refusal, read_stations, read_tariffs

Row = dict[str, Any]

LOCATION: Row = {
    "country_code": "NL",
    "party_id": "ABC",
    "id": "LOC1",
    "publish": True,
    "address": "Stationsplein 1",
    "city": "Utrecht",
    "country": "NLD",
    "coordinates": {"latitude": "52.08945", "longitude": "5.10960"},
    "evses": [
        {
            "uid": "EVSE1",
            "evse_id": "NL*ABC*E1",
            "status": "AVAILABLE",
            "connectors": [
                {
                    "id": "1",
                    "standard": "IEC_62196_T2",
                    "format": "SOCKET",
                    "power_type": "AC_3_PHASE",
                    "max_voltage": 230,
                    "max_amperage": 32,
                    "tariff_ids": ["T1"],
                    "last_updated": "2026-01-02T03:04:05Z",
                }
            ],
            "last_updated": "2026-01-02T03:04:05Z",
        }
    ],
    "time_zone": "Europe/Amsterdam",
    "last_updated": "2026-01-02T03:04:05Z",
}

TARIFF: Row = {
    "country_code": "NL",
    "party_id": "ABC",
    "id": "T1",
    "currency": "EUR",
    "elements": [{"price_components": [{"type": "ENERGY", "price": 1, "step_size": 1}]}],
    "last_updated": "2026-01-02T03:04:05Z",
}

POINT: Row = {
    "nom_amenageur": "Ville de Lyon",
    "nom_operateur": "Example Charge",
    "nom_enseigne": "Example",
    "contact_operateur": "hello@example.org",
    "id_station_itinerance": "FREXAP1",
    "id_station_local": None,
    "nom_station": "Gare",
    "implantation_station": "Voirie",
    "adresse_station": "1 Rue de la Gare, 69003 Lyon, France",
    "code_insee_commune": "69383",
    "coordonneesXY": "[4.8595, 45.76]",
    "nbre_pdc": "1",
    "id_pdc_itinerance": "FREXAE11",
    "id_pdc_local": None,
    "puissance_nominale": "22.0",
    "prise_type_ef": "False",
    "prise_type_2": "True",
    "prise_type_combo_ccs": "False",
    "prise_type_chademo": "False",
    "prise_type_autre": "False",
    "paiement_cb": "True",
    "condition_acces": "Accès libre",
    "reservation": "False",
    "horaires": "24/7",
    "accessibilite_pmr": "Réservé PMR",
    "station_deux_roues": "False",
    "date_maj": "2025-07-19",
    "cable_t2_attache": None,
}


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def write_json(folder: Path, value: Any) -> Path:
    return write(folder / "file.json", json.dumps(value))


def write_lines(folder: Path, *values: Any) -> Path:
    return write(folder / "file.jsonl", "".join(json.dumps(value) + "\n" for value in values))


def stations(
    path: Path, default_time_zone: str | None = None, limit: int | None = None
) -> tuple[list[Imported], list[Refusal]]:
    """Return what reading a file of stations gives, as the party FR/EXA."""
    outcomes = list(
        read_stations(
            path,
            country_code="FR",
            party_id="EXA",
            default_time_zone=default_time_zone,
            limit=limit,
        )
    )
    return sort(outcomes)


def tariffs(path: Path) -> tuple[list[Imported], list[Refusal]]:
    return sort(list(read_tariffs(path, country_code="FR", party_id="EXA")))


def sort(outcomes: list[Imported | Refusal]) -> tuple[list[Imported], list[Refusal]]:
    return (
        [outcome for outcome in outcomes if isinstance(outcome, Imported)],
        [outcome for outcome in outcomes if isinstance(outcome, Refusal)],
    )


def said(imported: Imported) -> list[tuple[str, str]]:
    return [(remark.field, remark.reason) for remark in imported.remarks]
