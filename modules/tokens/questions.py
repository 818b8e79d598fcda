"""What a station wants to know of a driver."""

from dataclasses import dataclass

from ocpi.editing import Document
from ocpi.errands import token_key


@dataclass(frozen=True)
class Question:
    """A token that was presented, and where, as far as it is known."""

    uid: str
    kind: str = "RFID"
    """Token.type."""
    location_id: str | None = None
    evse_uid: str | None = None

    @property
    def key(self) -> str:
        """See ocpi.errands.token_key."""
        return token_key(self.uid, self.kind)

    @property
    def references(self) -> Document | None:
        """The LocationReferences."""
        if self.location_id is None:
            return None
        evses = {} if self.evse_uid is None else {"evse_uids": [self.evse_uid]}
        return {"location_id": self.location_id, **evses}

    def within(self, location_id: str, evse_uid: str | None) -> bool:
        """Whether it is asked at this Location, and at this EVSE where both sides name one."""
        if self.location_id is None or self.location_id.lower() != location_id.lower():
            return False
        named = (self.evse_uid, evse_uid)
        return None in named or str(self.evse_uid).lower() == str(evse_uid).lower()
