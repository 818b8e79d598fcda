"""One process' part in pulling partners' Tokens on a schedule."""

import asyncio
from contextlib import suppress

from modules.tokens import syncs
from modules.tokens.issuers import Issuer, read_issuers
from modules.tokens.pulling import pull
from ocpi.context import Context
from ocpi.messages import log


class Puller:
    """Pulls Tokens where they are due: at the start, of new partners, and every few hours (TR-18).

    `run` it; `stop` it to end. Of all processes one pulls from a partner at a time, and a slow one
    delays no other. A pull that is cut off is taken up again when its lease has ended.
    """

    def __init__(self, context: Context, *, look: float = 30.0) -> None:
        """Look every `look` seconds at what is due."""
        self._context = context
        self._look = look
        self._stopping = asyncio.Event()
        self._pulls: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Pull until stopped or cancelled, whatever partners and the database do."""
        try:
            if self._context.settings.token_pull_hours == 0:
                await self._stopping.wait()
            started = False
            while not self._stopping.is_set():
                started = await self._turn(started=started)
                await self._pause()
        finally:
            for task in self._pulls:
                task.cancel()
            await asyncio.gather(*self._pulls, return_exceptions=True)

    async def stop(self) -> None:
        """End `run`; a pull under way is dropped, and what it has stored stays."""
        self._stopping.set()

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._look):
                await self._stopping.wait()

    async def _turn(self, *, started: bool) -> bool:
        """Begin what is due; gives whether the database took part."""
        try:
            issuers = {each.partner_id: each for each in await read_issuers(self._context)}
            listing = [key for key, each in issuers.items() if each.url is not None]
            async with self._context.database.write() as db:
                if not started:
                    await syncs.catch_up(db)
                due = await syncs.take_due(db, listing)
        except Exception as error:  # noqa: BLE001 - it outlives whatever fails.
            log.warning("tokens: the puller's turn failed", error=repr(error))
            return started
        for partner_id in due:
            task = asyncio.create_task(self._pull(issuers[partner_id]))
            self._pulls.add(task)
            task.add_done_callback(self._pulls.discard)
        return True

    async def _pull(self, issuer: Issuer) -> None:
        try:
            await pull(self._context, issuer)
        except Exception as error:  # noqa: BLE001 - the lease ends, and another turn tries again.
            log.warning("tokens: a pull failed", partner=issuer.target.name, error=repr(error))
