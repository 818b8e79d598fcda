"""What is made of a partner's signs of life."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

import pytest
import structlog

from ocpi.push.breaker import Breaker
from ocpi.push.outcome import Kind, Outcome
from ocpi.push.pace import micros
from ocpi.push.probing import Probing
from ocpi.push.watch import Watch
from tests.ocpi.push.world import QUICK

NO_CONNECTION = Outcome(Kind.THROTTLE, "no connection left", retry_after=1)
BUSY = Outcome(Kind.THROTTLE, "HTTP 429", retry_after=9, http_status=429)
AWAY = Outcome(Kind.PARTNER_FAULT, "HTTP 503", http_status=503)

if TYPE_CHECKING:
    from ocpi.push.teller import Teller


class Answers:
    """Stands in for the wire: each question comes to what is said here."""

    def __init__(self, *outcomes: Outcome | None) -> None:
        self.left = list(outcomes)

    async def probe(self) -> Outcome | None:
        return self.left.pop(0)


def probing_of(*outcomes: Outcome | None, reason: str | None = None) -> tuple[Probing, Breaker]:
    """Give one that asks a partner which gives these answers."""
    pace, watch = replace(QUICK, misses=2, again=10), Watch(QUICK, [])
    watch.set_clock(10**15)
    breaker = Breaker(pace, reason=reason, opened_at=10**15)
    teller, nothing = cast("Teller", Answers(*outcomes)), lambda: None
    probing = Probing(teller, breaker, watch, pace, nothing, nothing)
    probing.log = structlog.get_logger()
    return probing, breaker


@pytest.mark.req("HC-14", "HC-15")
async def test_a_question_that_could_not_be_put_after_a_silence_is_no_miss() -> None:
    probing, breaker = probing_of(*[NO_CONNECTION] * 3, AWAY, AWAY)
    for _ in range(4):
        await probing.ask_for_life()
        assert breaker.reason is None
    await probing.ask_for_life()
    assert breaker.reason == "down"


@pytest.mark.req("HC-15")
async def test_a_question_that_could_not_be_put_while_nothing_is_sent_is_soon_put_again() -> None:
    probing, breaker = probing_of(NO_CONNECTION, reason="down")
    await probing.probe()
    wait = breaker.next_probe_at - 10**15
    assert (breaker.open, breaker.failures, probing.busy) == (True, 0, False)
    assert micros(9) < wait < micros(11)


@pytest.mark.req("HC-15")
async def test_a_question_that_could_not_be_put_in_doubt_leaves_it_in_doubt_for_a_while() -> None:
    probing, breaker = probing_of(NO_CONNECTION, AWAY)
    breaker.doubtful = True
    await probing.ask_again()
    assert (breaker.reason, breaker.doubtful, probing.busy) == (None, True, True)
    breaker.doubtful = False
    assert not probing.busy
    breaker.doubtful = True
    await probing.ask_again()
    assert (breaker.reason, probing.busy) == ("down", False)


@pytest.mark.req("HC-14", "HC-15")
@pytest.mark.pitfall("IP-38")
async def test_who_asks_for_a_pause_when_asked_is_there() -> None:
    probing, breaker = probing_of(*[BUSY] * 4)
    for _ in range(2):
        await probing.ask_for_life()
    breaker.doubtful = True
    await probing.ask_again()
    assert (breaker.reason, breaker.doubtful, breaker.answered) == (None, False, True)
    probing, breaker = probing_of(BUSY, reason="down")
    await probing.probe()
    assert breaker.trial


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
