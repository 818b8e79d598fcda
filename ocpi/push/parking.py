"""What a partner did not take: why, and when it is tried again."""

from dataclasses import dataclass, field
from enum import StrEnum


class Why(StrEnum):
    """Why an object is parked."""

    TRANSIENT = "transient"  # The partner failed on it.
    REJECTED = "rejected"  # The partner refused it.
    LATE = "late"  # Of what a former owner sent, an old state may have come after a newer one.
    DEAD = "dead"  # Refused too often; its next change tries again.
    DROPPED = "dropped"  # Taken out by staff; its next change tries again.


@dataclass
class Parking:
    """An object that waits for its next try: one row of `parked`."""

    seq: int
    kind: Why
    next_at: int | None
    """None: not by itself."""
    attempts: int = 0
    doubtful: bool = False
    http_status: int | None = None
    status_code: int | None = None
    error: str | None = None
    first_failed_at: int = 0

    def is_due(self, until: int) -> bool:
        """It may be tried by then."""
        return self.next_at is not None and self.next_at <= until

    def may_hurry(self, now: int) -> bool:
        """It may be tried before its time.

        Not so what is dead, may be in flight another way, or is wanted later.
        """
        waits = self.kind is Why.LATE or self.is_put_off
        return self.next_at is not None and (not waits or self.is_due(now))

    @property
    def is_put_off(self) -> bool:
        """The partner wants it later."""
        return self.http_status == 429

    def is_blameless(self, doubts: int) -> bool:
        """It waits because the partner failed: not as often that it would be its own fault."""
        return self.kind in (Why.TRANSIENT, Why.LATE) and self.attempts < doubts


@dataclass
class Notes:
    """What happened since the last commit."""

    parked: dict[str, Parking] = field(default_factory=dict)
    unparked: dict[str, Parking] = field(default_factory=dict)
    """Objects that are not parked any more, and how they were last."""

    def park(self, key: str, parking: Parking) -> None:
        self.unparked.pop(key, None)
        self.parked[key] = parking

    def unpark(self, key: str, parking: Parking) -> None:
        self.parked.pop(key, None)
        self.unparked[key] = parking
