"""The classes and enums are, field by field and value by value, those of the specification."""

import importlib
import json
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from ocpi.spec.shapes import fields_of
from ocpi.spec.types import OCPIModel

TABLES = json.loads(
    (Path(__file__).parents[2] / "conformance" / "types-2.2.1.json").read_text(encoding="utf-8")
)
CHAPTERS = {
    "types": "types",
    "version_information_endpoint": "versions",
    "credentials": "credentials",
    "mod_locations": "locations",
    "mod_sessions": "sessions",
    "mod_cdrs": "cdrs",
    "mod_tariffs": "tariffs",
    "mod_tokens": "tokens",
    "mod_commands": "commands",
    "mod_charging_profiles": "chargingprofiles",
    "mod_hub_client_info": "hubclientinfo",
    "transport_and_format": "envelope",
}
# These two enums are used by several chapters, so they are at home with the shared types.
SHARED = {"TokenType", "ProfileType"}
# What an envelope carries depends on the request; the specification's table says so in words.
ANY_DATA = {"name": "data", "type": "Array or Object or String", "card": "* or ?"}

ENTRIES = [
    pytest.param(CHAPTERS[chapter], entry, id=entry["name"])
    for chapter, entries in TABLES.items()
    for entry in entries
]


def named(chapter: str, name: str) -> Any:
    home = "types" if name in SHARED else chapter
    return getattr(importlib.import_module(f"ocpi.spec.{home}"), name)


def described(model: type[OCPIModel]) -> list[dict[str, str]]:
    return [
        {"name": field.name, "type": field.type_name, "card": field.cardinality}
        for field in fields_of(model).values()
    ]


@pytest.mark.req("TY-04", "TY-09", "TY-10", "TY-11")
@pytest.mark.parametrize(("chapter", "entry"), ENTRIES)
def test_a_type_is_the_specifications(chapter: str, entry: dict[str, Any]) -> None:
    ours = named(chapter, entry["name"])
    if entry["kind"] == "enum":
        assert [member.value for member in ours] == entry["values"]
    else:
        known = [{**field, **_free(field)} for field in entry["fields"]]
        assert described(ours) == known


def _free(field: dict[str, str]) -> dict[str, str]:
    return {"type": "Any", "card": "1"} if field == ANY_DATA else {}


def test_no_class_and_no_enum_is_there_that_the_specification_lacks() -> None:
    ours = {
        thing.__name__
        for chapter in CHAPTERS.values()
        for thing in vars(importlib.import_module(f"ocpi.spec.{chapter}")).values()
        if isinstance(thing, type) and issubclass(thing, (OCPIModel, StrEnum))
    }
    theirs = {entry["name"] for entries in TABLES.values() for entry in entries}
    assert ours - {"OCPIModel", "OpenEnum", "StrEnum"} == theirs


@pytest.mark.req("TY-09", "TY-10")
@pytest.mark.parametrize(("chapter", "entry"), ENTRIES)
def test_what_the_table_requires_is_required_and_nothing_else(
    chapter: str, entry: dict[str, Any]
) -> None:
    if entry["kind"] == "enum":
        return
    model = named(chapter, entry["name"])
    required = [name for name, field in model.model_fields.items() if field.is_required()]
    assert required == [field["name"] for field in entry["fields"] if field["card"] in "1+"]
