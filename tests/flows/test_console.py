"""The console of a real process: staff sign in, watch, and the process ends when it is told to."""

import asyncio
import re
import signal
from pathlib import Path

import httpx

from tests.flows.process import Installation


async def test_a_page_that_is_open_hears_of_changes_and_does_not_hold_the_process_up(
    sqlite_url: str, tmp_path: Path
) -> None:
    installation = Installation(sqlite_url, tmp_path)
    added = await installation.run_json("user", "add", "anna")
    async with (
        installation.serving() as served,
        httpx.AsyncClient(base_url=installation.base_url, timeout=20) as browser,
    ):
        fields = {"name": "anna", "password": added["password"]}
        answer = await browser.post("/console/sign-in", data=fields)
        assert answer.headers["location"] == "/console"
        async with browser.stream("GET", "/console/events") as events:
            messages = events.aiter_text()
            assert (await anext(messages)).startswith("retry: 2000\n")
            await installation.run("partner", "add", "acme", *EMSP)
            assert "event: changed" in await anext(messages)
            page = await browser.get("/console/partners")
            assert re.search(r"acme</a>", page.text)
            # Without being told, the stream would go on for minutes.
            async with asyncio.timeout(5):
                ended = asyncio.create_task(served.stop())
                assert len([each async for each in messages]) <= 1
                log = await ended
    # uvicorn ends by the signal that it was sent.
    assert served.process.returncode == -signal.SIGTERM
    assert "Traceback" not in log


EMSP = ("--role", "EMSP", "--country-code", "DE", "--party-id", "ABC")
