"""Sessions as staff look for them."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement
from sqlmodel import col

from modules.sessions.store import SessionRow
from ocpi.database import Database
from ocpi.headers import Party
from ocpi.inside import inside, is_text
from ocpi.recent import Found, search

_BODY = col(SessionRow.body)


@dataclass(frozen=True)
class Wanted:
    """What is looked for; what is None does not matter."""

    owner: Party | None = None
    session_id: str | None = None
    """A part of it."""
    token_uid: str | None = None
    location_id: str | None = None
    status: str | None = None
    since: int | None = None
    """Updated then or later, in microseconds since 1970."""
    until: int | None = None
    """Updated before."""

    def where(self) -> list[ColumnElement[bool]]:
        """The conditions, those that cost least first."""
        found = []
        if self.owner is not None:
            found.append(col(SessionRow.owner) == self.owner.key)
        if self.status is not None:
            found.append(col(SessionRow.status) == self.status)
        if self.since is not None:
            found.append(col(SessionRow.last_updated) >= self.since)
        if self.until is not None:
            found.append(col(SessionRow.last_updated) < self.until)
        if self.session_id is not None:
            found.append(col(SessionRow.key).contains(self.session_id.lower(), autoescape=True))
        if self.location_id is not None:
            found.append(is_text(inside(_BODY, "location_id"), self.location_id))
        if self.token_uid is not None:
            found.append(is_text(inside(_BODY, "cdr_token", "uid"), self.token_uid))
        return found


async def search_sessions(
    database: Database, wanted: Wanted, *, before: int | None = None, limit: int = 50
) -> Found[SessionRow]:
    """Sessions that match, whosever they are, the newest first."""
    return await search(database, SessionRow, *wanted.where(), before=before, limit=limit)
