"""Import of the 29,109 points of charge of the French register."""

import resource
import time
from pathlib import Path
from typing import Any

from tests.flows.process import Installation

DATA = Path(__file__).parents[2] / "ocpi" / "testing" / "data"


async def measure(folder: Path, database_url: str) -> dict[str, Any]:
    """Seconds and peak memory of `ocpi station import`, the first time and once more."""
    installation = Installation(database_url, folder, party="FR*ABC")
    result: dict[str, Any] = {}
    for run in ("first", "again"):
        started = time.monotonic()
        report = await installation.run_json(
            "station", "import", str(DATA / "irve-statique.json.gz"), code=1
        )
        result[f"{run} s"] = round(time.monotonic() - started, 1)
        result[run] = {name: report[name] for name in ("new", "updated", "unchanged")}
        result["refused"] = len(report["refused"])
    # ru_maxrss of the largest child so far, which nothing before this comes near.
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    result["peak MB"] = round(peak / 1024)
    return result
