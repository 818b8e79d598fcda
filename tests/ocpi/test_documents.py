"""The exported OpenAPI documents are fresh, valid and complete."""

from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from ocpi.catalogue import MODULES
from ocpi.documents import DOCUMENTS as MADE
from ocpi.documents import as_text

OWNED = "{country_code}/{party_id}"
HUB = "/ocpi/hub/2.2.1/receiver"
# What stores an object, and is answered with 201 where it is new.
STORES = {
    "ocpi-2.2.1": {
        f"put /ocpi/cpo/2.2.1/receiver/tokens/{OWNED}/{{token_uid}}",
        f"put /ocpi/cpo/2.2.1/receiver/hubclientinfo/{OWNED}",
    },
    "ocpi-2.2.1-hub": {
        f"put {HUB}/locations/{OWNED}/{{location_id}}",
        f"put {HUB}/locations/{OWNED}/{{location_id}}/{{evse_uid}}",
        f"put {HUB}/locations/{OWNED}/{{location_id}}/{{evse_uid}}/{{connector_id}}",
        f"put {HUB}/tariffs/{OWNED}/{{tariff_id}}",
        f"put {HUB}/sessions/{OWNED}/{{session_id}}",
        f"post {HUB}/cdrs",
        f"put {HUB}/tokens/{OWNED}/{{token_uid}}",
        f"put {HUB}/hubclientinfo/{OWNED}",
    },
    "admin": {
        f"put /locations/{OWNED}/{{location_id}}",
        f"put /locations/{OWNED}/{{location_id}}/{{evse_uid}}",
        f"put /locations/{OWNED}/{{location_id}}/{{evse_uid}}/{{connector_id}}",
        f"put /tariffs/{OWNED}/{{tariff_id}}",
        f"put /sessions/{OWNED}/{{session_id}}",
        "post /cdrs",
        f"post /cdrs/{OWNED}/{{cdr_id}}/credit",
    },
}
FOLDER = Path(__file__).parents[2] / "openapi"
DOCUMENTS = {name: make() for name, make in MADE.items()}


@pytest.fixture(params=DOCUMENTS)
def name(request: pytest.FixtureRequest) -> str:
    given: str = request.param
    return given


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_the_exported_document_is_fresh(name: str) -> None:
    exported = (FOLDER / f"{name}.json").read_text()
    assert exported == as_text(DOCUMENTS[name]), "run `make openapi`"


def test_a_document_made_again_is_the_same(name: str) -> None:
    assert MADE[name]() == DOCUMENTS[name]


def test_the_document_is_valid(name: str) -> None:
    validate(DOCUMENTS[name])


def test_no_operation_speaks_of_422(name: str) -> None:
    assert [
        where for where, each in operations(DOCUMENTS[name]) if "422" in each["responses"]
    ] == []


def test_every_operation_has_a_summary_a_schema_and_errors(name: str) -> None:
    for where, operation in operations(DOCUMENTS[name]):
        assert operation["summary"], where
        answers = operation["responses"]
        assert any(status.startswith("4") for status in answers), where
        good = {status: each for status, each in answers.items() if status.startswith("2")}
        assert good, where
        for status, answer in good.items():
            if status != "204":
                # Exports and reports are not JSON.
                others = {"text/csv", "text/html"} & answer["content"].keys()
                for media in answer["content"] if others else ["application/json"]:
                    assert answer["content"][media]["schema"], where


def test_every_operation_that_takes_a_body_shows_its_schema(name: str) -> None:
    for where, operation in operations(DOCUMENTS[name]):
        if where.split()[0] in ("put", "patch"):
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            assert "$ref" in schema or schema["type"] == "object", where


def test_every_object_has_an_example() -> None:
    schemas = DOCUMENTS["ocpi-2.2.1"]["components"]["schemas"]
    for model in ("Location", "EVSE", "Connector", "Tariff", "Credentials"):
        assert schemas[model]["example"], model


def test_what_stores_an_object_tells_of_201_and_nothing_else_that_answers_200_does(
    name: str,
) -> None:
    both = {
        where: each["responses"]
        for where, each in operations(DOCUMENTS[name])
        if {"200", "201"} <= each["responses"].keys()
    }
    assert both.keys() == STORES[name]
    for where, answers in both.items():
        assert answers["201"] == {**answers["200"], "description": "Stored, and new here."}, where


def test_each_platform_has_a_document_of_what_partners_call_there() -> None:
    for name, platform in (("ocpi-2.2.1", "cpo"), ("ocpi-2.2.1-hub", "hub")):
        paths = DOCUMENTS[name]["paths"]
        assert {path.split("/")[2] for path in paths} == {platform}
        assert f"/ocpi/{platform}/versions" in paths
    told = {"/".join(path.split("/")[4:6]) for path in DOCUMENTS["ocpi-2.2.1-hub"]["paths"]}
    sides = ("sender", "receiver")
    assert {f"{side}/{module.id}" for side in sides for module in MODULES} <= told
