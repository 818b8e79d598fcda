"""Runs errands: asks stations, gives up in time, tells partners the results, ends reservations.

Any number of processes run one each on the same database; every step is taken by one of them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any
from weakref import WeakValueDictionary

from sqlalchemy import ColumnElement, Select, exists, literal_column
from sqlalchemy import select as select_columns
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from modules.commands.reservations import Reservation
from modules.stations.charges import Charge
from modules.stations.consequences import expire, expiring, give_up, not_asked, settle
from modules.stations.demands import demand_of
from modules.stations.reports.charging import close_overdue
from modules.stations.telling import tell_result
from ocpi.context import Context
from ocpi.database import CLOCK, DATABASE_ERRORS, clock
from ocpi.editing import Document
from ocpi.errands import AT_ONCE, Errand, overdue, take_new, take_untold
from ocpi.gateway import GatewayFailed
from ocpi.messages import log

POLL = 1.0
PAUSE = 5.0
LAST = 10.0
"""Seconds that what is under way has to end by itself, when the process is to end."""
# How much longer than the station has a request may be under way: its answer is refused then.
_SLACK = 1.0
# How long an answer that the database does not take is kept.
_PATIENCE = 60.0


class ErrandRunner:
    """Runs errands until it is stopped; whatever fails, it goes on."""

    def __init__(self, context: Context, *, poll: float = POLL, last: float = LAST) -> None:
        self._context = context
        self._database = context.database
        self._poll = poll
        self._last = last
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._lines: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._due = _due(literal_column(f"({CLOCK[context.database.engine.dialect.name]})"))

    async def run(self) -> None:
        """Run errands until `stop`; cancelled, it drops everything at once."""
        try:
            while not self._stopping:
                self._context.errands.clear()
                await self._wait(self._poll if await self._turn() else PAUSE)
            # What stations still answer is told; nothing new is asked.
            await self._let_end()
            await self._turn()
            await self._let_end()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def stop(self) -> None:
        """Begin nothing any more; `run` returns when what is under way has ended."""
        self._stopping = True
        self._context.errands.set()

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._context.errands.wait()

    async def _let_end(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._last)

    async def _turn(self) -> bool:
        """Look once at everything, and do what is due; False where that failed."""
        steps = (self._ask_new, self._tell_untold, self._give_up, self._expire, self._close)
        try:
            [due] = await self._database.fetch("errands.due", self._due, {})
            for step, is_due in zip(steps, due, strict=True):
                if is_due:
                    await step()
        except Exception as error:  # noqa: BLE001 - It outlives whatever fails.
            about_us = not isinstance(error, DATABASE_ERRORS)
            log.warning("errands: a turn failed", error=repr(error), exc_info=about_us)
            return False
        return True

    async def _ask_new(self) -> None:
        if self._stopping:
            return
        taken = await self._take(take_new)
        for errand in taken:
            self._begin(self._ask(errand))
        if len(taken) >= AT_ONCE:
            self._context.errands.set()  # There may be more.

    async def _tell_untold(self) -> None:
        for errand in await self._take(take_untold):
            self._begin(self._tell(errand))

    async def _take(self, take: Callable[[AsyncSession], Awaitable[Any]]) -> Sequence[Errand]:
        async with self._database.write() as db:
            taken: Sequence[Errand] = await take(db)
            return taken

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._guard(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:  # noqa: BLE001 - One errand may not end the others; its deadline remains.
            log.exception("errand failed")

    async def _ask(self, errand: Errand) -> None:
        """Ask the station; what it answers late is only undone."""
        async with self._database.read() as db:
            demand = await demand_of(db, errand)
        try:
            async with asyncio.timeout(demand.timeout + _SLACK):
                given = await self._context.gateway.ask(demand)
        except GatewayFailed as error:
            log.warning("station not asked", errand=errand.id, wish=errand.wish, reason=str(error))
            given = not_asked(errand)
        except TimeoutError:
            return  # Its deadline has passed, and with that it is settled.
        if given is not None:
            await self._keep(errand, given)

    @retry(
        retry=retry_if_exception_type(DATABASE_ERRORS),
        wait=wait_fixed(1),
        stop=stop_after_delay(_PATIENCE),
        reraise=True,
    )
    async def _keep(self, errand: Errand, given: Document) -> None:
        """Settle what will not be said a second time, also when the database is away."""
        await self._settle(errand, given)

    async def _settle(self, errand: Errand, given: Document) -> None:
        async with self._database.write() as db:
            await settle(db, errand, given, self._context.settings.currency)
        self._context.errands.set()

    async def _tell(self, errand: Errand) -> None:
        """Tell what goes to one address in its order: ACCEPTED, and only then that it is off."""
        line = self._lines.setdefault(errand.response_url, asyncio.Lock())
        async with line:
            await tell_result(self._context, errand)

    async def _give_up(self) -> None:
        async with self._database.read() as db:
            late = await overdue(db)
        for errand in late:
            await self._guard(self._settle(errand, give_up(errand)))

    async def _expire(self) -> None:
        """End reservations whose time is over (SE-17)."""
        async with self._database.read() as db:
            found = await db.exec(
                select(Reservation.id).where(expiring(await clock(db))).limit(100)
            )
            over = found.all()
        for number in over:
            if number is not None:
                await self._guard(self._expire_one(number))

    async def _expire_one(self, number: int) -> None:
        async with self._database.write() as db:
            await expire(db, number)

    async def _close(self) -> None:
        async with self._database.write() as db:
            await close_overdue(db, self._context.settings)


def _due(now: ColumnElement[int]) -> Select[bool, bool, bool, bool, bool]:
    """Whether there is anything for each step: one cheap read, since it is asked every second."""
    unanswered = col(Errand.answered_at).is_(None)
    answered = col(Errand.answered_at).is_not(None)
    return select_columns(
        exists().where(unanswered, col(Errand.asked_at).is_(None), col(Errand.deadline) > now),
        exists().where(answered, col(Errand.told_at).is_(None)),
        exists().where(unanswered, col(Errand.deadline) <= now),
        exists().where(expiring(now)),
        exists().where(col(Charge.closing_at) <= now, col(Charge.open).is_(True)),
    )
