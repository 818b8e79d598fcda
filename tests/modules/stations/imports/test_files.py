"""Files are told apart by what is in them, and one that is of no use says why."""

import gzip
from pathlib import Path

import pytest

from modules.stations.imports import Refusal, UnreadableFileError, files
from modules.stations.imports.detect import FileFormat, detect
from modules.stations.imports.stationcsv import TEMPLATE
from tests.modules.stations.imports.sample import (
    LOCATION,
    POINT,
    TARIFF,
    stations,
    tariffs,
    write,
    write_json,
    write_lines,
)

REGISTER_COLUMNS = ";".join(POINT)


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        ("", "is empty"),
        (" \n\n", "is empty"),
        ("<!doctype html><p>404</p>", "is HTML or XML"),
        ("name,price\na,1\n", "begins with name, price"),
        (TEMPLATE.strip() + ",colour\n", "has columns that are unknown: colour"),
        ('{"type": "FeatureCollection"}', "is JSON with the members type"),
        ("[]", "is JSON without an object"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "is no text in UTF-8"),
        ("a,b".encode("utf-16"), "is no text in UTF-8"),
    ],
)
def test_a_file_of_no_use_is_refused_with_what_was_seen_and_expected(
    tmp_path: Path, content: str | bytes, seen: str
) -> None:
    with pytest.raises(UnreadableFileError) as refused:
        stations(write(tmp_path / "file.txt", content))
    assert str(refused.value).startswith(f"file.txt {seen}; expected OCPI Locations or Tariffs")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('{"data": [}', "file.json is not JSON: JSON is malformed: "),
        ('{"data": null, "status_code": 2000}', "file.json is an OCPI envelope without data"),
        (gzip.compress(b"[" * 9_000, mtime=0)[:40], "file.json can't be read: "),
        (b"\x1f\x8bnonsense", "file.json can't be read: "),
    ],
)
def test_a_damaged_file_says_so(tmp_path: Path, content: str | bytes, sentence: str) -> None:
    with pytest.raises(UnreadableFileError) as refused:
        stations(write(tmp_path / "file.json", content))
    assert str(refused.value).startswith(sentence)


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match=r"absent\.json can't be read: No such file"):
        stations(tmp_path / "absent.json")


def test_a_file_of_the_other_kind_says_which_it_is(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="holds OCPI Tariffs, and no stations"):
        stations(write_json(tmp_path, TARIFF))
    with pytest.raises(UnreadableFileError, match="holds OCPI Locations, and no Tariffs"):
        tariffs(write_json(tmp_path, LOCATION))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (TEMPLATE, FileFormat.STATION_CSV),
        ("standard;location_id\n", FileFormat.STATION_CSV),
        (REGISTER_COLUMNS, FileFormat.IRVE_CSV),
        (gzip.compress(REGISTER_COLUMNS.encode(), mtime=0), FileFormat.IRVE_CSV),
    ],
)
def test_a_table_is_known_by_its_header(
    tmp_path: Path, content: str | bytes, expected: FileFormat
) -> None:
    assert detect(write(tmp_path / "file", content)) is expected


def test_bytes_that_are_no_utf_8_cost_their_row_only(tmp_path: Path) -> None:
    header = ",".join(POINT)
    row = ",".join("" if value is None else f'"{value}"' for value in POINT.values())
    latin = row.replace("FREXAP1", "FREXAP2").encode("latin-1")
    path = write(tmp_path / "file.csv", header.encode() + b"\n" + latin + b"\n" + row.encode())
    imported, refusals = stations(path)
    assert [each.document["id"] for each in imported] == ["FREXAP1"]
    assert refusals == [Refusal("line 2", "condition_acces", "is not UTF-8 text")]


def test_a_line_that_is_no_utf_8_costs_itself_only(tmp_path: Path) -> None:
    content = write_lines(tmp_path, LOCATION).read_bytes()
    imported, refusals = stations(write(tmp_path / "file", content + b'{"id": "\xe9"}\n'))
    assert [each.document["id"] for each in imported] == ["LOC1"]
    assert [(refusal.record, refusal.field) for refusal in refusals] == [("line 2", "")]


def test_a_cell_too_large_for_a_table_costs_its_row_only(tmp_path: Path) -> None:
    header = ",".join(POINT)
    row = ",".join("" if value is None else f'"{value}"' for value in POINT.values())
    huge = row.replace("Gare", "G" * 200_000)
    imported, refusals = stations(write(tmp_path / "file.csv", f"{header}\n{huge}\n{row}\n"))
    assert len(imported) == 1
    reason = "is no CSV: field larger than field limit (131072)"
    assert refusals == [Refusal("line 2", "", reason)]


def test_a_header_too_large_for_a_table_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="the first line is no CSV header: field larger"):
        stations(write(tmp_path / "file.csv", "x" * 200_000))


def test_a_document_too_large_to_hold_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_LARGEST_DOCUMENT", 100)
    with pytest.raises(UnreadableFileError, match="too large for one document: use JSON lines"):
        stations(write_json(tmp_path, LOCATION))


def test_an_empty_line_in_a_table_is_no_row(tmp_path: Path) -> None:
    assert stations(write(tmp_path / "file.csv", f"{TEMPLATE}\n\n")) == ([], [])
