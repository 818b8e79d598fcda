"""The commands `ocpi station charges`, `bill`, `dismiss`, `report`; and the OpenAPI document."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate
from typer.testing import CliRunner

from modules.stations.cli import station_app
from modules.stations.reports.examples import EXAMPLES
from modules.stations.reports.forms import FORMS
from ocpi.database import Database
from ocpi.documents import admin_document
from ocpi.opening import open_context
from ocpi.spec.document import decode, encode
from tests.house import OWNER
from tests.modules.stations.reports.yard import add_token, furnish, meter, start, stop
from tests.plainlog import log_plainly


@pytest.fixture
def _filled(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set the environment of an installation with one station."""
    for name, value in {
        "OCPI_BASE_URL": "https://ocpi.example",
        "OCPI_DATABASE_URL": sqlite_url,
        "OCPI_SECRET_KEY": "k" * 32,
        "OCPI_COUNTRY_CODE": OWNER["country_code"],
        "OCPI_PARTY_ID": OWNER["party_id"],
        "OCPI_NAME": "Example",
        "COLUMNS": "300",
    }.items():
        monkeypatch.setenv(name, value)
    act(furnish)
    yield
    # Commands log to the standard error that a test's runner gave them and has closed by now.
    log_plainly()


def run(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(station_app, words, catch_exceptions=False)
    return result.exit_code, result.stdout, result.stderr


def answer(*words: str, code: int = 0) -> Any:
    found, stdout, stderr = run(*words, "--json")
    assert found == code, stderr
    return decode(stdout)


def written(folder: Path, value: Any) -> str:
    path = folder / "reports.json"
    path.write_text(encode(value))
    return str(path)


@pytest.mark.usefixtures("_filled")
def test_reports_from_a_file_are_taken_listed_and_billed_again(tmp_path: Path) -> None:
    unknown = start("t2", evse_uid="EVSE-2", token={"uid": "NEW"})
    file = written(tmp_path, [start(), stop(kwh=105), unknown])
    told = answer("report", "loc-1", file, "--party", "nl-tnm")
    assert [each["result"] for each in told["results"]] == ["taken"] * 3
    assert told["results"][1]["cdr_id"]
    assert answer("charges")["total"] == 2
    [trouble] = answer("charges", "--trouble")["charges"]
    assert answer("charges", "--offset", "1")["charges"] == [answer("charges")["charges"][1]]
    assert (trouble["transaction_id"], trouble["evse_uid"]) == ("t2", "EVSE-2")
    number = str(trouble["id"])
    code, stdout, _ = run("charges", "--trouble")
    assert (code, "The token NEW is not known" in stdout, "t1" in stdout) == (0, True, False)
    assert stdout.endswith("1 of 1\n")
    [again] = answer("bill", number)["results"]
    assert (again["result"], again["note"]) == ("kept", trouble["trouble"])
    act(lambda database: add_token(database, uid="NEW"))
    [again] = answer("bill", number)["results"]
    assert again["result"] == "taken"
    assert answer("charges", "--trouble") == {"total": 0, "charges": []}


@pytest.mark.usefixtures("_filled")
def test_a_session_that_staff_have_dealt_with_is_listed_no_more(tmp_path: Path) -> None:
    answer("report", "LOC-1", written(tmp_path, [stop("t1"), stop("t2")]))
    first, second = answer("charges", "--trouble")["charges"]
    dismissed = answer("dismiss", str(first["id"]))
    assert (dismissed["id"], dismissed["trouble"]) == (first["id"], None)
    assert answer("charges", "--trouble")["charges"] == [second]
    code, stdout, _ = run("dismiss", str(second["id"]))
    assert (code, second["transaction_id"] in stdout) == (0, True)


def act(work: Callable[[Database], Awaitable[None]]) -> None:
    async def inside() -> None:
        async with open_context() as context:
            await work(context.database)

    asyncio.run(inside())


@pytest.mark.usefixtures("_filled")
def test_a_report_that_is_refused_ends_the_command_with_code_1(tmp_path: Path) -> None:
    file = written(tmp_path, [meter(kwh=-1), start()])
    told = answer("report", "LOC-1", file, code=1)
    assert [each["result"] for each in told["results"]] == ["refused", "taken"]
    code, stdout, _ = run("report", "LOC-1", file)
    assert code == 1
    assert "kwh: Input should be greater than or equal to 0" in stdout


@pytest.mark.usefixtures("_filled")
def test_what_cannot_be_done_is_said_in_a_sentence(tmp_path: Path) -> None:
    file = written(tmp_path, [])
    for words, sentence in (
        (("report", "NOWHERE", file), "There is no station NOWHERE"),
        (("report", "LOC-1", file, "--party", "DE*XXX"), "There is no station LOC-1"),
        (("bill", "77"), "There is no session 77"),
        (("dismiss", "77"), "There is no session 77"),
    ):
        code, _, stderr = run(*words)
        assert (code, sentence in stderr) == (1, True), stderr
    (tmp_path / "reports.json").write_text("{")
    code, _, stderr = run("report", "LOC-1", file)
    assert (code, "The body is not JSON" in stderr) == (1, True)


def test_the_openapi_document_describes_every_report_with_an_example() -> None:
    document = admin_document()
    validate(document)
    body = document["paths"]["/stations/{station_id}/reports"]["post"]["requestBody"]
    content = body["content"]["application/json"]
    one = content["schema"]["anyOf"][0]["oneOf"]
    names = [each["$ref"].rpartition("/")[2] for each in one]
    assert names == [form.__name__ for form in FORMS.values()]
    schemas = document["components"]["schemas"]
    references = json.dumps(document).split('"#/components/schemas/')[1:]
    assert {each.partition('"')[0] for each in references} <= set(schemas)
    assert content["examples"] == {name: {"value": each} for name, each in EXAMPLES.items()}
    for name in names:
        assert schemas[name]["description"]
        assert schemas[name]["properties"]["type"]["const"] in EXAMPLES
    assert "only grows" in schemas["MeterReport"]["properties"]["kwh"]["description"]
