"""What a process does beside answering requests: duties that run side by side until it ends."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from ocpi.messages import log


class Duty(Protocol):
    """Something that runs until it is told to stop, and then hands over what it has."""

    async def run(self) -> None:
        """Do it until `stop`; survives whatever fails."""
        ...

    async def stop(self) -> None:
        """Have `run` come to its end."""
        ...


@asynccontextmanager
async def on_duty(duties: Sequence[Duty]) -> AsyncIterator[None]:
    """Run duties for as long as the block lasts; each has ended when it is left.

    One that fails is logged at once and stops no other.
    """
    running = [asyncio.create_task(_do(duty)) for duty in duties]
    try:
        yield
    finally:
        await asyncio.gather(*(duty.stop() for duty in duties))
        await asyncio.gather(*running)


async def _do(duty: Duty) -> None:
    try:
        await duty.run()
    except Exception:  # noqa: BLE001 - The others go on, and it is logged here.
        log.exception("a duty failed", duty=type(duty).__name__)
