"""Whether slow partners slow the others, by a simulated clock."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpi.push.budget import Budget
from ocpi.push.pace import Pace
from ocpi.push.permits import Permits

PACE = Pace()
ANSWER, TIMEOUT, END = 0.05, PACE.exchange, 60.0
HEALTHY, HANGING = range(12), range(12, 20)


def answers(places: int, hang_from: float) -> list[int]:
    """How many answers each of 20 partners gives in a minute, of whom 8 hang from some moment."""
    budget = Budget(places, range(20))
    permits, busy, told = [Permits(PACE) for _ in range(20)], [0] * 20, [0] * 20
    order, ends = count(), list[tuple[float, int, int, int, bool]]()

    def send(lane: int, now: float) -> None:
        hangs = lane in HANGING and now >= hang_from
        while busy[lane] < permits[lane].count and budget.allows(busy[lane]):
            busy[lane] += 1
            budget.take(busy[lane])
            end = now + (TIMEOUT if hangs else ANSWER)
            heappush(ends, (end, next(order), lane, permits[lane].cuts, hangs))

    for lane in (*HANGING, *HEALTHY):
        send(lane, 0)
    while ends and ends[0][0] < END:
        now, _, lane, cuts, hangs = heappop(ends)
        busy[lane] -= 1
        budget.give(busy[lane])
        if hangs:
            permits[lane].strained(cuts)
        else:
            told[lane] += 1
            permits[lane].answered(ANSWER, cuts, "PUT")
        send(lane, now)
    return told


@pytest.mark.parametrize("places", [10, 20, 30, 40, 64, 100, 2000])
@pytest.mark.parametrize("hang_from", [0, 10])
@pytest.mark.threat("TA-17")
def test_eight_partners_of_twenty_that_hang_do_not_slow_the_twelve(
    places: int, hang_from: float
) -> None:
    fair, got = answers(places, END), answers(places, hang_from)
    # Before it has answered a partner has a few places, and where there are hardly more than lanes
    # it keeps them from the others until its first requests are over.
    kept = TIMEOUT / END if hang_from == 0 and 20 < places < 100 else 0.01
    healthy = [sum(each[lane] for lane in HEALTHY) for each in (got, fair)]
    assert healthy[0] >= (1 - kept) * healthy[1]
    # What one place alone comes to is everybody's.
    assert min(got[lane] for lane in HEALTHY) >= END / ANSWER - 2


@pytest.mark.parametrize("places", [30, 40, 64, 200])
def test_lanes_that_give_nothing_back_leave_something_to_lend(places: int) -> None:
    budget, busy = Budget(places, range(20)), [0] * 20
    while wanting := [lane for lane in HANGING if budget.allows(busy[lane])]:
        lane = min(wanting, key=lambda lane: busy[lane])  # They grow side by side.
        busy[lane] += 1
        budget.take(busy[lane])
    assert budget.allows(1)
    assert budget.left >= (places - 20) // 9


def test_what_is_not_lent_to_others_is_for_who_can_use_it() -> None:
    budget, busy = Budget(100, range(20)), 0
    while budget.allows(busy):
        busy += 1
        budget.take(busy)
    assert busy == 41


@given(st.integers(0, 60), st.lists(st.tuples(st.integers(0, 9), st.booleans())))
def test_each_lane_has_a_place_and_no_more_are_lent_than_there_are(
    places: int, moves: list[tuple[int, bool]]
) -> None:
    busy = [0] * 10
    budget = Budget(places, busy)
    for lane, more in moves:
        if more and budget.allows(busy[lane]):
            busy[lane] += 1
            budget.take(busy[lane])
        elif busy[lane] and not more:
            busy[lane] -= 1
            budget.give(busy[lane])
        assert sum(busy) <= max(places, len(busy))
        assert budget.allows(0)
    assert budget.left == places - 10 - sum(max(each - 1, 0) for each in busy)
