"""Whose turn it is: what a ledger picks is what looking at each of its objects would find."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable, Sequence
from itertools import count

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ocpi.push.entry import Entry
from ocpi.push.feed import Stream
from ocpi.push.ledger import Ledger
from ocpi.push.outcome import Kind, Outcome
from ocpi.push.pace import micros
from ocpi.push.parking import Parking, Why
from ocpi.push.queueing import Queue
from tests.ocpi.push.world import QUICK

NAMES, STREAMS = st.sampled_from("abcdef"), st.sampled_from(Stream)
# Those that are sent one after the other.
ORDER = {"a": "a", "b": "a", "c": "a", "d": "d", "e": "d", "f": "f"}
_PARKED = (Why.REJECTED.value, Why.TRANSIENT.value)
REFUSED = Outcome(Kind.OBJECT_FAULT, "No.", http_status=400, status_code=2001)


class OpenLedger(Ledger):
    """A ledger whose objects can be looked at."""

    def fresh(self, *streams: Stream) -> list[Entry]:
        return [each for stream in streams or Stream for each in self._entries[stream].values()]

    def waiting(self) -> list[Entry]:
        parked = self._parked.values()
        return [each for each in parked if each.parking and each.parking.next_at is not None]


class Turns(RuleBasedStateMachine):
    """A ledger to which anything happens, in any order."""

    def __init__(self) -> None:
        super().__init__()
        nothing = dict.fromkeys(Stream, 0)
        self.ledger = OpenLedger(QUICK, dict(nothing), nothing)
        self.now, self.seq, self.was_parked = 1_000_000_000, 0, False
        self.money_in_row = 0
        self.flying: list[Entry] = []

    @rule(name=NAMES, stream=STREAMS)
    def change(self, name: str, stream: Stream) -> None:
        self.seq += 1
        key, order_key = f"{stream}{name}", f"{stream}{ORDER[name]}"
        self.ledger.see(key, order_key, stream, self.seq, self.now)

    @rule(name=NAMES, stream=STREAMS, why=st.sampled_from([Why.LATE, Why.DEAD]))
    def load(self, name: str, stream: Stream, why: Why) -> None:
        parking = Parking(0, why, next_at=None if why is Why.DEAD else self.now)
        self.ledger.load(f"{stream}{name}", f"{stream}{ORDER[name]}", stream, parking)

    @rule()
    def pick(self) -> None:
        wanted = self.first()
        entry = self.ledger.pick(self.now)
        assert entry in wanted or (entry is None and not wanted)
        self.took(entry)

    @rule(answered=st.booleans())
    def pick_trial(self, *, answered: bool) -> None:
        waiting = self.free(self.ledger.waiting())
        fresh = self.free(self.ledger.fresh())
        blameless = [e for e in waiting if e.parking and e.parking.is_blameless(QUICK.doubts)]
        due = [] if answered else [each for each in waiting if due_at(each) <= self.now]
        entry = self.ledger.pick_for_trial(self.now, answered=answered)
        assert entry is None or entry in fresh + blameless + due
        # What is refused may stand before what is new of the same order.
        assert entry is not None or waiting or not fresh
        self.took(entry)

    def took(self, entry: Entry | None) -> None:
        self.now += 1
        if entry is not None:
            self.was_parked = entry.parking is not None
            if not self.was_parked:
                self.money_in_row = self.money_in_row + 1 if entry.stream is Stream.MONEY else 0
            self.flying.append(entry)

    def first(self) -> Sequence[Entry]:
        """Any of these may be picked."""
        due = self.free(each for each in self.ledger.waiting() if due_at(each) <= self.now)
        oldest = min((each.tried_at for each in due), default=0)
        parked = [each for each in due if each.tried_at == oldest]
        money, state = (
            self.free(self.ledger.fresh(stream))[:1] for stream in (Stream.MONEY, Stream.STATE)
        )
        # None of them is a bill.
        new = (state or money) if self.money_in_row >= 3 else (money or state)
        return (new or parked) if self.was_parked else (parked or new)

    def free(self, entries: Iterable[Entry]) -> list[Entry]:
        flying = {each.order_key for each in self.flying}
        return [each for each in entries if each.order_key not in flying]

    @rule(data=st.data(), how=st.sampled_from(["told", "late", *_PARKED, "released"]))
    def end(self, data: st.DataObject, how: str) -> None:
        if not self.flying:
            return
        entry = self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))
        seq = data.draw(st.integers(entry.seq - 1, entry.seq))
        if how in _PARKED:
            self.ledger.park(entry, seq, REFUSED, Why(how), self.now)
        elif how == "released":
            self.ledger.release(entry)
        else:
            again_at = self.now + micros(0.05) if how == "late" else None
            self.ledger.complete(entry, seq, told=False, again_at=again_at)

    @rule(seconds=st.sampled_from([0.001, 0.02, 0.1]))
    def wait(self, seconds: float) -> None:
        self.now += micros(seconds)

    @rule()
    def hurry(self) -> None:
        self.ledger.hurry(self.now)

    @rule()
    def store(self) -> None:
        self.ledger.take_notes()

    @rule(stream=STREAMS)
    def pass_over(self, stream: Stream) -> None:
        self.ledger.pass_over(stream, self.seq)

    @invariant()
    def the_lane_wakes_for_what_is_due_next(self) -> None:
        waits = [due_at(each) for each in self.ledger.waiting() if not each.busy]
        wakes = self.ledger.next_due()
        # What is due already is picked at once, or waits for something in flight, which wakes.
        later = min((at for at in waits if at > self.now), default=None)
        assert wakes == later or (wakes is not None and wakes <= self.now)


def due_at(entry: Entry) -> int:
    assert entry.parking is not None
    assert entry.parking.next_at is not None
    return entry.parking.next_at


TestTurns = Turns.TestCase


@given(st.lists(st.tuples(st.sampled_from("abc"), st.one_of(st.none(), st.integers(0, 9)))))
def test_a_queue_knows_of_each_its_last_place_alone(moves: list[tuple[str, int | None]]) -> None:
    queue, order = Queue(), count()
    places = dict[str, tuple[int, int]]()
    for name, at in moves:
        if at is None:
            queue.remove(name)
            places.pop(name, None)
        else:
            queue.put(name, at)
            places[name] = (at, next(order))
        first = min(places, key=lambda name: places[name], default=None)
        assert queue.first() == (None if first is None else (places[first][0], first))


def test_places_that_were_left_are_forgotten() -> None:
    queue = Queue()
    tracemalloc.start()
    for at in range(100_000):
        queue.put("a", at)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 100_000
    assert queue.first() == (99_999, "a")
