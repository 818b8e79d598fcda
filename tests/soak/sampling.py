"""What a service takes while it runs for long, seen from outside, and whether that grows."""

from __future__ import annotations

import asyncio
import csv
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import linear_regression, median

import httpx
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.engine import make_url

from tests.benchmarks.processor import cpu_seconds, database_seconds, megabytes
from tests.flows.process import Serving
from tests.postgres import execute

GROWTH = 1.2
"""How many times as much may be taken at the end as after a third of the time."""
FILES = 10
"""Files beside that: connections to partners come and go."""
FEW = 9
"""With fewer samples there is nothing to judge."""
BARS = "▁▂▃▄▅▆▇█"
WIDTH = 60


@dataclass(frozen=True)
class Sample:
    """A moment; `seconds` since the first."""

    seconds: float
    memory_mb: float
    cpu_seconds: float
    """Of the service and of what its database does for it."""
    files: int
    database_mb: float
    feed: int
    """The number of the newest change, over all streams."""
    behind: int
    parked: int


@dataclass
class Sampler:
    """Takes a sample now and then, and keeps each in a file at once."""

    served: Serving
    path: Path
    began: float = 0.0

    async def watch(self, samples: list[Sample], every: float) -> None:
        """Go on until it is cancelled."""
        self.began = time.monotonic()
        with self.path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(Sample.__annotations__))
            writer.writeheader()
            async with self.served.installation.admin("") as client:
                while True:
                    samples.append(await self.take(client))
                    writer.writerow(asdict(samples[-1]))
                    file.flush()
                    await asyncio.sleep(every)

    async def take(self, client: httpx.AsyncClient) -> Sample:
        pid, url = self.served.process.pid, self.served.installation.database_url
        told = (await client.get("/metrics")).text
        sums = {
            family.name: int(sum(sample.value for sample in family.samples))
            for family in text_string_to_metric_families(told)
        }
        return Sample(
            seconds=round(time.monotonic() - self.began, 1),
            memory_mb=round(megabytes(pid), 1),
            cpu_seconds=round(cpu_seconds(pid) + database_seconds(url), 1),
            files=open_files(pid),
            database_mb=round(await asyncio.to_thread(database_megabytes, url), 1),
            feed=sums["ocpi_feed_head"],
            behind=sums["ocpi_push_behind"],
            parked=sums["ocpi_push_parked"],
        )


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def database_megabytes(url: str) -> float:
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        size = execute(
            parsed.set(drivername="postgresql"), "SELECT pg_database_size(current_database())"
        )
        assert isinstance(size, int)
        return size / 1e6
    path = Path(str(parsed.database))
    return sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*")) / 1e6


def growing(samples: Sequence[Sample]) -> list[str]:
    """What is taken more and more of, once the first third has warmed everything."""
    if len(samples) < FEW:
        return []
    third = len(samples) // 3
    middle, last = samples[third : 2 * third], samples[-third:]
    faults = []
    before, after = (median(each.memory_mb for each in part[:3]) for part in (middle, last[::-1]))
    if after > before * GROWTH:
        faults.append(f"memory: {before} MB after a third, {after} MB at the end")
    # Connections to partners that hang come and go; what is lost never comes back.
    usual, now = (median(each.files for each in part) for part in (middle, last))
    if now > usual * GROWTH + FILES:
        faults.append(f"open files: {usual} in the second third, {now} in the last")
    return faults


def slope(samples: Sequence[Sample]) -> float:
    """Megabytes an hour by which memory grows after the first third."""
    rest = samples[len(samples) // 3 :]
    if len(rest) < 2:
        return 0.0
    line = linear_regression([x.seconds / 3600 for x in rest], [x.memory_mb for x in rest])
    return line.slope


def drawn(values: Sequence[float]) -> str:
    """A line of bars from the least to the most."""
    places = min(len(values), WIDTH)
    shown = [values[place * len(values) // places] for place in range(places)]
    least, span = min(values), max(values) - min(values)
    return "".join(BARS[round((each - least) / (span or 1) * (len(BARS) - 1))] for each in shown)
