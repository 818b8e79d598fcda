"""What a process does beside answering requests: duties that run side by side until it ends."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
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


class Repeated:
    """A duty that takes a turn again and again until it is stopped, whatever fails meanwhile."""

    def __init__(
        self,
        turn: Callable[[], Awaitable[object]],
        *,
        pause: float,
        complaint: str,
        at_once: bool = True,
    ) -> None:
        """Turns are `pause` seconds apart; the first one is `at_once`, or after a pause.

        The `complaint` is logged with what a turn raises.
        """
        self._turn = turn
        self._pause = pause
        self._complaint = complaint
        self._at_once = at_once
        self._stopping = asyncio.Event()

    @property
    def stopping(self) -> bool:
        """Whether it was told to stop: a turn of many steps had better end."""
        return self._stopping.is_set()

    async def run(self) -> None:
        """Take turns until `stop`."""
        if not self._at_once:
            await self._rest()
        while not self._stopping.is_set():
            try:
                await self._turn()
            except Exception as error:  # noqa: BLE001 - The next turn tries again.
                log.warning(self._complaint, error=repr(error))
            await self._rest()

    async def stop(self) -> None:
        """End `run`, once a turn under way has ended."""
        self._stopping.set()

    async def _rest(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._pause):
                await self._stopping.wait()


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
