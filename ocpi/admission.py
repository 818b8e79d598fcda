"""Admission: no more requests are worked on at once than the process can work on well.

Beyond its limit a process that takes all that comes does a little for everybody and finishes
nothing in time. So requests wait for a place in it, in a queue for each caller, and callers take
turns: one that asks for too much waits behind itself. Who has waited too long is told to come
back, and not before: one that is refused at once asks again at once, and a process that says no
all the time finishes nothing either.

A large body becomes many times its size while it is read, checked and stored, so that of those few
have a place at once, and no more of a body is read before it has one.
"""

import asyncio
from collections import OrderedDict, deque
from contextvars import ContextVar

from ocpi.errors import Overloaded

PLACES = 64
"""Requests that are worked on at once: enough for commits to be shared, few enough to be quick."""
PATIENCE = 1.0
"""Seconds that a request waits at most."""
LARGE = 256 * 1024
"""Bytes beyond which a body is large."""
LARGE_PLACES = 4
"""Of 4 MiB each takes 30 MB; more at once end no sooner, for one processor reads them all."""
LARGE_PATIENCE = 10.0
"""Seconds that a large one waits at most: each takes up to two."""

_held: ContextVar["_Place | None"] = ContextVar("place", default=None)


class Admission:
    """The places of a process, and who waits for them."""

    def __init__(
        self,
        *,
        places: int = PLACES,
        patience: float = PATIENCE,
        large: "Admission | None" = None,
    ) -> None:
        """`large` are the places of requests with large bodies, beside their others."""
        self.free = places
        self.large = large
        self._patience = patience
        self._queues: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self.waiting = 0

    def place(self, caller: str) -> "_Place":
        """A place to work in, for `async with`; raises ``Overloaded``.

        `caller` is whatever tells one caller from another before anything is known of it.
        """
        return _Place(self, caller)

    async def take(self, caller: str) -> None:
        """Wait for a place and take it; raises ``Overloaded``."""
        if self.free > 0:
            self.free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(caller, deque()).append(turn)
        self.waiting += 1
        try:
            async with asyncio.timeout(self._patience):
                await turn
        except BaseException as error:
            self._give_up(caller, turn)
            if isinstance(error, TimeoutError):
                raise Overloaded from None
            raise

    def _give_up(self, caller: str, turn: asyncio.Future[None]) -> None:
        queue = self._queues.get(caller, deque())
        if turn in queue:
            queue.remove(turn)
            self.waiting -= 1
            if not queue:
                del self._queues[caller]
        elif not turn.cancelled():
            # It was given a place in the same moment.
            self.give()

    def take_back(self) -> None:
        """Take a place again that was given up for a while: what has begun is not held up."""
        self.free -= 1

    def give(self) -> None:
        """Give a place up, to the caller whose turn it is."""
        self.free += 1
        while self.free > 0 and self._queues:
            caller, queue = self._queues.popitem(last=False)
            turn = queue.popleft()
            if queue:
                self._queues[caller] = queue
            self.waiting -= 1
            if not turn.done():
                self.free -= 1
                turn.set_result(None)


def whole() -> Admission:
    """The places of a process."""
    return Admission(large=Admission(places=LARGE_PLACES, patience=LARGE_PATIENCE))


class _Place:
    """One request's place, and whether it works in it or waits for somebody else."""

    __slots__ = ("_admission", "_before", "_caller", "_held", "_large", "_out")

    def __init__(self, admission: Admission, caller: str) -> None:
        self._admission = admission
        self._caller = caller
        self._held = False
        self._large = False
        self._out = 0

    async def __aenter__(self) -> None:
        await self._admission.take(self._caller)
        self._held = True
        self._before = _held.set(self)

    async def __aexit__(self, *_: object) -> None:
        _held.reset(self._before)
        self._held = False
        # One of its tasks may still be out, and has given the place up then.
        if not self._out:
            self._admission.give()
        if self._large and self._admission.large is not None:
            self._admission.large.give()

    async def enlarge(self) -> None:
        """Take a place among the large ones, too, once; raises ``Overloaded``."""
        if self._admission.large is not None and not self._large:
            await self._admission.large.take(self._caller)
            self._large = True

    def go_out(self) -> None:
        self._out += 1
        if self._out == 1 and self._held:
            self._admission.give()

    def come_in(self) -> None:
        self._out -= 1
        if self._out == 0 and self._held:
            self._admission.take_back()


async def enlarge() -> None:
    """Have the request wait until few are large, as it turns out to be; raises ``Overloaded``."""
    place = _held.get()
    if place is not None:
        await place.enlarge()


class away:  # noqa: N801 - It reads as the word that it is: `with away():`.
    """Within the block this request waits for somebody else, and others may have its place."""

    __slots__ = ("_place",)

    def __enter__(self) -> None:
        self._place = _held.get()
        if self._place is not None:
            self._place.go_out()

    def __exit__(self, *_: object) -> None:
        if self._place is not None:
            self._place.come_in()
