"""OCPI 2.2.1 Locations are kept whole; only what is missing or misspelt is put right."""

from typing import Any

from modules.stations.imports.places import add_time_zone
from modules.stations.imports.records import Draft, Found, Importer


def draft_location(found: Found, importer: Importer) -> Draft:
    """Raises UnusableError when there is no telling the time zone."""
    draft = importer.own(found)
    add_time_zone(draft, importer.default_time_zone)
    _repair_images(draft, draft.document, "")
    return draft


def _repair_images(draft: Draft, value: Any, path: str) -> None:
    """Write `jpeg` for `jpg`, which OCPI's list of image types doesn't have."""
    if isinstance(value, dict):
        if value.get("type") == "jpg" and {"url", "category"} <= value.keys():
            value["type"] = "jpeg"
            draft.remark(f"{path}type", "was jpg, which OCPI calls jpeg")
        for name, member in value.items():
            _repair_images(draft, member, f"{path}{name}.")
    elif isinstance(value, list):
        for position, item in enumerate(value):
            _repair_images(draft, item, f"{path}{position}.")
