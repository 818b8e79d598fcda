"""Sessions as they are stored, with the party whose driver charges."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Index
from sqlmodel import Field, col

from ocpi.editing import Document
from ocpi.errors import InvalidParameters
from ocpi.forgiving import Habit, forgive
from ocpi.spec.document import whole
from ocpi.spec.moments import parse_moment
from ocpi.spec.sessions import Session
from ocpi.store import Store, StoredObject, audience_of

FINAL = ("COMPLETED", "INVALID")
MOST_PERIODS = 10_000
"""Beyond what any session has; each PATCH reads and writes them all."""


class SessionRow(StoredObject, table=True):
    """A Session."""

    __tablename__ = "session"
    __table_args__ = (
        Index("ix_session_owner", "owner", "position"),
        Index("ix_session_audience", "audience", "position"),
        Index("ix_session_listed", "owner", "audience", "position"),
        Index("ix_session_dated", "owner", "audience", "last_updated", "position"),
        Index("ix_session_status", "status", "position"),
    )

    audience: str
    """The key of the party in its cdr_token, which alone may read it (SE-02, AT-58)."""
    status: str
    wh: int = Field(default=0, sa_type=BigInteger)
    """Its energy so far, in Wh."""


class SessionStore(Store[SessionRow]):
    """Sessions, whose charging periods grow by PATCH."""

    def merged(self, stored: Document, changes: Document) -> Document:
        """As for every object, but periods are added, in the order of their starts (SE-11).

        OCPI has them added and nothing else: who replaces one shall PUT them all (SE-12). One that
        comes again, or has grown since, would be counted twice: of one start, the newest counts
        (AT-54).
        """
        fields = {**changes}
        given = fields.pop("charging_periods", [])
        if given:
            starts = set(map(start_of, given))
            periods = stored.get("charging_periods", [])
            kept = [period for period in periods if start_of(period) not in starts]
            if len(kept) < len(periods):
                forgive(Habit.REPEATED_PERIODS, "Session charging_periods")
            if len(kept) + len(given) > MOST_PERIODS:
                raise InvalidParameters(f"charging_periods: more than {MOST_PERIODS}")
            fields["charging_periods"] = sorted([*kept, *given], key=start_of)
        return super().merged(stored, fields)

    def late(self, stored: Document, document: Document, *, patch: bool) -> Document | None:
        """Of a PATCH the periods that are not known yet, for none is told again (SE-11).

        Of a Session that has ended none, for its end was told with all of them.
        """
        starts = set(map(start_of, stored.get("charging_periods", [])))
        given = document.get("charging_periods", []) if patch else []
        new = [period for period in given if start_of(period) not in starts]
        if not new or stored["status"] in FINAL:
            return None
        return {"charging_periods": new, "last_updated": stored["last_updated"]}

    def settled(self, stored: Document, document: Document) -> Document:
        """A Session that has ended stays so, whatever else is still told of it (IP-18, SE-14)."""
        if stored["status"] not in FINAL or document["status"] in FINAL:
            return document
        end = {name: stored[name] for name in ("end_date_time",) if name in stored}
        return {**end, **document, "status": stored["status"]}

    def columns(self, document: Document) -> dict[str, Any]:
        """The audience, the status and the energy."""
        return {
            "audience": audience_of(document).key,
            "status": document["status"],
            "wh": whole(document.get("kwh"), 1000),
        }


def start_of(period: Document) -> datetime:
    """When a charging period begins, by which it is told from the others (AT-54)."""
    return parse_moment(period["start_date_time"])


def with_status(status: str | None) -> tuple[ColumnElement[bool], ...]:
    """What picks the Sessions with a status; None picks all."""
    return () if status is None else (col(SessionRow.status) == status,)


sessions = SessionStore(SessionRow, Session)
