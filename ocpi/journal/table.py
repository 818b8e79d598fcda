"""The message log as it is stored: one redacted row for each exchange, and whom it speaks of.

Ids that are as good as random are indexed sheet by sheet, a sheet being 65,536 rows by their
numbers: a new row then goes to the end of an index, whose pages are in memory, wherever it would
stand among the ids of a whole month. Who searches looks into each sheet (`ocpi.journal.searching`).
"""

from collections.abc import Sequence

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    Text,
    func,
    literal_column,
    text,
)
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

ROWS_A_SHEET = 65_536
SHEET = literal_column("(message.id / 65536)", BigInteger)
"""Of a row of the log."""
SUBJECT_SHEET = literal_column("(message_subject.message_id / 65536)", BigInteger)

# SQLite gives numbers by itself to a column of this very type alone.
_Number = BigInteger().with_variant(Integer, "sqlite")


class MessageRow(SQLModel, table=True):
    """One exchange, or how many were lost. No token ever stands here, and no driver's id."""

    __tablename__ = "message"
    __table_args__ = (
        Index("ix_message_at", "at"),
        Index("ix_message_partner", "partner", "at"),
        Index("ix_message_object", text("(id / 65536)"), "object_id", "at"),
        Index("ix_message_correlation", text("(id / 65536)"), "correlation_id"),
        Index(
            "ix_message_failed",
            "at",
            postgresql_where=text("failed IS true"),
            sqlite_where=text("failed IS 1"),
        ),
    )

    id: int | None = Field(default=None, sa_column=Column(_Number, primary_key=True))
    at: int = Field(sa_type=BigInteger)
    """When it began, in microseconds since 1970, by the clock of the process."""
    direction: str
    """IN, OUT, or LOST: see `failure`."""
    partner: str | None = None
    """Its name at that time; None where nobody was let in."""
    from_party: str | None = None
    to_party: str | None = None
    module: str | None = None
    interface: str | None = None
    method: str
    url: str = Field(sa_type=Text)
    object_key: str | None = Field(default=None, sa_type=Text)
    """`sessions/de*abc/123` or `sessions/123`, as the URL or the body tells it, in lower case."""
    object_id: str | None = None
    """Its last part."""
    request_id: str
    correlation_id: str
    http_status: int | None = None
    status_code: int | None = None
    failed: bool
    failure: str | None = Field(default=None, sa_type=Text)
    """Why there was no answer."""
    ms: float
    request_bytes: int
    response_bytes: int
    request: str = Field(sa_type=Text)
    """The begin of the body."""
    response: str = Field(sa_type=Text)
    request_cut: bool
    response_cut: bool


class MessageSubject(SQLModel, table=True):
    """A driver's id that a row speaks of, as its mark: see `ocpi.sealing.Seal.mark`."""

    __tablename__ = "message_subject"
    __table_args__ = (Index("ix_message_subject_mark", text("(message_id / 65536)"), "mark"),)

    message_id: int = Field(
        sa_column=Column(BigInteger, ForeignKey("message.id", ondelete="CASCADE"), primary_key=True)
    )
    mark: str = Field(primary_key=True)


async def sheets_of(db: AsyncSession) -> Sequence[int]:
    """All sheets that may have rows."""
    number = col(MessageRow.id)
    ends = (select(end(number)).scalar_subquery() for end in (func.min, func.max))
    first, last = (await db.exec(select(*ends))).one()
    return () if first is None else range(first // ROWS_A_SHEET, last // ROWS_A_SHEET + 1)
