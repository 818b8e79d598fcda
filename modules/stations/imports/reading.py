"""Files of stations and Tariffs become OCPI 2.2.1 documents, one at a time."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from modules.stations.imports import irve, ocpi211, ocpi221, stationcsv
from modules.stations.imports.acceptance import Acceptance, Outcome, accept_tariff
from modules.stations.imports.detect import FileFormat, detect
from modules.stations.imports.files import read_documents, read_rows
from modules.stations.imports.records import (
    Draft,
    Imported,
    Importer,
    Refusal,
    UnreadableFileError,
    UnusableError,
)


def read_stations(
    path: Path,
    *,
    country_code: str,
    party_id: str,
    default_time_zone: str | None = None,
    limit: int | None = None,
) -> Iterator[Outcome]:
    """Yield every Location of a file, and a refusal for everything that is lost.

    The owner of a document that names none is the given party; one that it names is kept, and
    `Imported.owner` tells it. `limit` is the number of Locations after which reading stops.
    Raises UnreadableFileError, with a sentence for people, when the file as a whole is no use.
    """
    importer = Importer(country_code, party_id, _moment(path), default_time_zone)
    acceptance = Acceptance()
    count = 0
    for draft in _draft_stations(path, importer):
        outcomes = [draft] if isinstance(draft, Refusal) else acceptance.accept_location(draft)
        for outcome in outcomes:
            if isinstance(outcome, Imported):
                if count == limit:
                    return
                count += 1
            yield outcome


def read_tariffs(path: Path, *, country_code: str, party_id: str) -> Iterator[Outcome]:
    """Yield every Tariff of a file of OCPI 2.2.1 or 2.1.1, or its refusal.

    A Tariff of 2.1.1 is one of 2.2.1 without an owner. Raises UnreadableFileError as above.
    """
    found = detect(path)
    if found is not FileFormat.TARIFFS:
        raise UnreadableFileError(f"{path.name} holds {found}, and no Tariffs")
    importer = Importer(country_code, party_id, _moment(path))
    for record in read_documents(path):
        yield record if isinstance(record, Refusal) else accept_tariff(importer.own(record))


def count_records(path: Path) -> int:
    """Return how many stations or Tariffs a file has, by a quick look, for a progress bar."""
    match detect(path):
        case FileFormat.IRVE_JSON:
            return irve.count_stations(read_documents(path))
        case FileFormat.IRVE_CSV:
            return irve.count_stations(read_rows(path))
        case FileFormat.STATION_CSV:
            return stationcsv.count_stations(read_rows(path))
    return sum(1 for _ in read_documents(path))


def _draft_stations(path: Path, importer: Importer) -> Iterator[Draft | Refusal]:
    match detect(path):
        case FileFormat.IRVE_JSON:
            yield from irve.draft_stations(read_documents(path), importer)
        case FileFormat.IRVE_CSV:
            yield from irve.draft_stations(read_rows(path), importer)
        case FileFormat.STATION_CSV:
            yield from stationcsv.draft_stations(read_rows(path), importer)
        case FileFormat.LOCATIONS:
            yield from _draft_locations(path, importer)
        case found:
            raise UnreadableFileError(f"{path.name} holds {found}, and no stations")


def _draft_locations(path: Path, importer: Importer) -> Iterator[Draft | Refusal]:
    for found in read_documents(path):
        if isinstance(found, Refusal):
            yield found
            continue
        older = ocpi211.is_older(found.values)
        draft_location = ocpi211.draft_location if older else ocpi221.draft_location
        try:
            yield draft_location(found, importer)
        except UnusableError as error:
            yield Refusal(found.name, error.field, error.reason)


def _moment(path: Path) -> datetime:
    """Return when the file was written, the best guess for what has no date of its own."""
    try:
        return datetime.fromtimestamp(int(path.stat().st_mtime), UTC)
    except OSError as error:
        raise UnreadableFileError(f"{path.name} can't be read: {error.strerror}") from error
