"""What stations reported of each charging session: the raw material of its Session and CDR."""

from sqlalchemy import BigInteger, Index, Text, text
from sqlmodel import Field, SQLModel


class Charge(SQLModel, table=True):
    """One session at one station, as its reports tell."""

    __tablename__ = "charge"
    __table_args__ = (
        Index("ix_charge_transaction", "owner", "transaction_key", unique=True),
        Index("ix_charge_evse", "owner", "evse_key", "open"),
        Index("ix_charge_session", "owner", "session_key"),
        Index("ix_charge_closing", "closing_at"),
        # By the id, which never changes: what is reported of the others costs nothing more.
        Index(
            "ix_charge_trouble",
            "id",
            postgresql_where=text("trouble IS NOT NULL"),
            sqlite_where=text("trouble IS NOT NULL"),
        ),
    )

    id: int | None = Field(default=None, primary_key=True)
    owner: str
    """The key of our party."""
    transaction_key: str
    """Location and the station's own id of the session, in lower case: `loc1*4711`."""
    evse_key: str | None = None
    """Location and EVSE, in lower case: `loc1*evse1`; None until the start is known."""
    session_key: str | None = None
    """The id of its Session, in lower case; None until there is one."""
    open: bool = True
    """No stop was reported yet."""
    closing_at: int | None = Field(default=None, sa_type=BigInteger)
    """When it is ended without a stop: the station has begun another, or started anew."""
    trouble: str | None = None
    """Why it has no CDR yet though it has ended, or no Session though it has begun, for staff."""
    record: str = Field(sa_type=Text)
    """Everything reported, as JSON text; see modules.stations.record."""
    changed_at: int = Field(sa_type=BigInteger)
