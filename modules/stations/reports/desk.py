"""Where reports are taken, and what each came to, as the station's backend is told."""

from dataclasses import dataclass
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from modules.stations.reports.record import Taken
from ocpi.editing import Document
from ocpi.headers import Party
from ocpi.settings import Settings
from ocpi.spec.moments import moment_of


@dataclass(frozen=True)
class Desk:
    """One station's reports in one transaction."""

    db: AsyncSession
    settings: Settings
    owner: Party
    location_id: str
    """The Location whose hardware it is, as the registry spells it."""
    now: int
    """The database's time when the transaction began, in microseconds."""

    def moment(self, at: datetime | None) -> datetime:
        """When something happened: as reported, or now."""
        return at or moment_of(self.now)


@dataclass(frozen=True)
class Outcome:
    """What one report came to."""

    result: Taken
    note: str | None = None
    """Why it was kept or refused, or what staff should know."""
    session_id: str | None = None
    cdr_id: str | None = None
    errand: bool = False
    """A partner is to be told something besides the objects of the feed."""

    def document(self) -> Document:
        """The outcome as JSON-able values."""
        told = {
            "result": self.result.value,
            "note": self.note,
            "session_id": self.session_id,
            "cdr_id": self.cdr_id,
        }
        return {name: value for name, value in told.items() if value is not None}
