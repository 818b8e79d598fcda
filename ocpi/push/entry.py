"""An object that a partner is behind on, as its lane holds it in memory."""

from dataclasses import dataclass

from ocpi.push.feed import Stream
from ocpi.push.outcome import Doubt
from ocpi.push.parking import Parking


@dataclass
class Entry:
    """An object that the partner is behind on."""

    key: str
    order_key: str
    stream: Stream
    seq: int
    """The newest change seen of it."""
    first: int | None
    """The oldest change not told, which holds the watermark back; None: it is parked."""
    parking: Parking | None = None
    doubt: Doubt = Doubt.NONE
    tried_at: int = 0
    busy: bool = False
    put_off: int | None = None
    """How many objects the partner had taken when it last asked for a pause at this one."""
    suspicion: int = 0
    """How often it did so again, and had taken others meanwhile."""

    @property
    def module(self) -> str:
        return self.key.partition("/")[0]
