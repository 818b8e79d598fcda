"""Checks of partners that go on in this process, while no browser waits for an answer."""

import asyncio
from dataclasses import dataclass

from ocpi.context import Context
from ocpi.errors import OCPIError
from ocpi.golive.asking import Writes
from ocpi.golive.checking import check_partner
from ocpi.messages import log

GRACE = 1.0
"""Seconds for which whoever begins a check waits: what hinders it is found by then."""


@dataclass
class _Running:
    """A check that goes on, or what it failed of."""

    before: int
    """The number of the newest report when it began."""
    step: str = "Begins"
    failure: str | None = None
    task: asyncio.Task[None] | None = None


class Checks:
    """One at a time for each partner; what they come to is in the database, for all processes."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._known: dict[str, _Running] = {}

    def step(self, name: str) -> str | None:
        """What a partner is asked just now; None: nothing, or another process asks."""
        known = self._known.get(name)
        return known.step if known and known.failure is None else None

    def failure(self, name: str, newest: int) -> str | None:
        """Why the last check here came to no report; None, too, where a newer one did elsewhere.

        `newest` is the number of the partner's newest report.
        """
        known = self._known.get(name)
        return known.failure if known and known.before == newest else None

    async def begin(self, name: str, wishes: Writes, newest: int) -> None:
        """Have a partner checked, unless it is being; gives before that is done."""
        if self.step(name) is None:
            running = self._known[name] = _Running(newest)
            running.task = asyncio.create_task(self._check(name, wishes, running))
            await asyncio.wait({running.task}, timeout=GRACE)

    async def _check(self, name: str, wishes: Writes, running: _Running) -> None:
        def note(step: str) -> None:
            running.step = step

        asked = asyncio.create_task(check_partner(self._context, name, wishes, note))
        ending = asyncio.create_task(self._context.ending.wait())
        try:
            await asyncio.wait({asked, ending}, return_when=asyncio.FIRST_COMPLETED)
            if asked.done():
                await asked
            self._known.pop(name)
        except OCPIError as error:
            running.failure = error.message
        except Exception:  # noqa: BLE001 - Whoever began it has gone: the log and the page tell.
            log.exception("a check of a partner has crashed", partner=name)
            running.failure = "An unexpected failure; it is logged."
        finally:
            asked.cancel()
            ending.cancel()
