"""How often a partner is sent something, step by step and with a clock that is only a number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpi.push.allowance import Allowance
from ocpi.push.pace import Pace, micros

PACE = Pace(throttle=10, throttle_cap=60)
NOW = 1_000_000_000_000


def sent(allowance: Allowance, begin: int, end: int) -> int:
    """Send as often as may be between two moments; gives how often that was."""
    now, count = begin, 0
    while (now := max(now, allowance.next_at())) < end:
        allowance.spend(now)
        count += 1
    return count


@pytest.mark.parametrize(
    ("per_minute", "at_once", "in_a_minute"),
    [(1, 1, 1), (60, 1, 60), (120, 2, 121), (600, 10, 609)],
)
@pytest.mark.pitfall("IP-38")
def test_a_minute_has_so_many_and_a_second_its_share(
    per_minute: int, at_once: int, in_a_minute: int
) -> None:
    allowance = Allowance(PACE, per_minute)
    assert sent(allowance, NOW, NOW + 1) == at_once
    allowance = Allowance(PACE, per_minute)
    assert sent(allowance, NOW, NOW + micros(60)) == in_a_minute


def test_without_a_limit_a_request_may_always_be_sent() -> None:
    allowance = Allowance(PACE)
    allowance.spend(NOW, 1000)
    assert allowance.next_at() <= NOW


def test_an_object_counts_as_many_requests_as_it_took() -> None:
    allowance = Allowance(PACE, 60)
    allowance.spend(NOW)
    allowance.spend(NOW, 2)
    assert allowance.next_at() == NOW + micros(3)
    allowance.spend(NOW, -1)
    assert allowance.next_at() == NOW + micros(2)


@pytest.mark.pitfall("IP-38")
def test_pauses_are_as_long_as_asked_for_and_double_where_that_is_not_said() -> None:
    allowance, now, waits = Allowance(PACE), NOW, []
    for _ in range(5):
        waits.append(allowance.pause(now, None))
        now = allowance.next_at()
    assert waits == [10, 20, 40, 60, 60]
    assert allowance.pause(now, 7) == 7
    assert allowance.next_at() == now + micros(7)
    allowance.taken()
    assert allowance.pause(now + micros(7), None) == 10


def test_of_the_answers_to_what_was_in_flight_the_longest_pause_counts_once() -> None:
    allowance = Allowance(PACE)
    assert [allowance.pause(NOW, asked) for asked in (None, 30, None, 1)] == [10, 30, 10, 1]
    assert allowance.next_at() == NOW + micros(30)
    assert allowance.pause(NOW + micros(30), None) == 20


@given(st.integers(1, 100_000), st.lists(st.integers(0, 30_000_000), max_size=200))
def test_no_minute_has_more_than_its_share_and_that_of_a_second(
    per_minute: int, pauses: list[int]
) -> None:
    allowance, now, times = Allowance(PACE, per_minute), NOW, []
    for pause in pauses:
        now = max(now + pause, allowance.next_at())
        allowance.spend(now)
        times.append(now)
    most = per_minute + max(per_minute / 60, 1)
    assert all(sum(start <= at < start + micros(60) for at in times) <= most for start in times)
