"""Files of stations and Tariffs are read into OCPI 2.2.1 documents: pure code, no database."""

from modules.stations.imports.reading import count_records, read_stations, read_tariffs
from modules.stations.imports.records import Imported, Refusal, Remark, UnreadableFileError

__all__ = [
    "Imported",
    "Refusal",
    "Remark",
    "UnreadableFileError",
    "count_records",
    "read_stations",
    "read_tariffs",
]
