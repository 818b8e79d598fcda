"""What servers cost: seconds of the processor of a program and of what its database does for it."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from sqlalchemy.engine import make_url

from tests.benchmarks.load import Load, press

_TICK = os.sysconf("SC_CLK_TCK")
_AFTER = 1.3
"""Seconds until what is stored in the background, such as the message log, is stored as well."""
# On a machine that others use too an answer may take long, and is an answer all the same.
_PATIENT = ("--timeout", "30s")


def cpu_seconds(pid: int) -> float:
    """What a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def megabytes(pid: int) -> float:
    """What a process has in memory."""
    pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE") / 1e6


def database_seconds(url: str) -> float:
    """What the servers of PostgreSQL have used that serve one database; 0 for SQLite."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return 0.0
    total = 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().decode(errors="replace")
            if words.startswith("postgres:") and f" {parsed.database} " in words:
                total += cpu_seconds(int(folder.name))
        except OSError:
            continue  # It has ended meanwhile.
    return total


@dataclass
class Contender:
    """One server of those that take turns."""

    name: str
    pid: int
    url: str
    authorization: str
    options: Sequence[str] = ()
    database: str = "sqlite://"
    connections: int = 32
    seconds: float = 2
    per_cpu_second: list[float] = field(default_factory=list)
    loads: list[Load] = field(default_factory=list)

    async def be_asked(self, seconds: float) -> Load:
        """Answer for so many seconds."""
        options = (*self.options, *_PATIENT)
        return await press(
            self.url, self.authorization, *options, seconds=seconds, connections=self.connections
        )

    async def take_turn(self) -> None:
        """Answer for a while, and note what that took."""
        before = cpu_seconds(self.pid) + database_seconds(self.database)
        load = await self.be_asked(self.seconds)
        await asyncio.sleep(_AFTER)
        spent = cpu_seconds(self.pid) + database_seconds(self.database) - before
        self.loads.append(load)
        self.per_cpu_second.append(load.requests / max(spent, 1 / _TICK))

    @property
    def rate(self) -> float:
        """Requests per second of the processor, the median of its turns."""
        return median(self.per_cpu_second)


async def compare(ours: Contender, *others: Contender, rounds: int = 5) -> dict[str, float]:
    """Requests per CPU-second of each, and how many times that of the others ours is."""
    every = (ours, *others)
    for contender in every:
        # Statements and caches are there for good after a first round, which does not count.
        await contender.be_asked(1)
    for _ in range(rounds):
        for contender in every:
            await contender.take_turn()
    found = {f"{each.name} per CPU-second": round(each.rate) for each in every}
    return found | {f"times {each.name}": round(ours.rate / each.rate, 2) for each in others}
