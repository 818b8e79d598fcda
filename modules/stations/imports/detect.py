"""Which kind of file a file is, told by what stands at its beginning."""

from collections.abc import Container, Iterable
from enum import StrEnum
from itertools import islice
from pathlib import Path

from modules.stations.imports import irvepoints, stationcsv
from modules.stations.imports.files import first_object, read_header, reading
from modules.stations.imports.records import UnreadableFileError

_SAMPLE = 4096
_EXPECTED = (
    "expected OCPI Locations or Tariffs (JSON or JSON lines), the French IRVE register (CSV or JSON"
    f" lines), or CSV with the columns {', '.join(stationcsv.COLUMNS)}"
)


class FileFormat(StrEnum):
    LOCATIONS = "OCPI Locations"
    TARIFFS = "OCPI Tariffs"
    IRVE_JSON = "the IRVE register as JSON"
    IRVE_CSV = "the IRVE register as CSV"
    STATION_CSV = "stations as CSV"


def detect(path: Path) -> FileFormat:
    """Raises UnreadableFileError saying what was expected and what was seen."""
    with reading(path) as text:
        start = text.read(_SAMPLE).lstrip()
    if not start:
        raise _unknown(path, "is empty")
    if start.startswith("<"):
        raise _unknown(path, "is HTML or XML")
    if start[0] in "[{":
        return _json_format(path)
    if _foreign(start) > len(start) // 10:
        raise _unknown(path, "is no text in UTF-8")
    return _csv_format(path)


def _json_format(path: Path) -> FileFormat:
    document = first_object(path)
    if document is None:
        raise _unknown(path, "is JSON without an object")
    if _has(document, irvepoints.MARKS):
        return FileFormat.IRVE_JSON
    if "elements" in document:
        return FileFormat.TARIFFS
    if "coordinates" in document or "evses" in document:
        return FileFormat.LOCATIONS
    raise _unknown(path, f"is JSON with the members {_list(document)}")


def _csv_format(path: Path) -> FileFormat:
    header = read_header(path)
    if _has(header, irvepoints.MARKS):
        return FileFormat.IRVE_CSV
    if not _has(header, stationcsv.MARKS):
        raise _unknown(path, f"begins with {_list(header)}")
    unknown = [column for column in header if column not in stationcsv.COLUMNS]
    if unknown:
        raise _unknown(path, f"has columns that are unknown: {_list(unknown)}")
    return FileFormat.STATION_CSV


def _has(names: Container[str], marks: tuple[str, ...]) -> bool:
    return all(mark in names for mark in marks)


def _foreign(text: str) -> int:
    """Return how many characters are NUL, as in UTF-16, or come of bytes that are no UTF-8."""
    return sum(character == "\0" or "\ud800" <= character <= "\udfff" for character in text)


def _list(names: Iterable[str]) -> str:
    return ", ".join(_printable(name) for name in islice(names, 8)) or "nothing"


def _printable(name: str) -> str:
    return name[:40].encode("ascii", "backslashreplace").decode()


def _unknown(path: Path, seen: str) -> UnreadableFileError:
    return UnreadableFileError(f"{path.name} {seen}; {_EXPECTED}")
