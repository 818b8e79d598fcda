"""Exports hold what they say, harm no spreadsheet, and read page by page."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import ocpi.exporting
from modules.cdrs.exporting import CDRS
from ocpi.cli import app
from ocpi.exporting import safe
from ocpi.headers import Party
from ocpi.spec.document import encode
from ocpi.testing import samples
from tests.house import OWNER, Service, open_service
from tests.modules.cdrs.receiving import register
from tests.plainlog import log_plainly


@pytest.fixture
async def service(database_url: str) -> AsyncIterator[Service]:
    async with open_service(database_url) as opened:
        yield opened


async def post(service: Service, name: str, day: int, **over: Any) -> None:
    token = samples.cdr_token(**over.pop("cdr_token", {}))
    dates = {"end_date_time": f"2026-01-{day:02}T12:00:00Z"}
    body = {**samples.cdr(id=name), **OWNER, "cdr_token": token, **dates, **over}
    content = encode({**body, "start_date_time": "2026-01-01T00:00:00Z"})
    answer = await service.admin.post("/admin/cdrs", content=content)
    assert answer.status_code == 201, answer.text


async def rows(service: Service, what: str = "cdrs", **query: str) -> list[dict[str, str]]:
    answer = await service.admin.get(f"/admin/{what}/export", params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(answer.text)))


async def test_cdrs_are_exported_by_their_end_page_by_page(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ocpi.exporting, "PAGE", 2)
    for day in range(1, 6):
        await post(service, f"CDR-{day}", day)
    assert [row["id"] for row in await rows(service)] == [f"CDR-{day}" for day in range(1, 6)]
    # From then on, and up to but not including.
    period = {"since": "2026-01-02T12:00:00Z", "until": "2026-01-04T12:00:00Z"}
    assert [row["id"] for row in await rows(service, **period)] == ["CDR-2", "CDR-3"]
    assert [row["id"] for row in await rows(service, since="2026-01-05")] == ["CDR-5"]
    assert [row["id"] for row in await rows(service, until="2026-01-02")] == ["CDR-1"]


async def test_json_lines_are_what_is_stored(service: Service) -> None:
    await post(service, "CDR-1", 1, remark='two, "lines"', its_own="kept")
    await post(service, "CDR-2", 2)
    for query in ({}, {"until": "2026-01-02"}):
        answer = await service.admin.get("/admin/cdrs/export", params={"format": "jsonl", **query})
        lines = answer.text.splitlines()
        assert len(lines) == 2 - len(query)
        assert json.loads(lines[0]) == (await service.admin.get("/admin/cdrs/NL/TNM/CDR-1")).json()


@pytest.mark.threat("TA-26")
async def test_a_cell_is_no_formula_and_a_number_stays_one(service: Service) -> None:
    await post(service, "CDR-1", 1, remark="=HYPERLINK(1)", meter_id="-5", total_energy=0.00001)
    await service.admin.post("/admin/cdrs/NL/TNM/CDR-1/credit")
    (row, credit) = await rows(service)
    assert list(row) == list(CDRS.columns)
    assert (row["remark"], row["meter_id"]) == ("'=HYPERLINK(1)", "'-5")
    assert row["total_energy"] == "0.00001"
    assert credit["total_cost_excl_vat"].startswith("-")
    assert (credit["credit"], credit["credit_reference_id"]) == ("true", "CDR-1")
    for evil in ("=1", "+1", "-1", "@x", "\tx", "\rx"):
        assert safe(evil) == f"'{evil}"


async def test_only_a_partner_s_drivers_are_exported_if_so_wished(service: Service) -> None:
    await register(service, "one", Party("DE", "ONE"))
    await post(service, "CDR-1", 1, cdr_token={"country_code": "DE", "party_id": "ONE"})
    await post(service, "CDR-2", 2)
    assert [row["id"] for row in await rows(service, partner="one")] == ["CDR-1"]
    assert await rows(service, partner="Newcomer") == []
    answer = await service.admin.get("/admin/cdrs/export", params={"partner": "nobody"})
    assert (answer.status_code, "ocpi partner list" in answer.text) == (404, True)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"since": "yesterday"}, "neither a date"),
        ({"since": "2026-02-01", "until": "2026-01-01"}, "later than since"),
        ({"format": "xlsx"}, "format"),
    ],
)
async def test_a_wish_that_makes_no_sense_is_refused(
    sqlite_url: str, query: dict[str, str], said: str
) -> None:
    async with open_service(sqlite_url) as service:
        answer = await service.admin.get("/admin/cdrs/export", params=query)
        assert (answer.status_code, said in answer.text) == (400, True)


async def test_sessions_are_exported_by_their_start(service: Service) -> None:
    await service.admin.put("/admin/sessions/NL/TNM/SESSION-1", json={**samples.session(), **OWNER})
    (row,) = await rows(service, "sessions", since="2026-01-15", until="2026-01-16")
    assert (row["id"], row["status"], row["kwh"]) == ("SESSION-1", "ACTIVE", "10.5")
    assert await rows(service, "sessions", since="2026-01-16") == []


def test_a_file_is_whole_or_not_there(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "OCPI_DATABASE_URL": sqlite_url,
        "OCPI_SECRET_KEY": "k" * 32,
        "OCPI_COUNTRY_CODE": "NL",
        "OCPI_PARTY_ID": "TNM",
    }.items():
        monkeypatch.setenv(name, value)
    file = tmp_path / "cdrs.csv"
    done = CliRunner().invoke(app, ["cdr", "export", "--output", str(file)])
    assert done.exit_code == 0, done.output
    assert file.read_text().startswith("id,country_code,")
    file.unlink()
    done = CliRunner().invoke(app, ["cdr", "export", "--output", str(file), "--partner", "x"])
    assert done.exit_code == 1
    done = CliRunner().invoke(app, ["session", "export", "--output", "/nowhere/x.csv"])
    assert (done.exit_code, "there is no folder /nowhere" in done.stderr) == (1, True)
    assert list(tmp_path.glob("*.csv*")) == []
    log_plainly()
