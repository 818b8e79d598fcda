"""Bytes that are no HTTP, or that two servers would read in two ways, sent to a real server."""

from __future__ import annotations

import asyncio
import json
import re
from base64 import b64encode
from pathlib import Path
from typing import Any

import httpx
import pytest

from ocpi.testing.emsp import MockEMSP, running
from tests.flows.process import Installation, offer

CASES: list[dict[str, Any]] = json.loads(
    Path(__file__).with_name("wire.json").read_text(encoding="utf-8")
)
LONG = "A" * 65_536


async def answers_to(port: int, raw: bytes) -> list[int]:
    """Give the status of every answer until the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(raw)
        writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 20)
    except ConnectionError:
        return []
    finally:
        writer.close()
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3})", answer)]


@pytest.mark.threat("TA-14", "TA-22", "TA-24")
async def test_bytes_that_are_read_in_two_ways_are_refused(sqlite_url: str, tmp_path: Path) -> None:
    installation = Installation(sqlite_url, tmp_path)
    async with installation.serving("--no-worker"), running(emsp := MockEMSP()):
        async with installation.admin() as admin:
            offered = await offer(admin)
        peer = await emsp.register(offered["versions_url"], offered["token"])
        token = f"Token {b64encode(peer.token_out.encode()).decode()}"
        wrong = []
        for case in CASES:
            text = case["raw"].replace("TOKEN", token).replace("LONG64", LONG)
            found = await answers_to(installation.port, text.encode("latin-1"))
            if found != case["http"]:
                wrong.append(f"{case['name']}: {found}, not {case['http']}")
        assert not wrong, "\n".join(wrong)
        async with httpx.AsyncClient(headers={"Authorization": token}) as client:
            answer = await client.get(offered["versions_url"])
        assert answer.json()["status_code"] == 1000
