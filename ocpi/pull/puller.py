"""One process' part in pulling partners' lists on a schedule."""

import asyncio
from contextlib import suppress

from ocpi.context import Context
from ocpi.messages import log
from ocpi.pull import syncs
from ocpi.pull.issuers import TheirList, read_lists
from ocpi.pull.pullable import Pullables
from ocpi.pull.pulling import pull


class Puller:
    """Pulls lists that are due: at the start, of new partners, and every few hours (TR-18).

    `run` it; `stop` it to end. Of all processes one pulls a list at a time, and a few slow partners
    delay no other. A pull that is cut off is taken up again when its lease has ended.
    """

    def __init__(self, context: Context, pullables: Pullables, *, look: float = 30.0) -> None:
        """Look every `look` seconds at what is due."""
        self._context = context
        self._pullables = pullables
        self._look = look
        self._stopping = asyncio.Event()
        self._woken = asyncio.Event()
        self._pulls: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Pull until stopped or cancelled, whatever partners and the database do."""
        try:
            if self._context.settings.pull_hours == 0:
                await self._stopping.wait()
            started = False
            while not self._stopping.is_set():
                self._woken.clear()
                started = await self._turn(started=started)
                await self._pause()
        finally:
            for task in self._pulls:
                task.cancel()
            await asyncio.gather(*self._pulls, return_exceptions=True)

    async def stop(self) -> None:
        """End `run`; a pull under way is dropped, and what it has stored stays."""
        self._stopping.set()
        self._woken.set()

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._look):
                await self._woken.wait()

    async def _turn(self, *, started: bool) -> bool:
        """Begin what is due and has room; gives whether the database took part."""
        room = syncs.AT_ONCE - len(self._pulls)
        if not room:
            return started
        try:
            lists = {each.key: each for each in await read_lists(self._context, self._pullables)}
            async with self._context.database.write() as db:
                if not started:
                    await syncs.catch_up(db)
                due = await syncs.take_due(db, lists.keys(), room)
        except Exception as error:  # noqa: BLE001 - it outlives whatever fails.
            log.warning("the puller's turn failed", error=repr(error))
            return started
        for key in due:
            task = asyncio.create_task(self._pull(lists[key]))
            self._pulls.add(task)
            task.add_done_callback(self._end)
        return True

    def _end(self, task: asyncio.Task[None]) -> None:
        """Have what waited for room looked at."""
        if len(self._pulls) == syncs.AT_ONCE:
            self._woken.set()
        self._pulls.discard(task)

    async def _pull(self, listed: TheirList) -> None:
        try:
            await pull(self._context, listed)
        except Exception as error:  # noqa: BLE001 - the lease ends, and another turn tries again.
            log.warning("a pull failed", partner=listed.name, error=repr(error))
