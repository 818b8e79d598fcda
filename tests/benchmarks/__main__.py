"""`make bench`: runs each benchmark on both databases, prints tables, writes build/bench.json."""

import asyncio
import json
import sys
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from tests.benchmarks import (
    crowd,
    delivery,
    growth,
    imports,
    merged,
    overload,
    prices,
    push,
    relay,
    requests,
)
from tests.postgres import fresh_database, running_server

BENCHMARKS: dict[str, Callable[[Path, str], Coroutine[Any, Any, dict[str, Any]]]] = {
    "requests": requests.measure,
    "status change to 20 partners": push.measure,
    "catalogue to 10 partners": delivery.measure,
    "relay of a Session": relay.measure,
    "overload": overload.measure,
    "lists of a million Locations": growth.measure,
    "hub's list of 1,000 parties": merged.measure,
    "10,000 partners": crowd.measure,
    "import of 29,109 points of charge": imports.measure,
}
RESULTS = Path("build/bench.json")
IN_MEMORY: dict[str, Callable[[], Coroutine[Any, Any, dict[str, Any]]]] = {
    "price of a CDR": prices.measure,
}


def show(name: str, result: dict[str, Any]) -> None:
    """Print a table of what one benchmark found."""
    print(name)
    for what, value in result.items():
        print(f"  {what:<40} {value:>12}")


def main() -> None:
    """Run those benchmarks whose names hold the words given, or all."""
    wanted = " ".join(sys.argv[1:])
    results: dict[str, dict[str, Any]] = {}
    with running_server(durable=True) as server:
        for name, measure in BENCHMARKS.items():
            for database in ("sqlite", "postgresql"):
                if wanted not in f"{name}, {database}":
                    continue
                with tempfile.TemporaryDirectory() as text, fresh_database(server) as postgres:
                    folder = Path(text)
                    sqlite = f"sqlite+aiosqlite:///{folder / 'ocpi.sqlite'}"
                    url = sqlite if database == "sqlite" else postgres
                    result = asyncio.run(measure(folder, url))
                results[f"{name}, {database}"] = result
                show(f"{name}, {database}", result)
    for name, measure_alone in IN_MEMORY.items():
        if wanted in name:
            results[name] = asyncio.run(measure_alone())
            show(name, results[name])
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1))
    print(f"{RESULTS}: written")


if __name__ == "__main__":
    main()
