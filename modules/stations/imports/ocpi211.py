"""OCPI 2.1.1 Locations become those of 2.2.1."""

from collections.abc import Iterator
from typing import Any

from modules.stations.imports.ocpi221 import draft_location as draft_current
from modules.stations.imports.records import Document, Draft, Found, Importer

_RENAMED = {"voltage": "max_voltage", "amperage": "max_amperage"}
_NO_PARKING_TYPE = ("OTHER", "UNKNOWN")


def is_older(document: Document) -> bool:
    """Whether a Location is in the shape of 2.1.1, which knows no `publish`."""
    if "publish" in document:
        return False
    return "type" in document or any(
        "voltage" in connector and "max_voltage" not in connector
        for evse in _objects(document.get("evses"))
        for connector in _objects(evse.get("connectors"))
    )


def draft_location(found: Found, importer: Importer) -> Draft:
    """Convert in place what 2.2.1 names otherwise; what it lacks is left out with a remark.

    Raises UnusableError when there is no telling the time zone.
    """
    document = dict(found.values)
    parking_type = document.pop("type", None)
    document["publish"] = True
    if parking_type and parking_type not in _NO_PARKING_TYPE:
        document["parking_type"] = parking_type
    for evse in _objects(document.get("evses")):
        for connector in _objects(evse.get("connectors")):
            _convert_connector(connector)
    _convert_energy_mix(document.get("energy_mix"))
    hours = document.get("opening_times")
    if isinstance(hours, dict):
        hours.setdefault("twentyfourseven", False)
    draft = draft_current(Found(found.label, document), importer)
    if parking_type in _NO_PARKING_TYPE:
        draft.remark("type", f"was {parking_type}, which 2.2.1 doesn't have, and was left out")
    return draft


def _convert_connector(connector: Document) -> None:
    for old, new in _RENAMED.items():
        if old in connector:
            connector.setdefault(new, connector.pop(old))
    tariff_id = connector.pop("tariff_id", None)
    if tariff_id:
        connector.setdefault("tariff_ids", [tariff_id])


def _convert_energy_mix(energy_mix: Any) -> None:
    for impact in _objects(energy_mix.get("environ_impact") if isinstance(energy_mix, dict) else 0):
        if "source" in impact:
            impact.setdefault("category", impact.pop("source"))


def _objects(value: Any) -> Iterator[Document]:
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, dict))
