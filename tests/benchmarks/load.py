"""Servers in processes of their own, and wrk as the load."""

import asyncio
import re
import shutil
from dataclasses import dataclass
from statistics import median

UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


class NoLoadGenerator(Exception):
    """Install wrk first (Debian: apt-get install wrk)."""


@dataclass(frozen=True)
class Load:
    """What one round of requests came to."""

    per_second: float
    p99_ms: float
    median_ms: float = 0.0
    requests: int = 0


async def press(
    url: str,
    authorization: str,
    *options: str,
    seconds: float = 4,
    connections: int = 32,
) -> Load:
    """Ask for a URL as often as it answers; with further options of wrk."""
    if shutil.which("wrk") is None:
        raise NoLoadGenerator(NoLoadGenerator.__doc__)
    process = await asyncio.create_subprocess_exec(
        "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency",
        "-H", f"Authorization: {authorization}", *options, url,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    told = (await process.communicate())[0].decode()
    if "Non-2xx" in told or "Socket errors" in told:
        raise AssertionError(told)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", told)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", told)
    half = re.search(r"50%\s+([\d.]+)(us|ms|s)", told)
    count = re.search(r"(\d+) requests in", told)
    assert rate, told
    assert p99, told
    assert half, told
    assert count, told
    return Load(
        float(rate[1]),
        float(p99[1]) * UNITS[p99[2]],
        float(half[1]) * UNITS[half[2]],
        int(count[1]),
    )


def middle(loads: list[Load]) -> Load:
    """The medians of some rounds."""
    return Load(median(load.per_second for load in loads), median(load.p99_ms for load in loads))
