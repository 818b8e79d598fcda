"""Whether a partner asks for a pause, or for one object or module alone, step by step."""

from __future__ import annotations

import pytest

from ocpi.push.entry import Entry
from ocpi.push.feed import Stream
from ocpi.push.pace import Pace
from ocpi.push.parking import Parking, Why
from ocpi.push.throttling import Throttling

PACE = Pace(faults=3)


def an(key: str, *, parked: bool = False) -> Entry:
    parking = Parking(1, Why.TRANSIENT, 0, http_status=429) if parked else None
    return Entry(key, key, Stream.STATE, 1, None if parked else 1, parking)


@pytest.fixture
def throttling() -> Throttling:
    return Throttling(PACE)


def suspect(throttling: Throttling, entry: Entry) -> None:
    """Have it throttled three times, and others taken between."""
    for _ in range(2):
        assert not throttling.is_own(entry)
        throttling.took(an("locations/well"))
    assert throttling.is_own(entry)


@pytest.mark.pitfall("IP-38")
def test_who_takes_nothing_meanwhile_asks_for_all(throttling: Throttling) -> None:
    sick = an("locations/sick")
    assert not any(throttling.is_own(sick) for _ in range(9))
    assert throttling.doubtful


def test_an_object_at_which_a_pause_is_asked_for_while_others_are_taken_is_alone_in_that(
    throttling: Throttling,
) -> None:
    suspect(throttling, an("locations/sick"))
    assert not throttling.is_crowd
    # So is what is parked for that already, but not each of another module.
    assert throttling.is_own(an("locations/old", parked=True))
    assert not throttling.is_own(an("cdrs/new"))


def test_of_its_module_others_are_so_at_once_but_after_a_few_in_a_row_it_is_the_partner(
    throttling: Throttling,
) -> None:
    sick = an("locations/sick")
    suspect(throttling, sick)
    crowds = []
    for number in range(4):
        assert throttling.is_own(an(f"locations/{number}"))
        crowds.append(throttling.is_crowd)
    assert crowds == [False, True, True, True]
    throttling.took(an("cdrs/c"))
    assert not throttling.is_crowd
    assert not throttling.doubtful


def test_a_module_of_which_something_is_taken_that_was_put_aside_is_not_at_fault(
    throttling: Throttling,
) -> None:
    sick = an("locations/sick")
    suspect(throttling, sick)
    sick.parking = Parking(1, Why.TRANSIENT, 0, http_status=429)
    throttling.took(sick)
    assert not throttling.is_own(an("locations/new"))
