"""What one partner is behind on, as its lane holds it in memory: bookkeeping without I/O.

The watermark of a stream is the number up to which the partner has heard everything, or has it
parked. Only that is stored, so whatever is lost with this memory is read again.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain

from ocpi.push.entry import Entry
from ocpi.push.feed import FeedRow, Stream
from ocpi.push.outcome import Doubt, Outcome
from ocpi.push.pace import Pace, micros
from ocpi.push.parking import Notes, Parking, Why
from ocpi.push.waiting import Waiting

_IN_TURN = (Stream.MONEY, Stream.STATE)
_MONEY_IN_ROW = 3
"""Sessions that are told in a row while what informs waits: they may never end."""


class Ledger:
    """The objects a partner is behind on, and how far it is up to date."""

    def __init__(self, pace: Pace, positions: dict[Stream, int], heads: dict[Stream, int]) -> None:
        """Begin at stored positions; what is not after `heads` may have been sent before."""
        self._pace = pace
        self.positions = positions
        self._known = dict(heads)
        self._entries: dict[Stream, dict[str, Entry]] = {stream: {} for stream in Stream}
        self._parked: dict[str, Entry] = {}
        self._busy: set[str] = set()
        self._waiting = Waiting(self._parked)
        self._was_parked = False
        """What was picked last was parked."""
        self._money_in_row = 0
        """New objects of the money stream that were picked since one of the other."""
        self._held: OrderedDict[str, int] = OrderedDict()
        self._blamed: dict[str, int] = {}
        self.notes = Notes()

    def __len__(self) -> int:
        return len(self._parked) + sum(len(entries) for entries in self._entries.values())

    @property
    def busy(self) -> int:
        """How many objects are in flight."""
        return len(self._busy)

    def holds(self, key: str) -> int:
        """The newest change of an object that this partner is known to hold."""
        return self._held.get(key, 0)

    def may_patch(self, entry: Entry, row: FeedRow) -> bool:
        """The partner is known to hold exactly the state before the newest change.

        That the watermark has passed `prev_seq` would not tell: the object may have moved on in the
        feed before it was read there.
        """
        held = max(self.holds(row.key), self.holds(row.order_key))
        usable = row.patch is not None and entry.parking is None and row.prev_seq != 0
        return usable and held >= row.prev_seq

    def hungry(self, stream: Stream) -> bool:
        """Half of the room for this stream is free, so that reading on is worth a query."""
        return len(self._entries[stream]) <= self._pace.batch // 2

    def full(self, stream: Stream) -> bool:
        return len(self._entries[stream]) >= self._pace.batch

    def watermark(self, stream: Stream) -> int:
        """The number up to which nothing is left to tell."""
        firsts = (e.first for e in self._entries[stream].values() if e.first is not None)
        # What was read ahead does not say that all before it is told.
        return min(chain(firsts, [self.positions[stream] + 1])) - 1

    def see(self, key: str, order_key: str, stream: Stream, seq: int, now: int) -> None:
        """Take a change from the feed that this partner must hear of."""
        if self.holds(key) >= seq:
            return
        parked = self._parked.get(key)
        entry = parked or self._entries[stream].get(key)
        if entry is None:
            doubt = Doubt.OLD if seq <= self._known[stream] else Doubt.NONE
            entry = Entry(key, order_key, stream, seq, seq, doubt=doubt)
            self._entries[stream][key] = entry
        elif seq > entry.seq:
            entry.seq = seq
            if parked is not None and not entry.busy:
                self._revive(parked, now)

    def is_told(self, key: str, seq: int) -> bool:
        """Nothing of a change is left to tell but what is parked."""
        return key in self._parked or self.holds(key) >= seq

    def read_ahead(self, key: str, order_key: str, stream: Stream, seq: int, now: int) -> None:
        """Have the next trial take this one of all new ones of its module, wherever it lies.

        What was read ahead for a former one is read again in its turn, and not kept until then.
        """
        entries, position = self._entries[stream], self.positions[stream]
        for other in [each for each in entries.values() if each.seq > position and not each.busy]:
            del entries[other.key]
        self.see(key, order_key, stream, seq, now)
        if entry := entries.get(key):
            entry.tried_at = -1

    def _revive(self, entry: Entry, now: int) -> None:
        """A parked object changed: what was refused may be accepted now."""
        parking = entry.parking
        assert parking is not None
        soon = max(now, entry.tried_at + micros(self._pace.again))
        if parking.is_put_off and parking.next_at is not None:
            soon = parking.next_at
        parking.next_at = soon if parking.next_at is None else min(parking.next_at, soon)
        if parking.kind in (Why.REJECTED, Why.DEAD, Why.DROPPED):
            parking.kind, parking.attempts = Why.REJECTED, 0
        self._note_parked(entry)

    def _note_parked(self, entry: Entry) -> None:
        """Its parking has changed."""
        assert entry.parking is not None
        self.notes.park(entry.key, entry.parking)
        self._waiting.put(entry)

    def load(self, key: str, order_key: str, stream: Stream, parking: Parking) -> None:
        """Take a row of `parked`, unless what is known here is newer."""
        if key in self.notes.parked or key in self.notes.unparked:
            return
        if (known := self._parked.get(key)) and known.parking == parking:
            return
        entry = known or self._entries[stream].pop(key, None)
        if entry is None:
            entry = Entry(key, order_key, stream, parking.seq, None)
        elif entry.busy:
            if entry.parking is None:
                self._entries[stream][key] = entry
            return
        entry.parking, entry.first = parking, None
        self.doubt(entry, maybe=parking.doubtful)
        self._parked[key] = entry
        self._waiting.put(entry)

    def pick(self, now: int) -> Entry | None:
        """The object to send next, marked busy: by turns parked ones that are due and new ones.

        Of the new ones money goes first, bills always. No kind waits for thousands of another.
        """
        return self._take(self._pick_next(now), now)

    def pick_for_trial(self, now: int, *, answered: bool) -> Entry | None:
        """The object that shall show whether the partner is back, marked busy.

        What it has refused, or failed on again and again, would show nothing. Only where its
        versions were not `answered` such a one is better than none, when it is due.
        """
        parked = (e for e in self._parked.values() if e.parking and e.parking.may_hurry(now))
        fresh = (self._entries[stream].values() for stream in _IN_TURN)
        free = list(_leading(self._free(chain(sorted(parked, key=_last_tried), *fresh))))
        doubts = self._pace.doubts
        witnesses = [e for e in free if e.parking is None or e.parking.is_blameless(doubts)]
        if not witnesses and not answered:
            witnesses = [e for e in free if e.parking is None or e.parking.is_due(now)]
        return self._take(min(witnesses, key=self._last_blamed, default=None), now)

    def pick_witness(self, now: int) -> Entry | None:
        """After a pause, as `pick`, but rather what the partner did not ask for one at."""
        fresh = chain.from_iterable(self._entries[stream].values() for stream in _IN_TURN)
        entry = min(_leading(self._free(fresh)), key=self._last_blamed, default=None)
        return self._take(entry or self._pick_next(now), now)

    def _last_blamed(self, entry: Entry) -> tuple[int, int]:
        """So that neither a module nor an object can keep the breaker open for all others."""
        return self.blamed_at(entry.module), entry.tried_at

    def blamed_at(self, module: str) -> int:
        """When an object of a module was last why nothing is sent; 0: never."""
        return self._blamed.get(module, 0)

    def _take(self, entry: Entry | None, now: int) -> Entry | None:
        if entry is not None:
            entry.busy, entry.tried_at = True, now
            self._busy.add(entry.order_key)
            self._was_parked = entry.parking is not None
            if not self._was_parked:
                money = entry.stream is Stream.MONEY
                self._money_in_row = self._money_in_row + 1 if money else 0
            self._waiting.remove(entry)
        return entry

    def _pick_next(self, now: int) -> Entry | None:
        new = self._pick_new()
        if new is not None and self._was_parked:
            return new
        return self._waiting.first(now, self._busy) or new

    def _pick_new(self) -> Entry | None:
        """Money first, but that each fourth is of the state stream where no CDR is waiting."""
        money, states = (self._free(self._entries[stream].values()) for stream in _IN_TURN)
        state = next(states, None)
        if state is None or self._money_in_row < _MONEY_IN_ROW:
            return next(money, state)
        # None that is behind its Session (IP-18).
        return next((entry for entry in _leading(money) if entry.module == "cdrs"), state)

    def _free(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        return (entry for entry in entries if entry.order_key not in self._busy)

    def next_due(self) -> int | None:
        """When the next parked object is due, of those that were not so at the last pick."""
        return self._waiting.next_due()

    def release(self, entry: Entry) -> None:
        """It was not told, and that is not its fault: others are tried before it."""
        self._land(entry)
        if entry.parking is None:
            self._entries[entry.stream].pop(entry.key)
            self._entries[entry.stream][entry.key] = entry
            self._queue_behind(entry)

    def _land(self, entry: Entry) -> None:
        entry.busy = False
        self._busy.discard(entry.order_key)
        self._waiting.free(entry)

    def put_off(self, entry: Entry, now: int) -> None:
        """The partner asks for a pause at it.

        Others show that it is over, see `pick_witness`; then it is the first, and shows if it is
        itself why.
        """
        self._land(entry)
        self._blamed[entry.module] = now

    def blame(self, entry: Entry, now: int) -> None:
        """Nothing is sent because of it, or still not: the next trial prefers another module."""
        self.release(entry)
        self._blamed[entry.module] = now

    def complete(self, entry: Entry, seq: int, *, told: bool, again_at: int | None = None) -> None:
        """Everything up to `seq` of it is told, or need not be.

        A change that came in meanwhile is still to be told, and would be lost without comparing.
        With `again_at` what was parked is told once more then, see `lanes.release_orphans`.
        """
        self.release(entry)
        if told:
            self._hold(entry.key, seq)
        entry.doubt = Doubt.NONE
        if entry.seq > seq and entry.parking is None:
            entry.first = entry.seq
            self._queue_behind(entry)
        elif entry.seq > seq:
            # It stays parked, but due: the watermark has passed its change and must not go back.
            entry.parking = Parking(entry.seq, Why.TRANSIENT, next_at=0)
            self._note_parked(entry)
        elif entry.parking is None:
            del self._entries[entry.stream][entry.key]
        elif again_at is not None:
            entry.parking = replace(entry.parking, seq=seq, kind=Why.LATE, next_at=again_at)
            self._note_parked(entry)
        else:
            self._unpark(entry, entry.parking)

    def _unpark(self, entry: Entry, parking: Parking) -> None:
        del self._parked[entry.key]
        self._waiting.remove(entry)
        self.notes.unpark(entry.key, parking)

    def _queue_behind(self, entry: Entry) -> None:
        """What came after it stays behind it: a CDR behind the end of its Session (IP-18)."""
        entries = self._entries[entry.stream]
        for other in list(entries.values()):
            if other.order_key == entry.order_key and other.seq > entry.seq:
                entries[other.key] = entries.pop(other.key)

    def _hold(self, key: str, seq: int) -> None:
        self._held[key] = seq
        self._held.move_to_end(key)
        if len(self._held) > self._pace.remembered:
            self._held.popitem(last=False)

    def doubt(self, entry: Entry, *, maybe: bool = False) -> None:
        """What the partner holds of it is not known any more: no PATCH before the next success.

        `maybe` it took what failed.
        """
        if maybe:
            entry.doubt = Doubt.FAILED
        self._held.pop(entry.key, None)
        self._held.pop(entry.order_key, None)

    def keep_doubt(self, entry: Entry, error: str, now: int) -> None:
        """What was POSTed may have arrived, which must outlive this process: it is parked.

        For nothing else: it is due at once, and what fails so again is not counted against it.
        """
        parking = entry.parking or Parking(
            entry.seq, Why.TRANSIENT, now, attempts=1, error=error[:500], first_failed_at=now
        )
        if not parking.doubtful:
            self._put_aside(entry, replace(parking, doubtful=True))

    def park(self, entry: Entry, seq: int, outcome: Outcome, why: Why, now: int) -> Parking:
        """Put it aside until its next try; it does not hold the watermark back any more.

        `seq` is the change that was tried: a newer one that came in meanwhile is tried soon.
        """
        self.release(entry)
        before = entry.parking or Parking(entry.seq, why, None, first_failed_at=now)
        attempts = before.attempts + 1
        mortal = why is Why.REJECTED and entry.stream is Stream.STATE
        dead = mortal and attempts >= self._pace.deaths
        wait = max(self._pace.retry_in(attempts), outcome.retry_after or 0)
        parking = Parking(
            seq=entry.seq,
            kind=Why.DEAD if dead else why,
            next_at=None if dead else now + micros(wait),
            attempts=attempts,
            doubtful=entry.doubt is Doubt.FAILED,
            http_status=outcome.http_status,
            status_code=outcome.status_code,
            error=outcome.sentence[:500],
            first_failed_at=before.first_failed_at or now,
        )
        self._put_aside(entry, parking)
        if entry.seq > seq:
            self._revive(entry, now)
        return parking

    def _put_aside(self, entry: Entry, parking: Parking) -> None:
        self._entries[entry.stream].pop(entry.key, None)
        entry.parking, entry.first = parking, None
        self._parked[entry.key] = entry
        self._note_parked(entry)

    def hurry(self, now: int) -> None:
        """The partner is back: what waited because of it is due, not what fails by itself."""
        for entry in self._parked.values():
            parking = entry.parking
            if parking is None or not parking.is_blameless(self._pace.doubts):
                continue
            if parking.next_at is not None and parking.may_hurry(now):
                parking.next_at = min(parking.next_at, now)
                self._note_parked(entry)

    def pass_over(self, stream: Stream, upto: int) -> None:
        """Leave untold what has changed in a stream, and what the partner failed on.

        What it refused stays parked: its absence is not to blame for that.
        """
        entries = self._entries[stream]
        self._entries[stream] = {key: entry for key, entry in entries.items() if entry.busy}
        for entry in list(self._parked.values()):
            parking = entry.parking
            failed = parking if parking and parking.kind is Why.TRANSIENT else None
            if entry.stream is stream and failed and not entry.busy:
                self._unpark(entry, failed)
        self.positions[stream] = max(self.positions[stream], upto)

    def take_notes(self) -> Notes:
        """What to store, once."""
        notes, self.notes = self.notes, Notes()
        return notes


def _leading(entries: Iterator[Entry]) -> Iterable[Entry]:
    """Of those that belong together the first: a CDR is no trial before its Session (IP-18).

    A parked one holds nothing back here either.
    """
    leading: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        leading.setdefault((entry.order_key, entry.key if entry.parking else ""), entry)
    return leading.values()


def _last_tried(entry: Entry) -> int:
    return entry.tried_at
