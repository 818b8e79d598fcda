"""Asking a partner whether it is there: while its breaker is open, in doubt, and after silence."""

from collections.abc import Callable
from typing import Any

from ocpi.push.breaker import REASONS, Breaker
from ocpi.push.outcome import Kind, Outcome
from ocpi.push.pace import Pace, micros
from ocpi.push.teller import Teller
from ocpi.push.watch import Watch


class Probing:
    """One lane's questions for its partner's versions, of which one at a time is asked."""

    def __init__(
        self,
        teller: Teller,
        breaker: Breaker,
        watch: Watch,
        pace: Pace,
        note: Callable[[], None],
        heard: Callable[[], None],
    ) -> None:
        """`note` is called when there is something to store, `heard` when the partner lives."""
        self.log: Any = None
        """The lane's log, bound to its partner."""
        self._teller = teller
        self._breaker = breaker
        self._watch = watch
        self._pace = pace
        self._note = note
        self._heard = heard
        self._alive_at = watch.now()
        self._told_at = 0
        self._ask_at = 0
        self._asking = False
        self._unasked_until = 0
        self._misses = 0
        self._failures = 0
        self._forgiven = 0

    @property
    def busy(self) -> bool:
        """A question is under way; or the next one in doubt waits, since that could not be put."""
        resting = self._breaker.doubtful and self._watch.now() < self._unasked_until
        return self._asking or resting

    @busy.setter
    def busy(self, asking: bool) -> None:
        self._asking = asking

    def see(self, alive_at: int, failures: int) -> bool:
        """Take note of a partner's signs of life; gives whether it must be asked for one (HC-14).

        `alive_at` is when it was last heard, and `failures` is how many messages in a row did not
        reach it since: of too many the breaker is in doubt (HC-15).
        """
        now = self._watch.now()
        self._failures = failures
        self._forgiven = min(self._forgiven, failures)
        if 0 < failures == self._forgiven:
            # Until that is stored, or the lane's next owner would hold them against the partner.
            self._heard()
        # A moment that lies ahead is from before the clock was set back, and tells of life once.
        anew, self._told_at = alive_at != self._told_at, alive_at
        if anew and min(alive_at, now) > self._alive_at:
            self._alive_at, self._misses = min(alive_at, now), 0
            if self._breaker.open:
                self._breaker.hurry(now)
        if failures - self._forgiven >= self._pace.unreached and not self._breaker.away:
            self._breaker.doubtful = True
        silent = now - self._alive_at > micros(self._pace.silence)
        return silent and now >= self._ask_at and self._breaker.settled and not self.busy

    def forgive(self) -> None:
        """The partner is there: what failed before does not count any more."""
        self._forgiven = self._failures
        self._alive_at = self._watch.now()

    async def ask_for_life(self) -> None:
        """Ask after a silence; it takes several misses, for one may be an accident."""
        failure = await self._ask()
        now = self._watch.now()
        if failure is None:
            self._alive_at, self._misses = now, 0
            return
        self._ask_at = now + micros(self._pace.again)
        if not _is_unasked(failure):
            self._miss(failure)

    async def probe(self) -> None:
        """Ask whether the partner is back, while the breaker is open.

        Who refuses everything is there; it may go away all the same, and others must hear of that
        (HC-15). Versions that are refused as well are no sign of it.
        """
        failure = await self._ask()
        if failure is not None and _is_unasked(failure):
            self._breaker.next_probe_at = self._watch.now() + micros(self._pace.again)
            return
        now, sentence = self._watch.now(), None if failure is None else failure.sentence
        barred = failure is not None and failure.kind is Kind.AUTH
        self._breaker.probed(now, sentence, barred=barred)
        self._note()
        if sentence is None:
            self.forgive()
            self.log.info("push probe answered")
        else:
            self.log.info("push probe failed", error=sentence, failures=self._breaker.failures)
        if failure and failure.kind in (Kind.AUTH, Kind.GONE) and not self._breaker.away:
            self._trip(failure)
        elif failure is None or failure.kind is not Kind.PARTNER_FAULT:
            self._misses = 0
        elif not self._breaker.away:
            self._breaker.hurry(now + micros(self._pace.again))
            self._miss(failure)

    def _miss(self, failure: Outcome) -> None:
        self._misses += 1
        if self._misses >= self._pace.misses and not self._breaker.away:
            self._trip(failure)

    async def ask_again(self) -> None:
        """Objects fail, or messages carried to it do: who answers is there all the same."""
        failure = await self._ask()
        if not self._breaker.doubtful:
            return  # Something was taken meanwhile.
        if failure is not None and _is_unasked(failure):
            self._unasked_until = self._watch.now() + micros(self._pace.again)
            return  # The lane asks again then.
        self._breaker.asked(answered=failure is None)
        if failure is None:
            self.forgive()
        else:
            self._trip(failure)

    def log_stop(self) -> None:
        """Say that nothing is sent any more, and why."""
        reason = self._breaker.reason or ""
        self.log.warning(
            "push stopped", reason=reason, meaning=REASONS[reason], error=self._breaker.sentence
        )

    def _trip(self, failure: Outcome) -> None:
        """It is away: a question has failed."""
        reason = failure.kind.value if failure.kind in (Kind.AUTH, Kind.GONE) else "down"
        self._breaker.trip(reason, failure.sentence, self._watch.now())
        self._note()
        self.log_stop()

    async def _ask(self) -> Outcome | None:
        """How it failed; None: the partner is there, and be it that it answers 429."""
        self._asking = True
        try:
            failure = await self._teller.probe()
        finally:
            self._asking = False
        return None if failure is not None and failure.http_status == 429 else failure


def _is_unasked(failure: Outcome) -> bool:
    """It was this process that had no connection left, which tells nothing of the partner."""
    return failure.kind is Kind.THROTTLE and failure.http_status is None
