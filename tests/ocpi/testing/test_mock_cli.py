"""`ocpi mock emsp` and `ocpi mock cpo` run until they are interrupted."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE

import httpx
import pytest

from ocpi.testing.emsp import MockEMSP, running
from tests.ocpi.testing.caller import CPO

RUN = "from ocpi.testing.cli import mock_app; mock_app()"


async def start(*arguments: str, role: str = "emsp") -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", RUN, role, *arguments, stdout=PIPE, stderr=PIPE
    )


async def test_it_offers_a_token_and_stops_quietly() -> None:
    process = await start("--json", "--party-id", "TST", "--name", "Tester")
    assert process.stdout is not None
    told = json.loads(await process.stdout.readline())
    async with httpx.AsyncClient() as http:
        state = (await http.get(f"{told['page']}mock/state")).json()
    assert state["parties"][0]["party_id"] == "TST"
    assert state["token"] == told["token"]
    assert state["versions_url"] == told["versions_url"]
    assert state["counts"]["tokens"] == 1
    process.terminate()
    assert await process.wait() == 0


async def test_it_registers_with_a_platform_that_gave_it_a_token() -> None:
    cpo = MockEMSP((CPO,))
    async with running(cpo):
        process = await start("--versions-url", cpo.versions_url, "--token", cpo.token_a)
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode()
        assert line.startswith("versions_url: http://127.0.0.1:")
        assert cpo.peer is not None
        process.terminate()
        assert await process.wait() == 0
    assert cpo.violations == []


async def test_a_cpo_has_a_location_and_a_tariff_for_who_registers() -> None:
    emsp = MockEMSP()
    process = await start("--json", "--party-id", "TST", role="cpo")
    assert process.stdout is not None
    told = json.loads(await process.stdout.readline())
    async with running(emsp):
        await emsp.register(told["versions_url"], told["token"])
        await emsp.pull()
    assert [document["party_id"] for document in emsp.documents("locations")] == ["TST"]
    assert len(emsp.documents("tariffs")) == 1
    process.terminate()
    assert await process.wait() == 0
    assert emsp.violations == []


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (["--token", "alone"], 2, "belong together"),
        (["--versions-url", "http://127.0.0.1:1/versions", "--token", "x"], 1, "ConnectError"),
    ],
)
async def test_it_says_why_it_cannot_start(arguments: list[str], exit_code: int, said: str) -> None:
    process = await start(*arguments)
    output, errors = await process.communicate()
    assert (process.returncode, output) == (exit_code, b"")
    assert said in errors.decode()
