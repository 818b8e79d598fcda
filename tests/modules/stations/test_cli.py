"""The commands `ocpi station import` and `ocpi tariff import`: what they refuse, and say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from modules.stations.cli import station_app
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
