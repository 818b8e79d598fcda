"""Bad requests, kept as data: each gets the answer that its line says, and changes nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from ocpi.spec import locations, sessions, tariffs, tokens
from ocpi.spec.document import encode
from ocpi.spec.reading import defects
from ocpi.testing import samples
from tests.house import (
    RECEIVER,
    RECEIVING,
    Service,
    codes_of,
    data_of,
    envelope_of,
    open_service,
)

Case = dict[str, Any]
FOLDER = Path(__file__).parent
FILES = sorted(path.stem for path in FOLDER.glob("*.jsonl"))
TOKENS = "/ocpi/cpo/2.2.1/receiver/tokens"
EVSE = samples.evse(1, uid="E1", connectors=[samples.connector(1)])
# What is there before, by who put it where.
STOCK: Mapping[tuple[str, str], tuple[Any, Any]] = {
    ("cpo", f"{RECEIVER}/locations/DE/CPO/X1"): (
        samples.location(id="X1", evses=[EVSE]),
        locations.Location,
    ),
    ("cpo", f"{RECEIVER}/tariffs/DE/CPO/X1"): (samples.tariff(id="X1"), tariffs.Tariff),
    ("cpo", f"{RECEIVER}/sessions/DE/CPO/X1"): (samples.session(id="X1"), sessions.Session),
    ("emsp", f"{TOKENS}/DE/MSP/X1"): (samples.token(uid="X1"), tokens.Token),
}


def read_cases(file: str) -> list[Case]:
    lines = (FOLDER / f"{file}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_each_request_has_a_name_of_its_own() -> None:
    names = [f"{file}: {case['name']}" for file in FILES for case in read_cases(file)]
    assert len(set(names)) == len(names) >= 1500


@asynccontextmanager
async def open_stocked(database_url: str) -> AsyncIterator[Service]:
    async with open_service(database_url, offers=RECEIVING) as service:
        for (who, url), (document, _) in STOCK.items():
            answer = await client_of(service, who).put(url, content=encode(document))
            assert codes_of(answer) == (201, 1000), answer.text
        yield service


def client_of(service: Service, who: str) -> httpx.AsyncClient:
    return {"cpo": service.cpo, "emsp": service.partner, "nobody": service.stranger}[who]


async def send(service: Service, case: Case) -> str | None:
    """Send a request as its line says; gives what is wrong with the answer."""
    content = bytes.fromhex(case["hex"]) if "hex" in case else case.get("body", "").encode()
    given = case.get("headers", {})
    headers = [
        (name.encode(), value.encode())
        for name, value in (given if isinstance(given, list) else given.items())
    ]
    client = client_of(service, case["as"])
    try:
        answer = await client.request(
            case["method"], case["path"], content=content or None, headers=headers
        )
        if case["method"] != "HEAD":
            envelope_of(answer)
    except (AssertionError, ValueError) as failure:
        return f"{case['name']}: {str(failure)[:200]}"
    code = case["code"] if case["method"] == "HEAD" else envelope_of(answer)["status_code"]
    found, due = (answer.status_code, code), (case["http"], case["code"])
    return None if found == due else f"{case['name']}: {found}, not {due}: {answer.text[:200]}"


@pytest.mark.pitfall("IP-01", "IP-04", "IP-08", "IP-26", "IP-27", "IP-31")
@pytest.mark.threat("TA-14", "TA-19", "TA-22", "TA-24")
@pytest.mark.parametrize("file", FILES)
async def test_a_bad_request_is_answered_as_its_line_says(database_url: str, file: str) -> None:
    async with open_stocked(database_url) as service:
        wrong = [await send(service, case) for case in read_cases(file)]
        assert [each for each in wrong if each] == []
        for (who, url), (document, model) in STOCK.items():
            stored = data_of(await client_of(service, who).get(url))
            assert stored == json.loads(encode(document))
            assert defects(stored, model) == []
        for module in ("locations", "tariffs", "sessions", "cdrs"):
            url = f"/ocpi/cpo/2.2.1/sender/{module}?date_from=1970-01-01T00:00:00Z"
            assert data_of(await service.partner.get(url)) == []
