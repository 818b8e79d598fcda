"""The OpenAPI documents of both platforms and of the admin API, with what FastAPI cannot know."""

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from modules.stations.reports.forms import FORMS
from ocpi.app import create_admin_api, create_ocpi_api
from ocpi.catalogue import HUB_OFFERS
from ocpi.parties import PlatformID
from ocpi.spec.chargingprofiles import (
    ActiveChargingProfile,
    ActiveChargingProfileResult,
    ChargingProfile,
    ChargingProfileResult,
    ClearProfileResult,
    SetChargingProfile,
)
from ocpi.spec.commands import (
    CancelReservation,
    CommandResult,
    ReserveNow,
    StartSession,
    StopSession,
    UnlockConnector,
)
from ocpi.spec.types import OCPIModel
from ocpi.testing import samples

Schema = dict[str, Any]

_EXAMPLES: dict[str, Callable[[], Schema]] = {
    "Location": samples.location,
    "EVSE": samples.evse,
    "Connector": samples.connector,
    "Tariff": samples.tariff,
    "Token": samples.token,
    "Credentials": samples.credentials,
}
_STORED = ("Location", "EVSE", "Connector", "Tariff", "Session", "CDR", "Token", "ClientInfo")
"""What a PUT or POST that is answered with it has stored."""
_BODIES: tuple[type[OCPIModel], ...] = (
    CancelReservation,
    ReserveNow,
    StartSession,
    StopSession,
    UnlockConnector,
    CommandResult,
    ChargingProfile,
    SetChargingProfile,
    ActiveChargingProfile,
    ActiveChargingProfileResult,
    ChargingProfileResult,
    ClearProfileResult,
    *FORMS.values(),
)
_MESSAGE_IDS = ("X-Request-ID", "X-Correlation-ID")
_ROUTING = (
    "OCPI-to-country-code",
    "OCPI-to-party-id",
    "OCPI-from-country-code",
    "OCPI-from-party-id",
)
_PAGING = {
    "Link": 'The next page, `rel="next"`; absent on the last page.',
    "X-Total-Count": "How many objects match in all.",
    "X-Limit": "Most objects that a page may have.",
}


def ocpi_document(platform: PlatformID) -> Schema:
    """The document of what partners call of a platform."""
    document = _complete(create_ocpi_api({platform: HUB_OFFERS[platform]}))
    document["components"]["securitySchemes"] = {
        "token": {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Token ` and the Base64 of the credentials token.",
        }
    }
    document["security"] = [{"token": []}]
    ids = [_header(name, "A UUID; the answer repeats it.") for name in _MESSAGE_IDS]
    routing = [_header(name, "See message routing.") for name in _ROUTING]
    for path, operations in document["paths"].items():
        functional = "/sender/" in path or "/receiver/" in path
        for operation in operations.values():
            operation.setdefault("parameters", []).extend(ids + (routing if functional else []))
            repeated = dict.fromkeys(_MESSAGE_IDS, "As in the request.")
            paged = any(each["name"] == "offset" for each in operation["parameters"])
            headers = {**repeated, **(_PAGING if paged else {})}
            for answer in operation["responses"].values():
                answer["headers"] = {
                    name: {"description": text, "schema": {"type": "string"}}
                    for name, text in headers.items()
                }
    return document


def admin_document() -> Schema:
    """The document of what the operator's staff and backend call."""
    document = _complete(create_admin_api())
    document["servers"] = [{"url": "/admin"}]
    document["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "OCPI_ADMIN_TOKEN"}
    }
    document["security"] = [{"bearer": []}]
    return document


DOCUMENTS: Mapping[str, Callable[[], Schema]] = {
    "ocpi-2.2.1": partial(ocpi_document, PlatformID.CPO),
    "ocpi-2.2.1-hub": partial(ocpi_document, PlatformID.HUB),
    "admin": admin_document,
}
"""By the names of their files."""


def export_documents(folder: Path) -> list[Path]:
    """Write all documents into a folder; gives their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, make in DOCUMENTS.items():
        path = folder / f"{name}.json"
        path.write_text(as_text(make()))
        written.append(path)
    return written


def as_text(document: Schema) -> str:
    """A document as it is written: indented, so that a change shows where it is."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _complete(api: FastAPI) -> Schema:
    """The document as FastAPI makes it, with examples and without the 422 that is never sent."""
    # FastAPI keeps what it made and gives it again, and an API is made once a process.
    document: Schema = deepcopy(api.openapi())
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    _add_bodies(schemas, json.dumps(document["paths"]))
    for name, example in _EXAMPLES.items():
        if name in schemas:
            schemas[name]["example"] = example()
    for operations in (*document["paths"].values(), *document.get("webhooks", {}).values()):
        for method, operation in operations.items():
            operation["responses"].pop("422", None)
            if method in ("put", "post"):
                _tell_of_new(operation["responses"])
    return document


def _tell_of_new(answers: Schema) -> None:
    """Whatever stores an object answers with 201 where there was none (ST-05)."""
    content = answers.get("200", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema", {}).get("$ref", "")
    if schema.rpartition("/")[2].removeprefix("Answer_").removesuffix("_") in _STORED:
        answers["201"] = deepcopy({**answers["200"], "description": "Stored, and new here."})


def _add_bodies(schemas: Schema, paths: str) -> None:
    """The schemas of bodies that endpoints read themselves, and that are no answer anywhere."""
    bodies = [each for each in _BODIES if f'"#/components/schemas/{each.__name__}"' in paths]
    _, found = models_json_schema(
        [(each, "validation") for each in bodies], ref_template="#/components/schemas/{model}"
    )
    for name, schema in found.get("$defs", {}).items():
        schemas.setdefault(name, schema)


def _header(name: str, description: str) -> Schema:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": {"type": "string"},
    }
