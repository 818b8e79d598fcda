"""Who was allowed to charge where: kept until the station reports the start of the session."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, Index, Text, insert
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.database import Database, clock
from ocpi.spec.document import decode, encode


class Authorization(SQLModel, table=True):
    """One permission to charge, as `POST /admin/authorize` gave it."""

    __tablename__ = "authorization"
    __table_args__ = (Index("ix_authorization_token", "token_key", "at"),)

    id: int | None = Field(default=None, primary_key=True)
    token_key: str
    """See ocpi.errands.token_key."""
    owner: str
    """The key of our party whose station asked."""
    location_id: str | None = None
    """The Location where it holds: the eMSP's, or else the one asked at; None is any."""
    evse_uids: str | None = Field(default=None, sa_type=Text)
    """The EVSEs there, as a JSON list, where the eMSP named some; an empty list: see `use_up`."""
    token: str = Field(sa_type=Text)
    """The Token, as JSON text: an eMSP may have told it only in its answer."""
    method: str
    """The AuthMethod of Session and CDR."""
    reference: str | None = None
    """The eMSP's authorization_reference (TK-20)."""
    at: int = Field(sa_type=BigInteger)

    @property
    def document(self) -> dict[str, Any]:
        """The Token."""
        document: dict[str, Any] = decode(self.token)
        return document

    def holds_at(self, location_id: str, evse_uid: str) -> bool:
        """Whether the driver may charge there by it."""
        if self.location_id is not None and self.location_id.lower() != location_id.lower():
            return False
        evses = None if self.evse_uids is None else decode(self.evse_uids)
        return evses is None or evse_uid.lower() in [each.lower() for each in evses]

    @property
    def for_one_evse(self) -> bool:
        """Whether it is for a single EVSE, where a card serves one car at a time."""
        return self.evse_uids is not None and len(decode(self.evse_uids)) == 1

    def use_up(self) -> None:
        """A session came of it: from now on it holds nowhere, and tells only whose token it is."""
        self.evse_uids = encode([])


_INSERT = insert(Authorization)


async def keep(database: Database, permission: Mapping[str, Any]) -> None:
    """Store a permission, given as columns but for its moment; it is committed then.

    Those of the same moment share a transaction.
    """
    await database.batches.do(Authorization, _keep_all, permission)


async def _keep_all(db: AsyncSession, permissions: Sequence[Mapping[str, Any]]) -> Sequence[None]:
    now = await clock(db)
    await db.exec(_INSERT, params=[{**each, "at": now} for each in permissions])
    return [None] * len(permissions)


async def authorizations_of(
    db: AsyncSession, owner_key: str, wanted: str, since: int
) -> Sequence[Authorization]:
    """What a token was allowed at stations of a party of ours since a moment, newest first.

    They are locked: one leads to one session.
    """
    found = await db.exec(
        select(Authorization)
        .where(
            Authorization.token_key == wanted,
            Authorization.owner == owner_key,
            col(Authorization.at) >= since,
        )
        .order_by(col(Authorization.at).desc(), col(Authorization.id).desc())
        .with_for_update()
    )
    return found.all()
