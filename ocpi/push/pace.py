"""How fast the push goes: every interval and limit, and the clock they are measured on."""

import random
import time
from dataclasses import dataclass

# It goes on while the machine sleeps, so that a lease cannot outlive its time unnoticed.
_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def boottime() -> float:
    """Seconds on this machine's own clock, which nobody sets."""
    return time.clock_gettime(_BOOTTIME)


def micros(seconds: float) -> int:
    """Seconds as the microseconds that the database's clock counts."""
    return int(seconds * 1_000_000)


@dataclass(frozen=True)
class Pace:
    """Intervals in seconds, and limits."""

    poll: float = 0.5
    rest: float = 50.0
    """How many times as long as a look at all lanes took nobody looks unless something changed."""
    gather: float = 0.02
    """Least time between two looks at the feed, so that a burst of changes is one look."""
    commit: float = 0.25
    beat: float = 10.0
    lease: float = 60.0
    """How long a worker that does not beat any more keeps its lanes."""
    exchange: float = 20.0
    slack: float = 5.0
    """No request starts that could last to within this of the lease's end."""
    refresh: float = 2.0
    recover: float = 1.0
    """The pause after the database has failed."""
    crash: float = 60.0
    """The pause after a lane has failed otherwise: by a mistake, or a wrong key."""
    in_flight: int = 8
    """Requests in flight to one partner at first, so that one that hangs holds no others up."""
    most_in_flight: int = 64
    """Most of them, however well it does; the client has as many connections to each."""
    sluggish: float = 5.0
    """Seconds: a partner has one request at a time while one answer in twenty takes longer."""
    places: int = 2000
    """Most requests in flight to all partners of a worker, if it has no more lanes than that."""
    stretch: float = 4.0
    """How many times a partner's fastest answer may take until it has fewer in flight,"""
    wobble: float = 0.05
    """and so many seconds beyond that, since what is fast varies by itself."""
    batch: int = 128
    """Objects of one stream that a lane holds in memory."""
    page: int = 500
    remembered: int = 4096
    """Objects of which a lane remembers what the partner holds, for PATCH."""

    retries: tuple[float, ...] = (5, 60, 600, 3600, 21600, 86400)
    """Waits after an object's failures; the last one repeats."""
    jitter: float = 0.2
    again: float = 10.0
    """Least time between two tries of a parked object that keeps changing."""
    deaths: int = 7
    """Rejections after which an object of the state stream waits for its next change."""

    faults: int = 5
    """Partner-faults in a row that open the breaker, when they hit two objects or more."""
    doubts: int = 3
    """Partner-faults in a row, all of one object, after which the partner's versions are read."""
    alike: int = 20
    """Objects rejected alike in a row that open the breaker, unless it is lenient."""
    crowd: int = 1000
    """How many objects more a partner may refuse than it takes until the breaker opens."""
    probe: float = 2.0
    probe_cap: float = 300.0
    probe_cap_later: float = 900.0
    later: float = 86400.0
    """How long a breaker is open until it probes with the later cap."""
    auth: float = 900.0
    gone: float = 86400.0
    """The longest waits where the partner does not accept our token, or says that it is gone."""
    silence: float = 300.0
    """How long a partner may be silent until it is asked for its versions (HC-14)."""
    misses: int = 2
    """Such questions without an answer, `again` seconds apart, that open the breaker."""
    unreached: int = 3
    """Messages in a row that could not be carried to it, after which the breaker opens."""
    throttle: float = 10.0
    """The wait when a partner says 429 and not how long; it doubles while that is all it says."""
    throttle_cap: float = 300.0

    @property
    def landing(self) -> float:
        """How long what is sent may still arrive, and what came of it be stored."""
        return self.exchange + self.slack

    @property
    def open_files(self) -> int:
        """What a process needs: a connection that was used stays open for a while."""
        return 2 * self.places + 256

    def retry_in(self, attempts: int) -> float:
        """How long an object waits after so many failures."""
        step = self.retries[min(attempts, len(self.retries)) - 1]
        return step * random.uniform(1 - self.jitter, 1 + self.jitter)  # noqa: S311 - no secret.

    def throttle_in(self, pauses: int) -> float:
        """How long the last of so many pauses in a row is."""
        return min(self.throttle_cap, self.throttle * 2.0 ** min(pauses - 1, 30))

    def longest_retry(self, attempts: int) -> float:
        """What no wait after so many failures exceeds; a clock that was set back would make it."""
        return 2 * self.retries[min(max(attempts, 1), len(self.retries)) - 1]

    def longest_probe(self, reason: str | None) -> float:
        """What no wait of an open breaker exceeds."""
        return 2 * {"auth": self.auth, "gone": self.gone}.get(reason or "", self.probe_cap_later)

    def probe_in(self, reason: str, failures: int, open_for: float) -> float:
        """How long an open breaker waits for its next probe."""
        later = self.probe_cap if open_for < self.later else self.probe_cap_later
        # One object or module that is forbidden, or gone, looks the same: it is soon seen.
        cap = {"auth": self.auth, "gone": self.gone}.get(reason, later)
        # Full jitter: partners that came down together must not be asked together.
        return random.uniform(0, min(cap, self.probe * 2 ** min(failures, 30)))  # noqa: S311 - no secret.
