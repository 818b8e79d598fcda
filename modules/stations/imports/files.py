"""Files, compressed or not, are cut into records: JSON in four layouts, and CSV."""

import csv
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

import msgspec

from modules.stations.imports.records import Document, Found, Refusal, UnreadableFileError
from ocpi.spec.document import decode

_GZIP = b"\x1f\x8b"
_ENCODING = "utf-8-sig"
_ON_ERROR = "surrogateescape"
_LARGEST_DOCUMENT = 512 * 1024 * 1024


def open_text(path: Path) -> TextIO:
    """Open a plain or gzip-compressed file; its first bytes tell which, not its name.

    Bytes that are no UTF-8 come as lone surrogates, so that they cost their record only.
    """
    with path.open("rb") as probe:
        compressed = probe.read(2) == _GZIP
    if compressed:
        return gzip.open(path, "rt", encoding=_ENCODING, errors=_ON_ERROR, newline="")
    return path.open(encoding=_ENCODING, errors=_ON_ERROR, newline="")


@contextmanager
def reading(path: Path) -> Iterator[TextIO]:
    """Open a file, and say so in a sentence when it or its compression is damaged."""
    try:
        with open_text(path) as text:
            yield text
    except (OSError, EOFError, zlib.error) as error:
        raise UnreadableFileError(f"{path.name} can't be read: {error}") from error


def read_documents(path: Path) -> Iterator[Found | Refusal]:
    """Yield the objects of a JSON file: an OCPI envelope, a list, one object, or JSON lines."""
    if _has_object_lines(path):
        with reading(path) as text:
            for number, line in enumerate(text, 1):
                if line.strip():
                    yield _decoded(f"line {number}", line.encode("utf-8", "surrogateescape"))
    else:
        for number, item in enumerate(_items(path), 1):
            yield _decoded(f"record {number}", bytes(item))


def read_rows(path: Path) -> Iterator[Found | Refusal]:
    """Yield the rows of a CSV file as columns and texts; an empty cell is None."""
    with reading(path) as text:
        rows, header = _csv_rows(text)
        while True:
            try:
                cells = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                yield Refusal(f"line {rows.line_num}", "", f"is no CSV: {error}")
                continue
            if cells:
                yield _row(f"line {rows.line_num}", header, cells)


def read_header(path: Path) -> list[str]:
    """Return the columns of a CSV file."""
    with reading(path) as text:
        return _csv_rows(text)[1]


def first_object(path: Path) -> Document | None:
    """Return the first readable object of a JSON file."""
    return next((each.values for each in read_documents(path) if isinstance(each, Found)), None)


def _has_object_lines(path: Path) -> bool:
    with reading(path) as text:
        lines = (line for line in text if line.strip())
        first, second = next(lines, ""), next(lines, "")
    return bool(second) and first.startswith("{") and (_is_object(first) or _is_object(second))


def _is_object(line: str) -> bool:
    try:
        return isinstance(decode(line), dict)
    except ValueError:
        return False


def _items(path: Path) -> list[msgspec.Raw]:
    """Cut a whole JSON document into its records, which stay text until each one's turn."""
    with reading(path) as text:
        raw = text.read(_LARGEST_DOCUMENT + 1).encode("utf-8", "surrogateescape")
    if len(raw) > _LARGEST_DOCUMENT:
        raise UnreadableFileError(f"{path.name} is too large for one document: use JSON lines")
    try:
        if not raw.lstrip().startswith(b"{"):
            return msgspec.json.decode(raw, type=list[msgspec.Raw])
        members = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        if "data" not in members:
            return [msgspec.Raw(raw)]
        data = members["data"]
        if bytes(data).startswith(b"["):
            return msgspec.json.decode(data, type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableFileError(f"{path.name} is not JSON: {error}") from None
    if bytes(data) == b"null":
        raise UnreadableFileError(f"{path.name} is an OCPI envelope without data")
    return [data]


def _decoded(label: str, raw: bytes) -> Found | Refusal:
    try:
        value: Any = decode(raw)
    except ValueError as error:
        return Refusal(label, "", str(error))
    return Found(label, value) if isinstance(value, dict) else Refusal(label, "", "is no object")


def _csv_rows(text: TextIO) -> tuple[Any, list[str]]:
    """Return the reader of the rows below the header, and the header."""
    first = text.readline()
    rows = csv.reader(chain([first], text), delimiter=max(",;\t", key=first.count))
    try:
        return rows, [column.strip() for column in next(rows, [])]
    except csv.Error as error:
        raise UnreadableFileError(f"the first line is no CSV header: {error}") from None


def _row(label: str, header: list[str], cells: list[str]) -> Found | Refusal:
    if len(cells) != len(header):
        return Refusal(label, "", f"has {len(cells)} cells where the header has {len(header)}")
    for column, cell in zip(header, cells, strict=True):
        if any("\ud800" <= character <= "\udfff" or character == "\0" for character in cell):
            return Refusal(label, column, "is not UTF-8 text")
    return Found(label, {column: cell or None for column, cell in zip(header, cells, strict=True)})
