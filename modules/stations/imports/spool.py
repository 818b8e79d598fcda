"""Rows that belong together are parked on disk and read back group by group.

Rows of one station are scattered over a file; only their places are kept in memory.
"""

from collections.abc import Iterator
from tempfile import TemporaryFile
from types import TracebackType
from typing import Self

import msgspec

from modules.stations.imports.records import Found


class Spool:
    def __init__(self) -> None:
        self._file = TemporaryFile()  # noqa: SIM115 - the Spool itself is the context manager.
        self._places: dict[str, list[int]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, group: str, row: Found) -> None:
        self._places.setdefault(group, []).append(self._file.tell())
        self._file.write(msgspec.json.encode((row.label, row.values)) + b"\n")

    def groups(self) -> Iterator[tuple[str, list[Found]]]:
        """Yield the groups in the order of their first rows, each with its rows in their order."""
        for group, places in self._places.items():
            yield group, [self._read(place) for place in places]

    def _read(self, place: int) -> Found:
        self._file.seek(place)
        return Found(*msgspec.json.decode(self._file.readline()))
