"""When one partner may be sent something: at the rate it wants, and not in pauses it asks for."""

from dataclasses import dataclass

from ocpi.push.pace import Pace, micros
from ocpi.reply import LONGEST_WAIT


@dataclass
class Allowance:
    """A token bucket, kept as the moment at which it is full; and the end of a pause."""

    pace: Pace
    per_minute: int = 0
    """Requests, evenly; those of one second, and at least one, may go at once. 0: no limit."""
    paused_until: int = 0
    _full_at: int = 0
    pauses: int = 0
    """How many it asked for since it last took something."""

    @classmethod
    def load(cls, pace: Pace, paused_until: int | None, now: int) -> "Allowance":
        """With the pause as the lane's last owner left it."""
        # A clock that was set back must not make it longer than any is.
        return cls(pace, paused_until=min(paused_until or 0, now + micros(LONGEST_WAIT)))

    def next_at(self) -> int:
        """From when on a request may be sent."""
        if not self.per_minute:
            return self.paused_until
        at_once = max(self.per_minute / 60, 1)
        return max(self.paused_until, self._full_at - int((at_once - 1) * self._apart))

    def spend(self, now: int, requests: int = 1) -> None:
        """So many requests are sent now; a negative number were not sent after all."""
        if self.per_minute:
            self._full_at = max(self._full_at, now) + round(requests * self._apart)

    @property
    def _apart(self) -> float:
        return micros(60) / self.per_minute

    def pause(self, now: int, asked: float | None) -> float:
        """Give the partner the seconds that it asks for; gives how many they are.

        Where it does not say how many, each pause is twice as long as the one before it.
        """
        if now >= self.paused_until:
            self.pauses += 1  # Else it is one answer more to what was in flight.
        wait = self.pace.throttle_in(self.pauses) if asked is None else asked
        self.paused_until = max(self.paused_until, now + micros(wait))
        return wait

    def taken(self) -> None:
        """The partner took something: it has had pauses enough."""
        self.pauses = 0
