"""Duties run side by side, and one that fails takes no other along."""

import asyncio

import pytest
from structlog.testing import capture_logs

from ocpi.crew import Repeated, on_duty


class Dutiful:
    """Runs until it is stopped, and takes its time to end."""

    def __init__(self) -> None:
        self.stopping = asyncio.Event()
        self.ended = False

    async def run(self) -> None:
        await self.stopping.wait()
        await asyncio.sleep(0.05)
        self.ended = True

    async def stop(self) -> None:
        self.stopping.set()


class Broken(Dutiful):
    """Fails at once."""

    async def run(self) -> None:
        raise RuntimeError("a bug")


async def test_a_duty_that_fails_stops_no_other_and_each_has_ended_behind_the_block() -> None:
    dutiful = Dutiful()
    async with on_duty([Broken(), dutiful]):
        await asyncio.sleep(0.01)
        assert not dutiful.ended
    assert dutiful.ended


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_repeated_duty_goes_on_after_a_turn_that_failed(*, at_once: bool) -> None:
    turns = asyncio.Queue[int]()
    count = 0

    async def turn() -> None:
        nonlocal count
        count += 1
        turns.put_nowait(count)
        if count == 1:
            raise RuntimeError("a bug")

    duty = Repeated(turn, pause=0.01, complaint="it failed", at_once=at_once)
    with capture_logs() as lines:
        async with asyncio.timeout(5), on_duty([duty]):
            assert [await turns.get() for _ in range(3)] == [1, 2, 3]
    assert [line["event"] for line in lines] == ["it failed"]


async def test_a_repeated_duty_that_is_stopped_in_its_pause_ends_at_once() -> None:
    taken: list[int] = []

    async def turn() -> None:
        taken.append(1)

    async with (
        asyncio.timeout(5),
        on_duty([Repeated(turn, pause=3600, complaint="", at_once=False)]),
    ):
        await asyncio.sleep(0)
    assert taken == []
