"""Whatever the OpenAPI documents allow, and much that they do not, gets an answer that they tell.

`make fuzz` asks far more often than `make test`; FUZZ_EXAMPLES says how often for each operation.
"""

from __future__ import annotations

import asyncio
import json
import os
from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation

from ocpi.spec import cdrs, locations, sessions, tariffs, tokens
from ocpi.spec.reading import defects
from ocpi.spec.types import OCPIModel
from ocpi.testing import samples
from ocpi.testing.emsp import MockEMSP, running
from tests.flows.process import ADMIN_TOKEN, Installation, offer

Operation = APIOperation[Any, Any, Any, Any]
OPENAPI = Path(__file__).parents[2] / "openapi"
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "2"))
load_all_checks()
CHECKED: list[Any] = CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
    ]
)
# They end the relation that the others are asked in, or call whoever a random URL names.
LEFT_OUT = {
    ("DELETE", "/ocpi/cpo/2.2.1/credentials"),
    ("PUT", "/ocpi/cpo/2.2.1/credentials"),
    ("POST", "/partners/connect"),
}
# With these a request gets past what is not there; the partner is one that nothing depends on.
REAL = {
    "country_code": "DE",
    "party_id": "CPO",
    "location_id": "LOC-1",
    "evse_uid": "EVSE-1",
    "connector_id": "1",
    "tariff_id": "TARIFF-1",
    "name": "other",
    "id": "LOC-1",
}
US = {"OCPI-to-country-code": "DE", "OCPI-to-party-id": "CPO"}
MODELS: dict[str, type[OCPIModel]] = {
    "locations": locations.Location,
    "tariffs": tariffs.Tariff,
    "sessions": sessions.Session,
    "cdrs": cdrs.CDR,
    "tokens": tokens.Token,
}


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("document", ["ocpi-2.2.1", "admin"])
async def test_every_operation_answers_as_its_document_says(
    database_url: str, tmp_path: Path, document: str
) -> None:
    installation = Installation(database_url, tmp_path)
    async with installation.serving("--no-worker"), running(emsp := MockEMSP()):
        async with installation.admin() as admin:
            offered = await offer(admin)
            await offer(admin, "other", "OTH")
            for path, sample in (
                ("/tariffs/DE/CPO/TARIFF-1", samples.tariff()),
                ("/locations/DE/CPO/LOC-1", samples.location()),
            ):
                assert (await admin.put(path, json=sample)).status_code == 201
        peer = await emsp.register(offered["versions_url"], offered["token"])
        token = f"Token {b64encode(peer.token_out.encode()).decode()}"
        is_admin = document == "admin"
        root = f"{installation.base_url}{'/admin' if is_admin else ''}"
        headers = {"Authorization": f"Bearer {ADMIN_TOKEN}" if is_admin else token}
        faults = await asyncio.to_thread(_ask_all, document, root, headers)
        assert faults == [], "\n".join(faults)
        await _read_back(installation.base_url, token)


def _ask_all(document: str, root: str, headers: Mapping[str, str]) -> list[str]:
    """Ask for every operation, as the document allows and otherwise; gives what went wrong."""
    schema = schemathesis.openapi.from_dict(json.loads((OPENAPI / f"{document}.json").read_text()))
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    assert len(operations) > 20
    return [
        fault
        for operation in operations
        if (operation.method.upper(), operation.path) not in LEFT_OUT
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
        for real in ({}, REAL)
        for fault in _ask(operation, mode, real, root, headers)
    ]


def _ask(
    operation: Operation,
    mode: GenerationMode,
    real: Mapping[str, str],
    root: str,
    headers: Mapping[str, str],
) -> Iterator[str]:
    named = {each.name for each in operation.path_parameters}
    path = {name: value for name, value in real.items() if name in named} or None

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    @given(case=operation.as_strategy(mode, path_parameters=path))
    def ask(case: Case[Any]) -> None:
        response = case.call(base_url=root, headers=dict(headers))
        try:
            case.validate_response(response, checks=CHECKED)
            if "/ocpi/" in operation.path:
                answer = response.json()
                assert isinstance(answer["status_code"], int), answer
                assert answer["timestamp"].endswith("Z"), answer
                assert "x-request-id" in response.headers
        except (Failure, FailureGroup, AssertionError) as failure:
            failure.add_note(f"{case.as_curl_command()} -> {response.status_code} {response.text}")
            raise

    try:
        ask()
    except (Failure, FailureGroup, AssertionError) as failure:
        yield f"{operation.label} ({mode.name.lower()}): {_told(failure)}"


def _told(failure: BaseException) -> str:
    inner = getattr(failure, "exceptions", [failure])
    told = [f"{type(each).__name__}: {str(each)[:800]}" for each in inner]
    return "; ".join([*told, *(note[:3000] for note in failure.__notes__)])


async def _read_back(base_url: str, token: str) -> None:
    """Every list is whole and strictly as OCPI has it, whatever was written."""
    async with httpx.AsyncClient(headers={"Authorization": token, **US}) as client:
        for module in ("locations", "tariffs", "sessions", "cdrs"):
            url = f"{base_url}/ocpi/cpo/2.2.1/sender/{module}?date_from=1970-01-01T00:00:00Z"
            objects = [each async for each in _pages(client, url)]
            for each in objects:
                assert defects(each, MODELS[module]) == [], each


async def _pages(client: httpx.AsyncClient, url: str) -> Any:
    while url:
        answer = await client.get(url)
        assert answer.json()["status_code"] == 1000, answer.text[:500]
        for each in answer.json()["data"]:
            yield each
        url = answer.links.get("next", {}).get("url", "")
