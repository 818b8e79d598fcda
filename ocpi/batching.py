"""What comes while a transaction is under way is done in the next one, all together.

A commit waits for the disk, and its number for all before it; many at once wait as long as one. The
first of them waits for nobody, so that there is nothing to set: how many share a transaction
follows from how fast they come.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from contextlib import AbstractAsyncContextManager
from contextvars import Context
from typing import Any, TypeVar

from sqlmodel.ext.asyncio.session import AsyncSession

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST = 100
"""Items in a transaction at most: others wait for what it has locked."""

Work = Callable[[AsyncSession, Sequence[Item]], Awaitable[Sequence[Result | Exception]]]


class Batches:
    """The work of one process, in a queue for each kind."""

    def __init__(self, write: Callable[[], AbstractAsyncContextManager[AsyncSession]]) -> None:
        self._write = write
        self._queues: dict[Hashable, deque[tuple[Any, asyncio.Future[Any]]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def do(self, kind: Hashable, work: Work[Item, Result], item: Item) -> Result:
        """What `work` makes of an item, committed; raises what stands in its place.

        It is called with all items of a kind that wait, so that kind and work go together.
        """
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        queue = self._queues.get(kind)
        if queue is not None:
            queue.append((item, done))
        else:
            self._queues[kind] = deque([(item, done)])
            # It is nobody's work in particular, so none of whoever was first goes into it.
            task = asyncio.create_task(self._run(kind, work), context=Context())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await done

    async def _run(self, kind: Hashable, work: Work[Any, Any]) -> None:
        queue, batch = self._queues[kind], []
        try:
            while queue:
                batch = [queue.popleft() for _ in range(min(len(queue), MOST))]
                await self._do(work, batch)
        finally:
            # However it ends, whoever comes next begins anew, and nobody waits for ever.
            del self._queues[kind]
            for _, done in (*batch, *queue):
                if not done.done():
                    done.set_exception(RuntimeError("The work was broken off."))

    async def _do(
        self, work: Work[Any, Any], batch: Sequence[tuple[Any, asyncio.Future[Any]]]
    ) -> None:
        try:
            async with self._write() as db:
                outcomes = await work(db, [item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - It is raised where the work was asked for.
            if len(batch) > 1:
                # One of them may be to blame, and the others shall not pay for it.
                await asyncio.gather(*(self._do(work, [each]) for each in batch))
                return
            outcomes = [error]
        for (_, done), outcome in zip(batch, outcomes, strict=True):
            if done.done():
                continue
            if isinstance(outcome, Exception):
                done.set_exception(outcome)
            else:
                done.set_result(outcome)
