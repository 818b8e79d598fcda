"""The demos show the whole product, and stop when they are told to."""

import asyncio
import re
import signal
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from ocpi.cli import app
from tests.flows.process import Installation, free_port


async def listen(process: asyncio.subprocess.Process, words: str, seconds: float) -> str:
    """What a process says until it says the words."""
    assert process.stdout is not None
    told = ""
    async with asyncio.timeout(seconds):
        while words not in told:
            line = await process.stdout.readline()
            assert line, told
            told += line.decode()
    return told


async def start(sqlite_url: str, folder: Path, *words: str) -> asyncio.subprocess.Process:
    # The party of the demo's data, which these settings name as well, must not be in its way.
    installation = Installation(sqlite_url, folder, party="NL*TSL")
    ports = ("--port", str(free_port()), "--emsp-port", str(free_port()))
    return await installation.start("demo", *ports, *words)


async def sign_in(told: str) -> None:
    """Open the console as the demo tells to."""
    found = re.search(r"open (\S+)/console in a browser: the console, for demo with (\S+)", told)
    assert found is not None, told
    async with httpx.AsyncClient(base_url=found[1]) as browser:
        fields = {"name": "demo", "password": found[2]}
        answer = await browser.post("/console/sign-in", data=fields)
        assert answer.status_code == 303, answer.text
        page = await browser.get("/console/me")
    assert "<strong>admin</strong>" in page.text


async def interrupt(process: asyncio.subprocess.Process) -> None:
    process.send_signal(signal.SIGINT)
    out, errors = await process.communicate()
    assert (process.returncode, out.decode().splitlines()[-1]) == (0, "Stopped."), errors.decode()


async def test_the_demo_becomes_ready_beside_any_settings_and_stops_cleanly(
    sqlite_url: str, tmp_path: Path
) -> None:
    process = await start(sqlite_url, tmp_path)
    told = await listen(process, "Ready after", 90)
    assert "Imported 273 real Locations; 0 were refused." in told
    await sign_in(told)
    await interrupt(process)


@pytest.mark.timeout(300)
async def test_the_demo_of_the_hub_shows_every_scene_and_stops_cleanly(
    sqlite_url: str, tmp_path: Path
) -> None:
    process = await start(sqlite_url, tmp_path, "--hub")
    told = await listen(process, "That was everything once", 240)
    scenes = ("HubClientInfo", "Broadcast", "Direct", "Open routing", "Real time", "GET ALL")
    for scene in (*scenes, "Billing", "Absence"):
        assert f"{scene}: " in told
    assert "Failed: " not in told, told
    await sign_in(told)
    assert " 0 complaints." in told, told
    await interrupt(process)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--sessions 3", "--sessions and --database-url are for --replay alone."),
        ("--database-url sqlite+aiosqlite:///x", "--sessions and --database-url are for"),
        ("--replay --sessions 0", "greater than or equal to 1"),
        ("--hub --replay", "--hub and --replay are two demos: choose one of them."),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(words: str, sentence: str) -> None:
    answer = CliRunner().invoke(app, ["demo", *words.split()], env={"COLUMNS": "200"})
    assert answer.exit_code == 2
    assert sentence in answer.stderr
