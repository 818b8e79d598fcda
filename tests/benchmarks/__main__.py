"""`make bench`: runs every benchmark on both databases and prints a table and JSON."""

import asyncio
import json
import sys
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from tests.benchmarks import delivery, imports, overload, pages, prices, push, relay
from tests.postgres import fresh_database, running_server

BENCHMARKS: dict[str, Callable[[Path, str], Coroutine[Any, Any, dict[str, Any]]]] = {
    "page of 50 Locations": pages.measure,
    "status change to 20 partners": push.measure,
    "catalogue to 10 partners": delivery.measure,
    "relay of a Session": relay.measure,
    "overload": overload.measure,
    "import of 29,109 points of charge": imports.measure,
}
IN_MEMORY: dict[str, Callable[[], Coroutine[Any, Any, dict[str, Any]]]] = {
    "price of a CDR": prices.measure,
}


def main() -> None:
    """Run those benchmarks whose names hold the words given, or all."""
    wanted = " ".join(sys.argv[1:])
    results: dict[str, dict[str, Any]] = {}
    with running_server() as server:
        for name, measure in BENCHMARKS.items():
            if wanted not in name:
                continue
            for database in ("sqlite", "postgresql"):
                with tempfile.TemporaryDirectory() as text, fresh_database(server) as postgres:
                    folder = Path(text)
                    sqlite = f"sqlite+aiosqlite:///{folder / 'ocpi.sqlite'}"
                    url = sqlite if database == "sqlite" else postgres
                    result = asyncio.run(measure(folder, url))
                results[f"{name}, {database}"] = result
                print(f"{name}, {database}:", *(f"{k}={v}" for k, v in result.items()), sep="  ")
    for name, measure_alone in IN_MEMORY.items():
        if wanted in name:
            results[name] = asyncio.run(measure_alone())
            print(f"{name}:", *(f"{k}={v}" for k, v in results[name].items()), sep="  ")
    print(json.dumps(results))


if __name__ == "__main__":
    main()
