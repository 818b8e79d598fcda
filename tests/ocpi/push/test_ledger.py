"""What a lane remembers, step by step."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ocpi.push.entry import Entry
from ocpi.push.feed import Stream
from ocpi.push.ledger import Ledger
from ocpi.push.outcome import Doubt, Kind, Outcome
from ocpi.push.pace import Pace, micros
from ocpi.push.parking import Parking, Why

PACE = Pace(jitter=0, batch=4, remembered=2)
NOW = 1_000_000_000
STATE = Stream.STATE
REFUSED = Outcome(Kind.OBJECT_FAULT, "No.", http_status=400, status_code=2001)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(PACE, {Stream.MONEY: 0, STATE: 0}, {Stream.MONEY: 0, STATE: 0})


def see(ledger: Ledger, key: str, seq: int, *, stream: Stream = STATE) -> None:
    """Read a change as a lane does."""
    ledger.positions[stream] = seq
    ledger.see(key, key.partition("/")[0], stream, seq, NOW)


def pick(ledger: Ledger, now: int = NOW) -> Entry:
    entry = ledger.pick(now)
    assert entry is not None
    return entry


def test_the_watermark_waits_for_the_oldest_change_that_was_not_told(ledger: Ledger) -> None:
    for seq, key in enumerate("abc", 1):
        see(ledger, key, seq)
    marks = [ledger.watermark(STATE)]
    a, b, c = (pick(ledger) for _ in range(3))
    for entry, seq in ((b, 2), (a, 1), (c, 3)):
        ledger.complete(entry, seq, told=True)
        marks.append(ledger.watermark(STATE))
    assert marks == [0, 0, 2, 3]
    assert len(ledger) == 0


def test_a_change_seen_while_its_predecessor_is_in_flight_is_told_too(ledger: Ledger) -> None:
    see(ledger, "a", 1)
    entry = pick(ledger)
    see(ledger, "a", 2)
    assert ledger.pick(NOW) is None
    ledger.complete(entry, 1, told=True)
    assert ledger.watermark(STATE) == 1
    assert pick(ledger) is entry


def test_what_came_after_a_change_in_the_same_order_is_told_after_it(ledger: Ledger) -> None:
    see(ledger, "s", 1)
    entry = pick(ledger)
    for seq, key in enumerate(("s/early", "s", "s/cdr", "x"), 2):
        see(ledger, key, seq)
    ledger.complete(entry, 1, told=True)
    order = []
    for _ in range(4):
        order.append(pick(ledger))
        ledger.complete(order[-1], order[-1].seq, told=True)
    assert [each.key for each in order] == ["s/early", "x", "s", "s/cdr"]


def test_a_change_that_was_read_when_it_was_sent_is_not_told_twice(ledger: Ledger) -> None:
    see(ledger, "a", 1)
    ledger.complete(pick(ledger), 5, told=True)
    see(ledger, "a", 5)
    assert (ledger.pick(NOW), ledger.watermark(STATE)) == (None, 5)


def test_money_goes_first_and_objects_that_belong_together_one_by_one(ledger: Ledger) -> None:
    see(ledger, "loc", 1)
    see(ledger, "loc/evse", 2)
    see(ledger, "cdr", 1, stream=Stream.MONEY)
    assert [pick(ledger).key, pick(ledger).key] == ["cdr", "loc"]
    assert (ledger.pick(NOW), ledger.busy) == (None, 2)


def test_a_parked_object_waits_its_turn_and_holds_nothing_back(ledger: Ledger) -> None:
    see(ledger, "a", 1)
    waits = []
    now = NOW
    for _ in range(7):
        parking = ledger.park(pick(ledger, now), 1, REFUSED, Why.REJECTED, now)
        assert (ledger.watermark(STATE), ledger.pick(now)) == (1, None)
        waits.append(parking.next_at and (parking.next_at - now) / 1e6)
        now = parking.next_at or now
    assert waits == [5, 60, 600, 3600, 21600, 86400, None]
    assert ledger.notes.parked["a"].kind is Why.DEAD


@pytest.mark.parametrize(("stream", "why"), [(Stream.MONEY, Why.REJECTED), (STATE, Why.TRANSIENT)])
def test_what_bills_and_what_failed_by_the_partner_never_die(
    ledger: Ledger, stream: Stream, why: Why
) -> None:
    see(ledger, "a", 1, stream=stream)
    now = NOW
    for _ in range(50):
        now = ledger.park(pick(ledger, now), 1, REFUSED, why, now).next_at or 0
    assert ledger.pick(now) is not None


def test_a_change_revives_what_is_dead_but_not_at_once_again(ledger: Ledger) -> None:
    see(ledger, "a", 1)
    now = NOW
    for _ in range(7):
        now = ledger.park(pick(ledger, now), 1, REFUSED, Why.REJECTED, now).next_at or now
    ledger.take_notes()
    ledger.see("a", "a", STATE, 2, now)
    parking = ledger.notes.parked["a"]
    assert (parking.kind, parking.attempts) == (Why.REJECTED, 0)
    assert parking.next_at == now + micros(PACE.again)


def test_a_change_during_a_try_that_fails_is_tried_soon(ledger: Ledger) -> None:
    see(ledger, "a", 1)
    entry = pick(ledger)
    entry.parking = Parking(1, Why.REJECTED, NOW, attempts=4)
    see(ledger, "a", 2)
    assert ledger.park(entry, 1, REFUSED, Why.REJECTED, NOW).next_at == NOW + micros(PACE.again)


def test_a_parked_object_that_changed_during_a_try_stays_parked_and_due(ledger: Ledger) -> None:
    see(ledger, "a", 1)
    parking = ledger.park(pick(ledger), 1, REFUSED, Why.REJECTED, NOW)
    now = parking.next_at or 0
    entry = pick(ledger, now)
    see(ledger, "a", 2)
    ledger.complete(entry, 1, told=True)
    # The watermark has passed the change: only the row of `parked` remembers it.
    assert (ledger.watermark(STATE), ledger.notes.parked["a"].next_at) == (2, 0)
    assert pick(ledger, now) is entry
    ledger.complete(entry, 2, told=True)
    assert (ledger.notes.parked, ledger.notes.unparked) == (
        {},
        {"a": Parking(2, Why.TRANSIENT, next_at=0)},
    )


def test_what_a_partner_wants_later_waits_for_as_long_as_it_asks_though_it_changes(
    ledger: Ledger,
) -> None:
    see(ledger, "a", 1)
    later = Outcome(Kind.THROTTLE, "Later.", retry_after=100, http_status=429)
    parking = ledger.park(pick(ledger), 1, later, Why.TRANSIENT, NOW)
    see(ledger, "a", 2)
    assert parking.next_at == NOW + micros(100)


def test_what_is_known_here_is_newer_than_what_is_read_again(ledger: Ledger) -> None:
    see(ledger, "a", 1)
    parking = ledger.park(pick(ledger), 1, REFUSED, Why.REJECTED, NOW)
    ledger.load("a", "a", STATE, Parking(1, Why.REJECTED, NOW, attempts=0))
    assert ledger.pick(NOW) is None
    ledger.take_notes()
    ledger.load("a", "a", STATE, replace(parking, next_at=NOW))
    assert pick(ledger).key == "a"
    # In flight it is left alone, parked or not.
    ledger.load("a", "a", STATE, Parking(1, Why.LATE, NOW))
    see(ledger, "b", 2)
    busy = pick(ledger)
    ledger.load("b", "b", STATE, Parking(2, Why.LATE, NOW))
    assert busy.parking is None
    ledger.complete(busy, 2, told=True)
    assert len(ledger) == 1


def test_what_is_read_again_as_it_is_known_keeps_its_place(ledger: Ledger) -> None:
    for key in "ab":
        ledger.load(key, key, STATE, Parking(1, Why.REJECTED, NOW))
    assert (pick(ledger).key, ledger.next_due()) == ("a", None)
    ledger.load("b", "b", STATE, Parking(1, Why.REJECTED, NOW))
    assert ledger.next_due() is None
    ledger.load("b", "b", STATE, Parking(1, Why.REJECTED, NOW + 1))
    assert ledger.next_due() == NOW + 1


def test_a_late_row_has_an_object_told_whole(ledger: Ledger) -> None:
    see(ledger, "a", 1)
    ledger.complete(pick(ledger), 1, told=True)
    assert ledger.holds("a") == 1
    ledger.load("a", "a", STATE, Parking(0, Why.LATE, NOW))
    assert ledger.holds("a") == 0
    assert pick(ledger).parking is not None


def test_in_a_trial_what_was_not_tried_for_longest_goes_first(ledger: Ledger) -> None:
    see(ledger, "a", 1)
    ledger.park(pick(ledger), 1, REFUSED, Why.TRANSIENT, NOW)
    see(ledger, "b", 2)
    see(ledger, "c", 3)
    tried = []
    for turn in range(1, 7):
        entry = ledger.pick_for_trial(NOW + turn, answered=True)
        assert entry is not None
        tried.append(entry.key)
        ledger.release(entry)
    assert "".join(tried) == "bcabca"


@pytest.mark.parametrize("trial", [False, True])
def test_a_session_that_could_not_be_told_stays_before_its_cdr(
    ledger: Ledger, *, trial: bool
) -> None:
    see(ledger, "s", 1, stream=Stream.MONEY)
    see(ledger, "s/cdr", 2, stream=Stream.MONEY)
    ledger.release(pick(ledger))
    entry = ledger.pick_for_trial(NOW + 1, answered=True) if trial else ledger.pick(NOW + 1)
    assert entry is not None
    assert entry.key == "s"


def test_a_session_that_the_partner_fails_on_does_not_keep_its_cdr_from_the_trial(
    ledger: Ledger,
) -> None:
    see(ledger, "s", 1, stream=Stream.MONEY)
    ledger.park(pick(ledger), 1, REFUSED, Why.TRANSIENT, NOW)
    see(ledger, "s/cdr", 2, stream=Stream.MONEY)
    entry = ledger.pick_for_trial(NOW + 1, answered=True)
    assert entry is not None
    assert entry.key == "s/cdr"


def test_parked_objects_that_belong_together_are_tried_one_by_one(ledger: Ledger) -> None:
    for seq, key in enumerate(("loc/1", "loc/2", "loc/3"), 1):
        see(ledger, key, seq)
        ledger.park(pick(ledger), seq, REFUSED, Why.REJECTED, NOW)
    later, tried = NOW + micros(3600), []
    for _ in range(3):
        entry = pick(ledger, later)
        assert ledger.pick(later) is None
        tried.append(entry.key)
        ledger.complete(entry, entry.seq, told=True)
    assert tried == ["loc/1", "loc/2", "loc/3"]


def test_when_the_partner_is_back_what_waited_for_it_is_due_and_nothing_else(
    ledger: Ledger,
) -> None:
    for seq, (key, why, times) in enumerate(
        [("a", Why.TRANSIENT, 2), ("b", Why.REJECTED, 1), ("poison", Why.TRANSIENT, 3)], 1
    ):
        see(ledger, key, seq)
        entry = pick(ledger)
        for _ in range(times):
            ledger.park(entry, seq, REFUSED, why, NOW)
    assert (ledger.pick(NOW), ledger.next_due()) == (None, NOW + micros(5))
    ledger.take_notes()
    ledger.hurry(NOW)
    assert list(ledger.notes.parked) == ["a"]
    assert pick(ledger).key == "a"
    assert ledger.pick(NOW) is None


def test_nothing_hurries_what_waits_until_it_is_known_what_became_of_it(ledger: Ledger) -> None:
    lands = NOW + micros(25)
    ledger.load("cdrs/1", "cdrs/1", Stream.MONEY, Parking(1, Why.LATE, lands))
    for answered in (True, False):
        assert ledger.pick_for_trial(NOW, answered=answered) is None
    ledger.hurry(NOW)
    assert (ledger.pick(NOW), ledger.next_due(), ledger.notes.parked) == (None, lands, {})
    assert ledger.pick_for_trial(lands, answered=True) is not None


def test_in_a_trial_is_nothing_that_was_refused_or_failed_again_and_again(
    ledger: Ledger,
) -> None:
    for seq, (key, why, times) in enumerate(
        [("no", Why.REJECTED, 1), ("poison", Why.TRANSIENT, 3), ("away", Why.TRANSIENT, 2)], 1
    ):
        see(ledger, key, seq)
        entry = pick(ledger)
        for _ in range(times):
            ledger.park(entry, seq, REFUSED, why, NOW)
    later = NOW + micros(86400)
    first = ledger.pick_for_trial(later, answered=False)
    assert first is not None
    assert first.key == "away"
    assert ledger.pick_for_trial(later, answered=True) is None
    # Better than none where there is no other way to see whether the partner is back.
    assert ledger.pick_for_trial(NOW, answered=False) is None
    second = ledger.pick_for_trial(later, answered=False)
    assert second is not None
    assert second.key in ("no", "poison")


def test_a_trial_prefers_a_module_that_is_not_why_nothing_is_sent(ledger: Ledger) -> None:
    for seq, key in enumerate(("cdrs/1", "cdrs/2", "locations/1"), 1):
        ledger.see(key, key, STATE, seq, NOW)
    tried = []
    for turn in range(4):
        entry = pick(ledger) if turn == 0 else ledger.pick_for_trial(NOW + turn, answered=True)
        assert entry is not None
        tried.append(entry.key)
        ledger.blame(entry, NOW + turn)
    assert tried == ["cdrs/1", "locations/1", "cdrs/2", "locations/1"]


def test_what_was_read_ahead_is_the_next_trial_and_says_nothing_of_what_lies_before_it(
    ledger: Ledger,
) -> None:
    see(ledger, "a", 1)
    ledger.read_ahead("y", "y", STATE, 8, NOW)
    ledger.read_ahead("z", "z", STATE, 9, NOW)
    # Of those that no trial took none is kept.
    assert len(ledger) == 2
    trial = ledger.pick_for_trial(NOW, answered=True)
    assert trial is not None
    assert (trial.key, ledger.watermark(STATE)) == ("z", 0)
    ledger.blame(trial, NOW)
    ledger.complete(pick(ledger), 1, told=True)
    assert ledger.watermark(STATE) == 1
    # What it holds already is not told again when its turn comes.
    ledger.complete(pick(ledger), 9, told=True)
    assert (ledger.watermark(STATE), ledger.is_told("z", 9)) == (1, True)
    see(ledger, "z", 9)
    assert (ledger.pick(NOW), ledger.watermark(STATE)) == (None, 9)


@pytest.mark.parametrize("stream", Stream)
def test_what_is_new_does_not_wait_for_all_that_is_parked(ledger: Ledger, stream: Stream) -> None:
    for seq in range(1, 11):
        see(ledger, f"old{seq}", seq, stream=stream)
        ledger.park(pick(ledger), seq, REFUSED, Why.REJECTED, NOW)
    for seq in range(11, 14):
        see(ledger, f"new{seq}", seq, stream=stream)
    later = NOW + micros(3600)
    assert [pick(ledger, later).key[:3] for _ in range(8)] == ["old", "new"] * 3 + ["old"] * 2


def test_what_informs_has_one_turn_in_four_unless_a_bill_waits(ledger: Ledger) -> None:
    """Sessions may change faster than a partner wants to hear of anything."""
    for seq in range(1, 13):
        see(ledger, f"money{seq}", seq, stream=Stream.MONEY)
        see(ledger, f"state{seq}", seq)
    assert [pick(ledger).key[:5] for _ in range(7)] == ["money"] * 3 + ["state"] + ["money"] * 3
    see(ledger, "cdrs/1", 13, stream=Stream.MONEY)
    assert [pick(ledger).key[:5] for _ in range(3)] == ["cdrs/", "state", "money"]


def test_a_bill_that_waits_for_its_session_takes_no_turn_from_what_informs(ledger: Ledger) -> None:
    for seq in range(1, 6):
        see(ledger, f"session{seq}", seq, stream=Stream.MONEY)
    ledger.see("cdrs/5", "session5", Stream.MONEY, 6, NOW)
    see(ledger, "loc", 1)
    keys = [pick(ledger).key for _ in range(6)]
    assert keys == ["session1", "session2", "session3", "loc", "session4", "session5"]
    assert ledger.pick(NOW) is None


def test_memory_is_bounded(ledger: Ledger) -> None:
    assert ledger.hungry(STATE)
    for seq, key in enumerate("abcd", 1):
        assert not ledger.full(STATE)
        see(ledger, key, seq)
    assert ledger.full(STATE)
    assert not ledger.hungry(STATE)
    for seq in range(1, 5):
        ledger.complete(pick(ledger), seq, told=True)
    assert [ledger.holds(key) for key in "abcd"] == [0, 0, 3, 4]


def test_what_was_there_at_the_claim_may_have_been_sent_before() -> None:
    ledger = Ledger(PACE, {Stream.MONEY: 0, STATE: 0}, {Stream.MONEY: 1, STATE: 0})
    see(ledger, "old", 1, stream=Stream.MONEY)
    see(ledger, "new", 2, stream=Stream.MONEY)
    assert [pick(ledger).doubt, pick(ledger).doubt] == [Doubt.OLD, Doubt.NONE]
