"""What is made of a partner's signs of life."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest

from ocpi.push.breaker import Breaker
from ocpi.push.pace import micros
from ocpi.push.probing import Probing
from ocpi.push.watch import Watch
from tests.ocpi.push.world import QUICK

if TYPE_CHECKING:
    from ocpi.push.teller import Teller


@pytest.mark.req("HC-14")
def test_a_sign_of_life_from_before_the_clock_was_set_back_hides_no_silence() -> None:
    pace, watch = replace(QUICK, silence=290), Watch(QUICK, [])
    minute = micros(60)
    watch.set_clock(10**15)
    teller, nothing = cast("Teller", None), lambda: None
    probing = Probing(teller, Breaker(pace), watch, pace, nothing, nothing)
    heard_at = 10**15 + 1440 * minute
    silent = []
    for passed in range(10):
        watch.set_clock(10**15 + passed * minute)
        silent.append(probing.see(heard_at, 0))
    assert silent == [False] * 5 + [True] * 5
    assert not probing.see(watch.now(), 0)
