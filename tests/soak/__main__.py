"""`make soak`: for many minutes on each database, or on the one that SOAK_DATABASE names."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from tests.chaos.partners import Mood
from tests.chaos.scale import SEED
from tests.postgres import fresh_database, running_server
from tests.soak.running import Extent, report, soak

# With the three at the hub twelve of twenty do well.
MOODS = [Mood.WELL] * 9 + [Mood.SLOW] * 3 + [Mood.FLAPS] * 3 + [Mood.HOSTILE] * 2
BUILD = Path("build")


def main() -> int:
    """Give 0 when nothing was lost, nothing failed and nothing grew."""
    minutes = float(os.environ.get("SOAK_MINUTES", "30"))
    rate = float(os.environ.get("SOAK_RATE", "20"))
    named = os.environ.get("SOAK_DATABASE")
    extent = Extent(minutes * 60, rate, locations=700, moods=MOODS, every=10)
    BUILD.mkdir(exist_ok=True)
    faults = 0
    with running_server(durable=True) as server:
        for database in [named] if named else ["sqlite", "postgresql"]:
            print(f"{database}: {minutes:g} minutes, {rate:g} requests/s, seed {SEED}", flush=True)
            with tempfile.TemporaryDirectory() as text, fresh_database(server) as postgres:
                sqlite = f"sqlite+aiosqlite:///{text}/ocpi.sqlite"
                url = {"sqlite": sqlite, "postgresql": postgres}[database]
                kept = BUILD / f"soak-{database}"
                outcome = asyncio.run(soak(url, Path(text), extent, kept))
            print(report(outcome), flush=True)
            print(f"{kept}.csv, .jsonl and .log: written", flush=True)
            faults += len(outcome.faults)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
