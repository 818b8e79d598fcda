"""How many requests a partner is given, answer by answer and without a clock."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocpi.push.pace import Pace
from ocpi.push.permits import Permits

PACE = Pace(in_flight=3, most_in_flight=8, stretch=4, wobble=0.05, sluggish=5)
FAST, SLOW, SLUGGISH = 0.1, 0.5, 5.1


def started() -> Permits:
    """Give those of a partner that was away."""
    permits = Permits(PACE)
    permits.restart()
    return permits


def grown(to: int) -> Permits:
    permits = started()
    while permits.count < to:
        permits.answered(FAST, permits.cuts, "PUT")
    return permits


def answer(permits: Permits, *seconds: float) -> int:
    for each in seconds:
        permits.answered(each, permits.cuts, "PUT")
    return permits.count


def test_who_is_new_has_a_few_but_no_more_than_the_cap() -> None:
    assert Permits(PACE).count == 3
    assert Permits(Pace(in_flight=3, most_in_flight=2)).count == 2
    assert (Permits(Pace()).count, Pace().most_in_flight) == (8, 64)


def test_they_grow_by_one_after_a_round_and_not_beyond_the_cap() -> None:
    permits = started()
    counts = [answer(permits, *[FAST] * permits.count) for _ in range(9)]
    assert counts == [2, 3, 4, 5, 6, 7, 8, 8, 8]
    assert grown(5).count == 5
    assert answer(grown(5), *[FAST] * 4) == 5


@pytest.mark.parametrize(
    ("round_", "after"),
    [
        ([0.1] * 4, 5),
        ([0.45] * 4, 5),  # 4 times the floor, and the wobble.
        ([0.46] * 4, 2),
        ([0.46, 0.46, 0.46, 0.44], 5),  # One fast answer shows that nothing queues.
        ([0.01] * 4, 5),
    ],
)
def test_a_round_of_which_even_the_fastest_answer_is_slow_halves_them(
    round_: list[float], after: int
) -> None:
    assert answer(grown(4), *round_) == after


def test_the_floor_is_what_the_partner_takes_for_one_request_at_a_time() -> None:
    permits = grown(4)
    # It has become slow for good: that shows when it has one at a time, and is no strain then.
    assert answer(permits, *[SLOW] * 4) == 2
    assert answer(permits, *[SLOW] * 2) == 1
    assert [answer(permits, *[SLOW] * permits.count) for _ in range(3)] == [2, 3, 4]


@pytest.mark.parametrize("kind", [None, "PATCH"], ids=["refusals", "another kind"])
def test_quick_answers_of_another_kind_slow_nothing(kind: str | None) -> None:
    permits = Permits(Pace())
    counts = []
    for number in range(10_000):
        seconds = 0.005 if number % 20 == 0 else 0.3
        permits.answered(seconds, permits.cuts, kind if seconds < 0.1 else "PUT")
        counts.append(permits.count)
    assert sum(counts) / len(counts) > 55


def test_refusals_do_not_hide_that_all_else_is_slow() -> None:
    permits = grown(4)
    permits.answered(0.01, permits.cuts, None)
    assert answer(permits, *[SLOW] * 3) == 2


def test_of_each_kind_the_answers_are_compared_with_its_own() -> None:
    permits = grown(4)
    for seconds, kind in [(2.0, "big"), (FAST, "PUT"), (2.0, "big"), (FAST, "PUT")]:
        permits.answered(seconds, permits.cuts, kind)
    assert permits.count == 5
    for seconds, kind in [(SLOW, "PUT")] * 3 + [(8.1, "big")] * 2:
        permits.answered(seconds, permits.cuts, kind)
    assert permits.count < 5


def test_strain_halves_them_once_for_all_that_were_in_flight() -> None:
    permits = grown(8)
    before = permits.cuts
    for _ in range(8):
        permits.strained(before)
    assert permits.count == 4
    permits.answered(FAST, before, "PUT")
    assert answer(permits, *[FAST] * 3) == 4
    assert answer(permits, FAST) == 5


def test_a_partner_that_does_not_work_begins_with_one_again() -> None:
    permits = grown(8)
    old = permits.cuts
    permits.restart()
    permits.strained(old)
    assert permits.count == 1
    assert answer(permits, FAST) == 2


def test_who_takes_seconds_for_one_answer_in_twenty_has_one_request_at_a_time() -> None:
    permits = grown(8)
    assert answer(permits, *[FAST] * 7, SLUGGISH) == 8  # One in twenty may.
    assert answer(permits, *[FAST] * 7, SLUGGISH) == 1
    # Only when all but one of the newest twenty were fast it has more again.
    assert answer(permits, *[FAST] * 11) == 1
    assert answer(permits, FAST) == 2


def test_who_is_sluggish_from_the_start_has_one_after_its_first_round() -> None:
    permits = Permits(PACE)
    assert [answer(permits, SLUGGISH) for _ in range(5)] == [3, 3, 1, 1, 1]
    permits.restart()
    assert answer(permits, FAST) == 2


@given(
    st.lists(
        st.one_of(
            st.floats(0.001, 30).map(lambda seconds: ("answered", seconds)),
            st.sampled_from([("strained", 0.0), ("restart", 0.0)]),
        )
    )
)
def test_whatever_happens_there_is_one_and_never_more_than_the_cap(
    happenings: list[tuple[str, float]],
) -> None:
    permits = Permits(PACE)
    for what, seconds in happenings:
        before, cuts = permits.count, permits.cuts
        if what == "answered":
            permits.answered(seconds, cuts, "PUT")
        elif what == "strained":
            permits.strained(cuts)
        else:
            permits.restart()
        assert 1 <= permits.count <= min(before + 1, PACE.most_in_flight)
        assert permits.cuts > cuts or permits.count >= before


@given(st.lists(st.floats(0.001, 4), max_size=60), st.lists(st.floats(5.1, 30), min_size=20))
def test_whatever_was_before_twenty_sluggish_answers_leave_one(
    before: list[float], sluggish: list[float]
) -> None:
    permits = Permits(PACE)
    answer(permits, *before)
    assert answer(permits, *sluggish) == 1
