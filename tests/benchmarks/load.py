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
    """Good answers."""
    refused: int = 0
    """Answers of another kind."""
    broken: int = 0
    """Connections that were refused or broke, and answers that did not come."""


async def press(
    url: str,
    authorization: str,
    *options: str,
    seconds: float = 4,
    connections: int = 32,
    refusals: bool = False,
) -> Load:
    """Ask for a URL as often as it answers; with further options of wrk.

    With `refusals` answers may be other than good, and only good ones count.
    """
    if shutil.which("wrk") is None:
        raise NoLoadGenerator(NoLoadGenerator.__doc__)
    process = await asyncio.create_subprocess_exec(
        "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency",
        "-H", f"Authorization: {authorization}", *options, url,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    told = (await process.communicate())[0].decode()
    refused, broken = _bad_answers(told)
    if (refused or broken) and not refusals:
        raise AssertionError(told)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", told)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", told)
    half = re.search(r"50%\s+([\d.]+)(us|ms|s)", told)
    count = re.search(r"(\d+) requests in", told)
    assert rate, told
    assert p99, told
    assert half, told
    assert count, told
    good = int(count[1]) - refused
    return Load(
        float(rate[1]) * good / int(count[1]),
        float(p99[1]) * UNITS[p99[2]],
        float(half[1]) * UNITS[half[2]],
        good,
        refused,
        broken,
    )


def _bad_answers(told: str) -> tuple[int, int]:
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", told)
    errors = re.search(r"connect (\d+), read (\d+), write (\d+), timeout (\d+)", told)
    broken = sum(int(each) for each in errors.groups()) if errors else 0
    return int(refused[1]) if refused else 0, broken


def middle(loads: list[Load]) -> Load:
    """The medians of some rounds."""
    return Load(median(load.per_second for load in loads), median(load.p99_ms for load in loads))
