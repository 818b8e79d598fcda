"""A process has a fifth of a processor."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tests.chaos.cluster import Member
from tests.chaos.crowding import Press
from tests.chaos.partners import Mood
from tests.chaos.scale import SCALE, WHOLE
from tests.chaos.scarcity import endure
from tests.flows.process import Serving

ON, OFF = 0.05, 0.2
PRESS = Press(callers=200 if WHOLE else 80, rest=0.5)


@asynccontextmanager
async def throttled(member: Member) -> AsyncIterator[None]:
    """Let it work for a fifth of the time, as the quota of a container does."""
    assert member.life is not None
    over = threading.Event()
    # In a thread, since this loop is busy with callers and partners.
    working = asyncio.create_task(asyncio.to_thread(take_turns, member.life, over))
    try:
        yield
    finally:
        over.set()
        await working


def take_turns(life: Serving, over: threading.Event) -> None:
    with suppress(ProcessLookupError):
        while not over.wait(ON):
            life.process.send_signal(signal.SIGSTOP)
            over.wait(OFF)
            life.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"][: 1 + WHOLE], indirect=True)
@pytest.mark.timeout(300)
async def test_a_fifth_of_a_processor_loses_nothing_that_was_acknowledged(
    database_url: str, tmp_path: Path
) -> None:
    spell = await endure(database_url, tmp_path, [Mood.WELL] * 2, throttled, PRESS, SCALE.scarce)
    assert spell.ends == []
    # It is asked for more than that.
    assert spell.processor < 0.35
    closed = set(spell.crowd.answers) - {"200/1000", "201/1000", "503/3000"}
    assert closed == set()
