"""The demo shows the whole product, and stops when it is told to."""

import asyncio
import signal
from pathlib import Path

from tests.flows.process import Installation, free_port


async def test_the_demo_becomes_ready_beside_any_settings_and_stops_cleanly(
    sqlite_url: str, tmp_path: Path
) -> None:
    # The party of the demo's data, which these settings name as well, must not be in its way.
    installation = Installation(sqlite_url, tmp_path, party="NL*TSL")
    ports = ("--port", str(free_port()), "--emsp-port", str(free_port()))
    process = await installation.start("demo", *ports)
    assert process.stdout is not None
    told = ""
    async with asyncio.timeout(90):
        while "Ready after" not in told:
            line = await process.stdout.readline()
            assert line, told
            told += line.decode()
    assert "Imported 273 real Locations; 0 were refused." in told
    process.send_signal(signal.SIGINT)
    out, errors = await process.communicate()
    assert (process.returncode, out.decode().splitlines()[-1]) == (0, "Stopped."), errors.decode()
