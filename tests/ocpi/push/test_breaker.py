"""When a lane stops, step by step and without a clock."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from ocpi.push.breaker import Breaker
from ocpi.push.pace import Pace, micros

PACE = Pace(jitter=0)
NOW = 1_000_000_000_000


def opened(reason: str) -> Breaker:
    breaker = Breaker(PACE)
    assert breaker.trip(reason, "why", NOW)
    return breaker


def fail(breaker: Breaker, keys: Iterable[str]) -> list[bool]:
    """Have it fail on objects; gives whether it was in doubt after each."""
    doubts = []
    for key in keys:
        assert not breaker.fail(key, "500/3000", "why", NOW)
        doubts.append(breaker.doubtful)
    return doubts


def test_five_failures_in_a_row_of_two_objects_raise_a_doubt_and_do_not_open_it() -> None:
    breaker = Breaker(PACE)
    assert fail(breaker, "ababa") == [False, False, False, False, True]
    assert (breaker.open, breaker.settled) == (False, True)
    breaker.asked(answered=True)
    assert (breaker.open, breaker.doubtful) == (False, False)


def test_twenty_objects_that_fail_alike_open_it_where_the_partner_is_known_to_be_there() -> None:
    breaker = Breaker(PACE)
    keys = [str(number) for number in range(PACE.alike)]
    fail(breaker, keys)
    # Nobody has asked it: it may be away.
    assert breaker.settled
    breaker.asked(answered=True)
    fail(breaker, keys[1:])
    assert breaker.fail("x", "500/3000", "why", NOW)
    assert (breaker.reason, breaker.away) == ("rejecting", False)
    # A trial that fails alike shows nothing new.
    breaker.probed(NOW, None)
    assert not breaker.fail("y", "500/3000", "why", NOW)
    assert breaker.open


def test_a_success_in_between_begins_the_count_anew() -> None:
    breaker = Breaker(PACE)
    for key in "abababab":
        assert not breaker.fail(key, "500/3000", "why", NOW)
        breaker.succeed("locations/x")
    assert not breaker.open


def test_failures_of_one_object_only_raise_a_doubt() -> None:
    breaker = Breaker(PACE)
    assert fail(breaker, "a" * 10) == [False, False] + [True] * 8


def test_twenty_objects_rejected_alike_open_it() -> None:
    breaker = Breaker(PACE)
    for number in range(19):
        assert not breaker.reject(str(number), "404/2000", "why", NOW)
    assert not breaker.reject("18", "404/2000", "the same object again", NOW)
    assert breaker.reject("19", "404/2000", "why", NOW)
    assert breaker.reason == "rejecting"


def refuse(breaker: Breaker, count: int, *, parked: bool = False) -> int:
    """Have objects refused in two ways, until that opens it; gives how many were."""
    for number in range(count):
        if breaker.reject(str(number), f"400/200{number % 2}", "why", NOW, parked=parked):
            return number + 1
    return 0


def test_rejections_that_differ_open_it_when_there_are_a_thousand_more_than_successes() -> None:
    breaker = Breaker(PACE)
    assert refuse(breaker, 1500) == 1001
    assert breaker.reason == "rejecting"
    breaker.probed(NOW, None)
    assert breaker.succeed("locations/x")
    # From here on it counts anew, so that not every one that follows opens it.
    assert refuse(breaker, 1500) == 1001


def test_who_took_something_between_refusals_alike_is_not_held_to_refuse_everything() -> None:
    def alike(count: int) -> int:
        keys = range(count)
        return sum(breaker.reject(str(key), "400/2001", "why", NOW) for key in keys)

    breaker = Breaker(PACE)
    assert alike(20) == 1
    breaker.probed(NOW, None)
    assert breaker.succeed("locations/x")
    assert alike(19) == 0
    breaker.succeed("locations/x")
    # They are refused, all of them, up to the thousand that nobody may refuse.
    assert alike(982) == 0
    assert alike(1) == 1
    assert breaker.reason == "rejecting"


def test_after_twenty_in_a_row_that_were_taken_refusals_alike_open_it_as_before() -> None:
    breaker = opened("rejecting")
    breaker.probed(NOW, None)
    for _ in range(21):
        breaker.succeed("locations/x")
    keys = range(20)
    assert [breaker.reject(str(key), "400/2001", "why", NOW) for key in keys][-1]


def test_a_trial_that_finds_nothing_to_try_makes_it_no_more_lenient() -> None:
    breaker = opened("rejecting")
    breaker.probed(NOW, None)
    assert breaker.succeed(None)
    keys = range(20)
    assert [breaker.reject(str(key), "400/2001", "why", NOW) for key in keys][-1]


def test_who_takes_more_than_it_refuses_is_never_stopped_for_that() -> None:
    breaker = Breaker(PACE)
    for _ in range(5000):
        assert not refuse(breaker, 2)
        breaker.succeed("locations/x")
        breaker.succeed("locations/x")
    assert refuse(breaker, 1500) == 1001


def test_what_is_refused_again_or_failed_on_again_does_not_open_it() -> None:
    breaker = Breaker(PACE)
    for number in range(2000):
        assert not breaker.reject(str(number), "400/2001", "why", NOW, parked=True)
    for key in "abcdefghij":
        assert not breaker.fail(key, "500/3000", "why", NOW, parked=True)
    # Whether it is the objects or the partner, its versions tell.
    assert breaker.doubtful


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
    assert not breaker.fail("a", "500/3000", "again", NOW)
    assert (breaker.open, breaker.failures, breaker.sentence) == (True, 1, "again")
    breaker.probed(NOW, None)
    assert breaker.succeed("locations/x")
    assert (breaker.open, breaker.settled) == (False, True)
    assert not breaker.succeed("locations/x")


def test_every_fourth_probe_that_fails_is_followed_by_an_object_all_the_same() -> None:
    breaker = opened("down")
    trials = []
    for _ in range(8):
        breaker.probed(NOW, "why")
        trials.append(breaker.trial)
        if breaker.trial:
            breaker.fail("a", "500/3000", "why", NOW)
    assert trials == [False, False, False, True, False, False, False, True]


@pytest.mark.parametrize(("reason", "longest"), [("auth", 900), ("gone", 86400)])
def test_who_lets_us_in_no_more_is_asked_soon_then_more_and_more_seldom(
    reason: str, longest: int
) -> None:
    waits = []
    for _ in range(100):
        breaker = opened(reason)
        waits.append((breaker.next_probe_at - NOW) / 1e6)
    assert max(waits) <= 2
    waits.clear()
    breaker.failures = 20
    for _ in range(100):
        breaker.failures += 1 + (breaker.failures % 4 == 2)  # Not the fourth one's turn.
        breaker.probed(NOW, "still")
        waits.append((breaker.next_probe_at - NOW) / 1e6)
    assert longest / 2 < max(waits) <= longest


def test_a_trial_with_nothing_to_try_waits_on_unless_versions_were_answered() -> None:
    breaker = opened("down")
    for _ in range(4):
        breaker.probed(NOW, "why")
    assert (breaker.trial, breaker.answered) == (True, False)
    breaker.wait_on(NOW)
    assert (breaker.open, breaker.failures) == (True, 4)
    breaker.probed(NOW, None)
    assert (breaker.trial, breaker.answered) == (True, True)


def bar(breaker: Breaker, *keys: str) -> list[bool]:
    """Have objects answered 403, which is their own fault or not."""
    own = []
    for key in keys:
        own.append(breaker.forbids(key, before=False))
        if not own[-1]:
            breaker.bar("auth", "why", NOW)
    return own


def test_a_module_is_forbidden_once_something_else_was_taken_after_it_was() -> None:
    breaker = Breaker(PACE)
    assert bar(breaker, "cdrs/a") == [False]
    # What was in flight then shows nothing: the token may have been revoked between the two.
    assert not breaker.succeed("locations/a")
    assert breaker.doubtful
    assert breaker.settled
    breaker.asked(answered=True)
    breaker.succeed("locations/b")
    assert bar(breaker, "cdrs/b") == [True]
    # Locations are not, but for the one that was refused while another one was taken.
    assert bar(breaker, "locations/c") == [False]
    breaker.asked(answered=True)
    breaker.succeed("locations/d")
    breaker.succeed("locations/e")
    assert bar(breaker, "locations/c") == [True]
    assert bar(breaker, "locations/f") == [False]


def test_a_module_of_which_something_was_taken_is_forbidden_no_more() -> None:
    breaker = Breaker(PACE)
    bar(breaker, "cdrs/a")
    breaker.asked(answered=True)
    breaker.succeed("locations/a")
    assert bar(breaker, "cdrs/b") == [True]
    breaker.succeed("cdrs/b")
    assert bar(breaker, "cdrs/c") == [False]
    # That nothing was refused any more is not as if something was taken.
    breaker.asked(answered=True)
    breaker.reject("cdrs/c", "400/2001", "why", NOW)
    breaker.succeed(None)
    assert bar(breaker, "cdrs/d") == [False]


def test_what_it_says_of_many_objects_or_of_two_modules_it_says_of_us() -> None:
    many = [f"cdrs/{number}" for number in range(PACE.faults)]
    for keys in (many, ["cdrs/a", "locations/a"]):
        breaker = Breaker(PACE)
        bar(breaker, keys[0])
        breaker.asked(answered=True)
        assert bar(breaker, *keys) == [True] * (len(keys) - 1) + [False]
        assert (breaker.reason, breaker.away) == ("barred", False)
        # A trial shows nothing new, unless it is taken.
        breaker.probed(NOW, None)
        assert bar(breaker, keys[0]) == [False]
        assert breaker.open
        breaker.probed(NOW, None)
        assert breaker.succeed(keys[0])


def test_a_question_that_fails_explains_what_objects_were_told() -> None:
    breaker = Breaker(PACE)
    bar(breaker, "cdrs/a", "locations/a")
    breaker.asked(answered=False)
    assert breaker.trip("auth", "why", NOW)
    breaker.probed(NOW, None)
    assert breaker.succeed("locations/a")
    assert bar(breaker, "cdrs/a") == [False]


def test_what_a_trial_is_not_let_in_with_is_to_blame_itself_where_the_partner_answers() -> None:
    breaker = opened("gone")
    breaker.probed(NOW, None)
    assert bar(breaker, "locations/a") == [True]
    assert not breaker.reject("locations/a", "410/2000", "why", NOW)
    assert breaker.settled


def test_no_object_is_sent_with_a_token_that_is_not_accepted() -> None:
    breaker = opened("auth")
    for _ in range(10):
        breaker.probed(NOW, "why", barred=True)
        assert breaker.open


def test_a_rejection_shows_that_a_partner_is_up_unless_it_rejects_everything() -> None:
    breaker = opened("down")
    breaker.probed(NOW, None)
    assert not breaker.reject("a", "400/2001", "why", NOW)
    assert breaker.settled
    breaker = opened("rejecting")
    breaker.probed(NOW, None)
    assert not breaker.reject("a", "400/2001", "why", NOW)
    assert breaker.open


def test_a_receiver_that_a_hub_does_not_reach_is_no_refusal_of_the_hub() -> None:
    breaker = Breaker(PACE)
    for number in range(2 * PACE.crowd):
        assert not breaker.reject(str(number), None, "why", NOW)
    breaker = opened("rejecting")
    breaker.probed(NOW, None)
    # The hub itself took the message.
    assert not breaker.reject("a", None, "why", NOW)
    assert breaker.settled


def test_who_dies_while_it_refuses_everything_is_down_since_then() -> None:
    breaker = opened("rejecting")
    died, later = NOW + micros(3600), NOW + micros(7200)
    breaker.failures = 20
    assert breaker.trip("down", "why", died)
    assert (breaker.opened_at, breaker.failures) == (died, 0)
    # Another reason for the same absence begins nothing anew.
    assert breaker.trip("auth", "why", later)
    assert (breaker.opened_at, breaker.failures) == (died, 1)


def test_what_was_in_flight_when_it_opened_changes_nothing() -> None:
    breaker = opened("down")
    before = breaker.dump()
    assert not breaker.fail("a", "500/3000", "late", NOW + 5)
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
