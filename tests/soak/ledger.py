"""Each request of a soak, written down before it is sent and when it was answered."""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GOOD = {"200", "201", "200/1000", "201/1000"}


@dataclass
class Entry:
    """A request under way; what became of it is set by who hears the answer."""

    outcome: str = "no answer"


class Ledger:
    """What was asked, how it went, and how long it took."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8")
        self.ms: defaultdict[str, list[float]] = defaultdict(list)
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.count = 0

    @contextmanager
    def request(self, kind: str, what: Any) -> Iterator[Entry]:
        """Write down an intent, and its outcome when the context is left, however that is."""
        self.count += 1
        number, began, entry = self.count, time.monotonic(), Entry()
        self._write({"number": number, "kind": kind, "what": what})
        try:
            yield entry
        finally:
            self.ms[kind].append((time.monotonic() - began) * 1000)
            self.outcomes[kind, entry.outcome] += 1
            self._write({"number": number, "outcome": entry.outcome})

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps({"at": round(time.time(), 3), **line}) + "\n")

    def bad(self) -> list[str]:
        """What did not go as it should: nothing in a soak keeps the service from answering."""
        return [
            f"{count} times {kind}: {outcome}"
            for (kind, outcome), count in self.outcomes.items()
            if outcome not in GOOD
        ]

    def close(self) -> None:
        self._file.close()
