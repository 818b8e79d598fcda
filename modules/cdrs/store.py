"""CDRs as they are stored, with the party that they are a bill for; they never change."""

from typing import Any

from sqlalchemy import BigInteger, Index, Text
from sqlmodel import Field, SQLModel

from ocpi.spec.cdrs import CDR
from ocpi.store import Document, Store, StoredObject, audience_of


class CDRRow(StoredObject, table=True):
    """A CDR."""

    __tablename__ = "cdr"
    __table_args__ = (
        Index("ix_cdr_owner", "owner", "position"),
        Index("ix_cdr_audience", "audience", "position"),
        Index("ix_cdr_session", "owner", "session_key"),
    )

    audience: str
    """The key of the party in its cdr_token, which alone may read it (CD-06, AT-58)."""
    session_key: str | None = None
    """The id of its Session, in lower case."""
    verdict: str | None = Field(default=None, sa_type=Text)
    """What came of checking its price, as JSON text; None for a CDR of ours."""


class CDRConflict(SQLModel, table=True):
    """Another body that came under the id of a stored CDR: kept for staff, and not used (PD-08)."""

    __tablename__ = "cdr_conflict"

    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(index=True)
    """See `ocpi.store.object_key`."""
    partner: str
    body: str = Field(sa_type=Text)
    at: int = Field(sa_type=BigInteger)


class CDRStore(Store[CDRRow]):
    """CDRs, found by their party and by their Session."""

    def columns(self, document: Document) -> dict[str, Any]:
        """The audience and the Session."""
        session_id = document.get("session_id")
        return {
            "audience": audience_of(document).key,
            "session_key": None if session_id is None else session_id.lower(),
        }


cdrs = CDRStore(CDRRow, CDR)
