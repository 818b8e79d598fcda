"""When a lane stops trying, and how it finds out that it may go on: a state machine without I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ocpi.push.pace import Pace, micros
from ocpi.spec.document import decode

REASONS = {
    "down": "The partner does not answer, or not properly.",
    "auth": "The partner does not accept our token.",
    "gone": "The partner says that its address is gone for good.",
    "barred": "The partner answers, but does not let us tell it anything.",
    "rejecting": "The partner rejects everything, in the same way.",
}
# With these it has failed to answer a question: others hear that it is OFFLINE (HC-15).
AWAY = frozenset({"down", "auth", "gone"})


def is_away(stored: Any) -> bool:
    """Whether a breaker, as it is stored, says that its partner is not to be reached."""
    breaker = decode(stored) if isinstance(stored, (str, bytes)) else stored
    return breaker is not None and breaker["reason"] in AWAY


@dataclass
class Breaker:
    """Closed: the lane sends. Open: it asks for the partner's versions now and then, nothing else.

    That objects fail is a doubt, in which nothing is sent until the partner was asked for its
    versions: it is away only where that fails as well. Who answers is there, so that what it fails
    on is as if refused: one object, one module, or all, and then it rejects everything.

    When a probe is answered, one object is tried (`trial`); when that succeeds the breaker closes,
    and when there is none to try. Of who rejects everything, or lets us tell it nothing, any object
    is tried, see `Intake.sample`: those whose turn it is may be all that it rejects. An object that
    is parked has failed before: that it fails again says nothing new, and never opens it.
    """

    pace: Pace
    reason: str | None = None
    """Why it is open; None: it is closed."""
    sentence: str | None = None
    opened_at: int = 0
    next_probe_at: int = 0
    failures: int = 0
    """Probes and trials that failed since it opened."""
    trial: bool = False
    answered: bool = False
    """The last question was, and nothing taken since: it is there, whatever becomes of objects."""
    doubtful: bool = False
    """Is it what fails that is at fault, or the partner? It is to be asked."""
    _row: int = 0
    _suspects: set[str] = field(default_factory=set)
    _rejections: dict[str, str] = field(default_factory=dict)
    _barred: set[str] = field(default_factory=set)
    """Objects of which it said that we are not let in, or that they are gone, since the last one
    that it took;"""
    _forbidden: set[str] = field(default_factory=set)
    """and those that it had said so of before that, or their modules, where it took another's."""
    _surplus: int = 0
    """How many objects more it has refused than taken."""
    _lenient: int = 0
    """It refused all alike and then took something: so many taken in a row end what follows."""

    @classmethod
    def load(cls, pace: Pace, stored: Mapping[str, Any] | None, now: int) -> "Breaker":
        """The breaker as the lane's last owner left it."""
        breaker = cls(pace, **(stored or {}))
        # A clock that was set back must not make the wait longer than any wait is.
        longest = micros(pace.longest_probe(breaker.reason))
        breaker.next_probe_at = min(breaker.next_probe_at, now + longest)
        return breaker

    def dump(self) -> dict[str, Any] | None:
        """What the lane's next owner must know."""
        if self.reason is None:
            return None
        names = ("reason", "sentence", "opened_at", "next_probe_at", "failures")
        return {name: getattr(self, name) for name in names}

    @property
    def open(self) -> bool:
        """No object may be sent."""
        return self.reason is not None and not self.trial

    @property
    def away(self) -> bool:
        """Others hear that the partner is OFFLINE."""
        return self.reason in AWAY

    @property
    def settled(self) -> bool:
        """It is closed, so a failure counts against its object."""
        return self.reason is None

    @property
    def refusing(self) -> bool:
        """What is tried now is any object: all that can be seen may be what it refuses."""
        return self.trial and self.reason in ("rejecting", "barred")

    @property
    def blames(self) -> bool:
        """What a trial fails on may be to blame itself, for the partner is there."""
        return self.trial and self.answered and self.reason != "rejecting"

    def succeed(self, taken: str | None) -> bool:
        """An object was `taken`, or there is none. Returns whether that closed it: a trial does.

        What was in flight when we were not let in shows nothing: that may have begun in between.
        """
        if self.open or (self.doubtful and self._barred):
            return False
        closed = self.reason is not None
        selective = taken is not None and self.reason == "rejecting"
        self._lenient = self.pace.alike if selective else max(self._lenient - 1, 0)
        if taken is not None:
            self._learn(taken)
        self._surplus = 0 if closed else max(self._surplus - 1, 0)
        self.reason = self.sentence = None
        self.trial = self.doubtful = self.answered = False
        self.failures = self._row = 0
        self._suspects.clear()
        self._rejections.clear()
        return closed

    def _learn(self, taken: str) -> None:
        """An object was taken: that others are barred is about them, or their modules, alone."""
        welcome = module_of(taken)
        barred = {key if module_of(key) == welcome else module_of(key) for key in self._barred}
        self._forbidden = (self._forbidden | barred) - {welcome, taken}
        self._barred.clear()

    def fail(
        self, key: str, alike: str | None, sentence: str, now: int, *, parked: bool = False
    ) -> bool:
        """The partner failed on an object. Returns whether that opened the breaker."""
        self._row += 1
        if not parked:
            self._suspects.add(key)
        if self.trial:
            there = self.reason if self.answered else None
            return self.trip(there or "down", sentence, now)
        if self.answered and not parked and self._refuses_all(key, alike):
            return self.trip("rejecting", sentence, now)
        enough = self.pace.faults if len(self._suspects) > 1 else self.pace.doubts
        self.doubtful |= self.reason is None and self._row >= enough
        return False

    def asked(self, *, answered: bool) -> None:
        """The partner was asked because of a doubt."""
        self.answered, self.doubtful = answered, False
        if not answered:
            # That explains what it said to objects.
            self._barred.clear()

    def reject(
        self, key: str, alike: str | None, sentence: str, now: int, *, parked: bool = False
    ) -> bool:
        """The partner refused an object. Returns whether that opened the breaker.

        None are `alike` that a hub does not reach a receiver with: that is none of its refusals.
        """
        self._row = 0
        self._suspects.clear()
        if not parked and self._refuses_all(key, alike):
            return self.trip("rejecting", sentence, now)
        if self.trial and (alike is None or self.reason != "rejecting"):
            # The partner is up and speaks OCPI: what is left is between it and the object.
            self.succeed(None)
        elif self.trial:
            self.trip("rejecting", sentence, now)
        return False

    def _refuses_all(self, key: str, alike: str | None) -> bool:
        if alike is None:
            return False
        self._surplus += 1
        self._rejections.pop(key, None)
        self._rejections[key] = alike
        if len(self._rejections) > self.pace.alike:
            del self._rejections[next(iter(self._rejections))]
        full = len(self._rejections) == self.pace.alike
        same = full and len(set(self._rejections.values())) == 1
        if self._lenient:
            # It refuses not everything but much alike, by which all else must not be kept from it.
            self._lenient, same = self.pace.alike, False
        return same or self._surplus > self.pace.crowd

    def forbids(self, key: str, *, before: bool) -> bool:
        """Take note that the partner does not let us in, or is gone, by an object.

        Returns whether that is about the object or its module alone: it said so `before`, or others
        were taken since, or it is there and says so of few objects of one module. Of more it is
        rather about our token, though its versions may be shown to everybody.
        """
        doubted = self.reason in ("auth", "gone", "barred")
        if not doubted and (before or self._forbidden & {key, module_of(key)}):
            # It is parked now, which tells as much.
            self._forbidden.discard(key)
            return True
        if not (self.open or self._is_shut_out()):
            self._barred.add(key)
        return self.answered and not self._is_shut_out()

    def _is_shut_out(self) -> bool:
        modules = set(map(module_of, self._barred))
        return len(self._barred) >= self.pace.faults or len(modules) > 1

    def is_unproven(self, key: str) -> bool:
        """It is barred, and nothing was taken since that shows that it is alone in that."""
        return key in self._barred

    def bar(self, reason: str, sentence: str, now: int) -> bool:
        """We are not let in, or it is gone, by more than that object. As `trip`."""
        if self.trial or self.answered:
            return self.trip((self.reason or "barred") if self.answered else reason, sentence, now)
        self.doubtful |= self.reason is None
        return False

    def trip(self, reason: str, sentence: str, now: int) -> bool:
        """Open, or stay open after a trial that failed. Returns whether the reason is new."""
        if self.open and self.reason == reason:
            return False
        anew = self.reason != reason
        if anew and not self.away:
            # Who refused everything until now has gone away just now.
            self.opened_at, self.failures = now, 0
        else:
            self.failures += 1
        self.reason, self.sentence = reason, sentence
        self.trial = self.doubtful = False
        self._wait(now)
        return anew

    def probed(self, now: int, failure: str | None, *, barred: bool = False) -> None:
        """A probe was answered, or failed for the reason given; `barred`: by our token.

        Every fourth failed probe an object is tried all the same: versions may be what is broken.
        Not with a token that versions have refused as well.
        """
        self.answered = failure is None
        self.sentence = failure or self.sentence
        refused = barred and self.reason == "auth"
        self.trial = self.answered or (self.failures % 4 == 3 and not refused)
        if not self.trial:
            self.wait_on(now)

    def wait_on(self, now: int) -> None:
        """Neither a probe nor a trial has shown that the partner is back."""
        self.trial = False
        self.failures += 1
        self._wait(now)

    def hurry(self, now: int) -> None:
        """Something changed that may help, such as new credentials: probe at once."""
        self.next_probe_at = min(self.next_probe_at, now)

    def _wait(self, now: int) -> None:
        assert self.reason is not None
        open_for = (now - self.opened_at) / 1_000_000
        self.next_probe_at = now + micros(self.pace.probe_in(self.reason, self.failures, open_for))


def module_of(key: str) -> str:
    """The module of an object in the feed."""
    return key.partition("/")[0]
