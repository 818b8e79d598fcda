"""Duties run side by side, and one that fails takes no other along."""

import asyncio

from ocpi.crew import on_duty


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
