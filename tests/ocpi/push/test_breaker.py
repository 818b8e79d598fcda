"""When a lane stops, step by step and without a clock."""

from __future__ import annotations

from ocpi.push.breaker import Breaker
from ocpi.push.pace import Pace, micros

PACE = Pace(jitter=0)
NOW = 1_000_000_000_000


def opened(reason: str) -> Breaker:
    breaker = Breaker(PACE)
    assert breaker.trip(reason, "why", NOW)
    return breaker


def test_five_failures_in_a_row_of_two_objects_open_it() -> None:
    breaker = Breaker(PACE)
    keys = ["a", "b", "a", "b", "a"]
    assert [breaker.fail(key, "why", NOW) for key in keys] == [False, False, False, False, True]
    assert (breaker.open, breaker.settled, breaker.reason) == (True, False, "down")


def test_a_success_in_between_begins_the_count_anew() -> None:
    breaker = Breaker(PACE)
    for key in "abababab":
        assert not breaker.fail(key, "why", NOW)
        breaker.succeed()
    assert not breaker.open


def test_failures_of_one_object_only_raise_a_doubt() -> None:
    breaker = Breaker(PACE)
    doubts = []
    for _ in range(10):
        assert not breaker.fail("a", "why", NOW)
        doubts.append(breaker.doubtful)
    assert doubts == [False, False] + [True] * 8


def test_twenty_objects_rejected_alike_open_it() -> None:
    breaker = Breaker(PACE)
    for number in range(19):
        assert not breaker.reject(str(number), "404/2000", "why", NOW, crowd=number)
    assert not breaker.reject("18", "404/2000", "the same object again", NOW, crowd=19)
    assert breaker.reject("19", "404/2000", "why", NOW, crowd=19)
    assert breaker.reason == "rejecting"


def test_rejections_that_differ_do_not_open_it_unless_there_are_too_many() -> None:
    breaker = Breaker(PACE)
    for number in range(60):
        alike = f"400/200{number % 2}"
        assert not breaker.reject(str(number), alike, "why", NOW, crowd=number)
    assert breaker.reject("60", "400/2000", "why", NOW, crowd=1001)


def test_probes_become_rarer_and_never_end() -> None:
    breaker = opened("down")
    longest = []
    for hours in range(30):
        now = NOW + micros(hours * 3600)
        waits = []
        for _ in range(200):
            breaker.failures = 4 * (breaker.failures // 4 + 1) - 4  # Not the fourth one's turn.
            breaker.probed(now, "still")
            waits.append((breaker.next_probe_at - now) / 1e6)
        breaker.failures += 4
        longest.append(max(waits))
    assert longest[0] <= 8
    assert max(longest[:24]) <= 300
    assert 300 < max(longest[24:]) <= 900


def test_an_answered_probe_allows_one_object_which_decides() -> None:
    breaker = opened("down")
    breaker.probed(NOW, None)
    assert (breaker.open, breaker.settled) == (False, False)
    assert not breaker.fail("a", "again", NOW)
    assert (breaker.open, breaker.failures, breaker.sentence) == (True, 1, "again")
    breaker.probed(NOW, None)
    assert breaker.succeed()
    assert (breaker.open, breaker.settled) == (False, True)
    assert not breaker.succeed()


def test_every_fourth_probe_that_fails_is_followed_by_an_object_all_the_same() -> None:
    breaker = opened("down")
    trials = []
    for _ in range(8):
        breaker.probed(NOW, "why")
        trials.append(breaker.trial)
        if breaker.trial:
            breaker.fail("a", "why", NOW)
    assert trials == [False, False, False, True, False, False, False, True]


def test_no_object_is_sent_with_a_token_that_is_not_accepted() -> None:
    breaker = opened("auth")
    for _ in range(10):
        breaker.probed(NOW, "why")
        assert breaker.open
    assert breaker.next_probe_at == NOW + micros(900)


def test_a_rejection_shows_that_a_partner_is_up_unless_it_rejects_everything() -> None:
    breaker = opened("down")
    breaker.probed(NOW, None)
    assert not breaker.reject("a", "400/2001", "why", NOW, crowd=0)
    assert breaker.settled
    breaker = opened("rejecting")
    breaker.probed(NOW, None)
    assert not breaker.reject("a", "400/2001", "why", NOW, crowd=0)
    assert breaker.open


def test_what_was_in_flight_when_it_opened_changes_nothing() -> None:
    breaker = opened("down")
    before = breaker.dump()
    assert not breaker.fail("a", "late", NOW + 5)
    assert not breaker.trip("down", "late", NOW + 5)
    assert breaker.dump() == before


def test_it_is_stored_and_loaded_within_bounds() -> None:
    assert Breaker(PACE).dump() is None
    breaker = opened("gone")
    assert Breaker.load(PACE, breaker.dump(), NOW).dump() == breaker.dump()
    assert Breaker.load(PACE, None, NOW).settled
    # The clock was a year ahead when it was stored.
    stored = {**(breaker.dump() or {}), "next_probe_at": NOW + micros(365 * 86400)}
    assert Breaker.load(PACE, stored, NOW).next_probe_at == NOW + micros(2 * 86400)
