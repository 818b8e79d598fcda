"""Tariffs and CDRs in files: one object, a list of them, or what holds them.

That is an OCPI answer with `data`, or what `ocpi cdr show --json` prints.
"""

import gzip
import zlib
from pathlib import Path
from typing import Any

from modules.tariffs.pricing import PricingError, Terms, read_tariff
from ocpi.spec.document import decode

Document = dict[str, Any]

_GZIP = b"\x1f\x8b"


class UnusableFile(ValueError):
    """The file does not hold what was asked for; the message says which file and what."""


def read_objects(path: Path) -> list[Document]:
    """Read the objects of a JSON file, which may be gzipped; raises UnusableFile."""
    try:
        raw = path.read_bytes()
        value = decode(gzip.decompress(raw) if raw.startswith(_GZIP) else raw)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise UnusableFile(f"{path.name} can't be read: {error}") from None
    if isinstance(value, dict) and "data" in value:
        value = value["data"]
    objects = value if isinstance(value, list) else [value]
    objects = [_bare(each) for each in objects]
    for number, each in enumerate(objects, 1):
        if not isinstance(each, dict):
            raise UnusableFile(f"{path.name}: record {number} is no object")
    if not objects:
        raise UnusableFile(f"{path.name} holds no object")
    return objects


def _bare(record: Any) -> Any:
    shown = isinstance(record, dict) and record.keys() == {"cdr", "receipts"}
    return record["cdr"] if shown else record


def read_cdr_file(path: Path) -> Document:
    """Read the one CDR of a file; raises UnusableFile."""
    objects = read_objects(path)
    if len(objects) > 1:
        raise UnusableFile(f"{path.name} holds {len(objects)} objects where one CDR is due")
    return objects[0]


def read_tariff_file(path: Path) -> list[Terms]:
    """Read the Tariffs of a file, ready to price by; raises UnusableFile."""
    return [_compiled(path, number, each) for number, each in enumerate(read_objects(path), 1)]


def _compiled(path: Path, number: int, document: Document) -> Terms:
    try:
        return read_tariff(document)
    except PricingError as error:
        raise UnusableFile(f"{path.name}: tariff {number}: {error}") from None
