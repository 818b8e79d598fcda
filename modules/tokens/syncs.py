"""How far our copy of a partner's Tokens is, and when it is brought up to date again."""

from sqlalchemy import BigInteger, Column, ForeignKey
from sqlmodel import Field, SQLModel


class TokenSync(SQLModel, table=True):
    """One partner's Tokens."""

    __tablename__ = "token_sync"

    partner_id: int = Field(
        sa_column=Column(ForeignKey("partner.id", ondelete="CASCADE"), primary_key=True)
    )
    next_at: int = Field(default=0, sa_type=BigInteger)
    """When some process pulls next; taken by an update that only one can make."""
    full_at: int | None = Field(default=None, sa_type=BigInteger)
    """When the last complete crawl of everything began, by our clock."""
    synced_at: int | None = Field(default=None, sa_type=BigInteger)
    """When the last complete crawl began: the next one asks for what changed since."""
    note: str | None = None
    """What the last pull came to, in a sentence for staff."""
