"""The commands `ocpi station import` and `ocpi tariff import`: what they refuse, and say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from modules.stations.cli import import_tariffs, station_app
from ocpi.editing import Document
from ocpi.spec.document import decode, encode
from ocpi.testing import samples
from tests.house import OWNER
from tests.plainlog import log_plainly


@pytest.fixture(autouse=True)
def _installed(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set the environment of an installation that has nothing yet."""
    for name, value in {
        "OCPI_DATABASE_URL": sqlite_url,
        "OCPI_SECRET_KEY": "k" * 32,
        "OCPI_COUNTRY_CODE": OWNER["country_code"],
        "OCPI_PARTY_ID": OWNER["party_id"],
        "COLUMNS": "300",
    }.items():
        monkeypatch.setenv(name, value)
    yield
    # Commands log to the standard error that a test's runner gave them and has closed by now.
    log_plainly()


def run(*words: str, app: typer.Typer = station_app) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    return result.exit_code, result.stdout, " ".join(result.stderr.replace("│", " ").split())


def written(folder: Path, *documents: Document) -> str:
    path = folder / "file.json"
    path.write_text(encode(list(documents)))
    return str(path)


def location(name: str = "LOC-1", **over: Any) -> Document:
    return samples.location(**{**OWNER, "id": name, **over})


def shown(name: str) -> Document:
    code, stdout, _ = run("show", name, "--json")
    assert code == 0
    document: Document = decode(stdout)
    return document


def at_sea() -> Document:
    document = location(coordinates={"latitude": "0.00000", "longitude": "-30.00000"})
    del document["time_zone"]
    return document


def test_a_time_zone_that_there_is_not_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path, at_sea())
    code, stdout, stderr = run("import", file, "--time-zone", "Foo/Bar")
    assert (code, stdout) == (2, "")
    assert "There is no time zone 'Foo/Bar'." in stderr
    assert run("list", "--json")[1].startswith('{"total":0')
    _, stdout, _ = run("import", file)
    assert "the coordinates tell none: name one by --time-zone" in stdout
    assert run("import", file, "--time-zone", "Atlantic/Azores")[0] == 0
    assert shown("LOC-1")["time_zone"] == "Atlantic/Azores"


@pytest.mark.parametrize("options", [(), ("--dry-run",), ("--json",)])
def test_an_import_that_refused_something_ends_with_code_1(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    good, bad = location(), location("LOC-2", coordinates="nowhere", evses=[])
    file = written(tmp_path, good, bad)
    code, stdout, stderr = run("import", file, *options)
    assert (code, "LOC-2" in stdout) == (1, True)
    assert stderr.endswith("error: 1 record was refused; the others are not concerned.")
    assert run("import", written(tmp_path, good), *options)[0] == 0


def test_an_import_of_tariffs_does_so_too(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(import_tariffs)
    bad = [samples.tariff(id=name, elements=[]) for name in ("T1", "T2")]
    code, _, stderr = run(written(tmp_path, *bad), app=app)
    assert code == 1
    assert stderr.endswith("error: 2 records were refused; the others are not concerned.")


def test_a_tariff_that_there_is_not_is_refused(tmp_path: Path) -> None:
    document = location()
    for evse in document["evses"]:
        for connector in evse["connectors"]:
            connector.pop("tariff_ids", None)
    file = written(tmp_path, document)
    code, stdout, stderr = run("import", file, "--tariff", "tariff-1")
    assert (code, stdout) == (1, "")
    assert stderr == (
        "error: NL*TNM has no Tariff tariff-1: bring it in first, by `ocpi tariff import FILE`."
    )
    app = typer.Typer()
    app.command()(import_tariffs)
    file_of_tariffs = tmp_path / "tariffs.json"
    file_of_tariffs.write_text(encode([samples.tariff(**OWNER)]))
    assert run(str(file_of_tariffs), app=app)[0] == 0
    assert run("import", file, "--tariff", "tariff-1")[0] == 0
    plugs = [each for evse in shown("LOC-1")["evses"] for each in evse["connectors"]]
    assert {name for plug in plugs for name in plug["tariff_ids"]} == {"TARIFF-1"}


@pytest.mark.parametrize("command", ["list", "show", "tag", "set-status"])
def test_only_who_publishes_is_asked_as_whom(command: str) -> None:
    assert "publish" not in run(command, "--help")[1].partition("--party")[2].partition("DE*ABC")[0]
    assert "publish as" in run("import", "--help")[1]
