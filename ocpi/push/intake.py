"""What comes into a lane's ledger: the feed, page by page, and what is parked."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from random import random

from ocpi.database import Database
from ocpi.push.feed import Stream
from ocpi.push.ledger import Ledger
from ocpi.push.pace import Pace, boottime, micros
from ocpi.push.parking import Why
from ocpi.push.reading import Line, ParkedLine, read_order, read_page, read_parked
from ocpi.push.teller import Teller
from ocpi.push.watch import Watch
from ocpi.reply import LONGEST_WAIT


class Intake:
    """Reads for one lane, no more than there is room for in memory."""

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        teller: Teller,
        pace: Pace,
        watch: Watch,
        partner_id: int,
        note: Callable[[], None],
    ) -> None:
        """`note` is called when there is something to store."""
        self.stopping = False
        self.taken = 0
        """How often what there is to store was taken from the ledger."""
        self._database = database
        self._ledger = ledger
        self._teller = teller
        self._pace = pace
        self._watch = watch
        self._note = note
        self._partner_id = partner_id
        self._due_after, self._due_took = "", 0.0
        """Up to which key what is due was read, and how long that took."""
        self._due_again_at = 0.0

    async def load_parked(self) -> None:
        """Read all that is parked."""
        taken = self.taken
        async for lines in read_parked(self._database, self._partner_id):
            if taken != self.taken:
                # What was read may be older than what is known here.
                await self.load_parked()
                return
            self._load(lines)

    @property
    def rested(self) -> bool:
        """What is due was not read just now: others may have changed it, and seldom have."""
        return boottime() >= self._due_again_at

    async def load_due(self, until: int) -> None:
        """Read what is due, and the next time on from where something was stored meanwhile."""
        taken, begun = self.taken, boottime()
        async for lines in read_parked(self._database, self._partner_id, until, self._due_after):
            self._due_took += boottime() - begun
            begun = boottime()
            if taken != self.taken:
                return
            self._load(lines)
            if lines:
                self._due_after = lines[-1].key
        wait = min(self._pace.rest * self._due_took, self._pace.lease)
        self._due_again_at = boottime() + wait
        self._due_after, self._due_took = "", 0.0

    def _load(self, lines: Sequence[ParkedLine]) -> None:
        for key, order_key, stream, parking in lines:
            if stream is None:
                # The whole object is told, so that nothing is left to tell of the part.
                self._ledger.notes.unpark(key, parking)
                self._note()
                continue
            if parking.next_at is not None:
                # A clock that was set back must not make a wait longer than it is by design.
                longest = self._pace.longest_retry(parking.attempts)
                if parking.kind is Why.LATE:
                    longest = max(longest, self._pace.landing)
                if parking.http_status in (429, 503):
                    longest = max(longest, LONGEST_WAIT)
                parking.next_at = min(parking.next_at, self._watch.now() + micros(longest))
            self._ledger.load(key, order_key, stream, parking)

    def behind(self, stream: Stream) -> bool:
        """There is something to read."""
        return self._ledger.positions[stream] < self._watch.heads[stream]

    async def read(self) -> None:
        """Read the feed on, money first, as far as there is room in memory."""
        for stream in (Stream.MONEY, Stream.STATE):
            while self.behind(stream) and self._ledger.hungry(stream) and not self.stopping:
                await self._read_page(stream)
                await asyncio.sleep(0)

    async def sample(self) -> None:
        """Have the next trial take any object that is not told, and not the one whose turn it is.

        Those that a partner refuses alike may be all that there is room for in memory. It is as
        likely one of the newest ten as of the ninety before, or the nine hundred before these: what
        lies behind them is found after a few trials, be it much or little. Of what lies together
        there a module is taken that is not to blame, or was so longest ago.
        """
        heads, blamed_at = self._watch.heads, self._ledger.blamed_at
        behind = {stream: heads[stream] - self._ledger.watermark(stream) for stream in Stream}
        for stream in (stream for stream in Stream if behind[stream] > 0):
            at = heads[stream] - int(behind[stream] ** random())  # noqa: S311 - no secret.
            page = await read_page(self._database, stream, at, self._pace.page)
            untold = self._untold(page)
            if found := min(untold, key=lambda line: blamed_at(line.module), default=None):
                # What it is to be told after comes first (IP-18).
                low = self._ledger.watermark(stream)
                order = await read_order(self._database, stream, low, found.order_key)
                first = next(self._untold(order), found)
                now = self._watch.now()
                self._ledger.read_ahead(first.key, first.order_key, stream, first.seq, now)

    def _untold(self, lines: Sequence[Line]) -> Iterator[Line]:
        concerns, is_told = self._teller.addressee.concerns, self._ledger.is_told
        for line in lines:
            if concerns(line) and not is_told(line.key, line.seq):
                yield line

    async def _share_page(self, stream: Stream, at: int, head: int) -> Sequence[Line]:
        """A page, read once for all lanes of this worker that want it at the same moment.

        After a change thousands do, most of whose partners it does not concern, and each that it
        does would wait for their reads.
        """
        key, reading = (self._watch.server, stream, at, head), self._watch.reading
        if key not in reading:
            read = read_page(self._database, stream, at, self._pace.page)
            reading[key] = asyncio.ensure_future(read)
            reading[key].add_done_callback(lambda _: reading.pop(key))
        return await asyncio.shield(reading[key])

    async def _read_page(self, stream: Stream) -> None:
        head, positions = self._watch.heads[stream], self._ledger.positions
        at = positions[stream]
        page = await self._share_page(stream, at, head)
        addressee, fresh = self._teller.addressee, False
        self._note()
        for line in page:
            if self._ledger.full(stream):
                return
            concerned = addressee.concerns(line)
            if not concerned and addressee.may_hear(line.module, line.audience) and not fresh:
                # A party may be as new as the object.
                addressee, fresh = await self._teller.read(), True
                concerned = addressee.concerns(line)
            if positions[stream] != at:
                return  # While it was read the lane has passed over what it holds.
            at = positions[stream] = line.seq
            if concerned:
                self._ledger.see(line.key, line.order_key, stream, line.seq, self._watch.now())
        if len(page) < self._pace.page:
            # All that was numbered up to the head was visible to the query.
            positions[stream] = max(positions[stream], head)
