"""CDRs as they are stored, with the party that they are a bill for; they never change."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import BigInteger, Index, Text
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from modules.cdrs.seals import new_salt
from ocpi.editing import Document, object_key
from ocpi.headers import Party
from ocpi.spec.cdrs import CDR
from ocpi.spec.document import decode, whole
from ocpi.spec.reading import dump, read
from ocpi.store import Store, StoredObject, audience_of

# A `cost` of so many is one of the currency; OCPI knows four decimals.
MONEY = 10_000


class CDRRow(StoredObject, table=True):
    """A CDR."""

    __tablename__ = "cdr"
    __table_args__ = (
        Index("ix_cdr_owner", "owner", "position"),
        Index("ix_cdr_audience", "audience", "position"),
        Index("ix_cdr_listed", "owner", "audience", "position"),
        Index("ix_cdr_dated", "owner", "audience", "last_updated", "position"),
        Index("ix_cdr_session", "owner", "session_key"),
        Index("ix_cdr_credited", "owner", "credited_key"),
        Index("ix_cdr_verdict", "verdict", "position"),
        # Has all that the sums of a day are made of.
        Index("ix_cdr_sums", "owner", "last_updated", "currency", "wh", "cost"),
    )

    audience: str
    """The key of the party in its cdr_token, which alone may read it (CD-06, AT-58)."""
    session_key: str | None = None
    """The id of its Session, in lower case."""
    credited_key: str | None = None
    """Of a credit CDR, the id of the CDR that it takes back, in lower case."""
    verdict: str | None = None
    """What came of checking the price of one that we received: agrees, disputed, unpriceable."""
    finding: str | None = Field(default=None, sa_type=Text)
    """Why, as JSON text, see `modules.tariffs.verdicts.judge_received`."""
    currency: str = ""
    wh: int = Field(default=0, sa_type=BigInteger)
    """Its energy in Wh; a credit CDR takes away what it repeats."""
    cost: int = Field(default=0, sa_type=BigInteger)
    """Its total cost without VAT, in parts of the currency's unit, see `MONEY`."""
    salt: str = ""
    """Hashed with the body where it is sealed, see `modules.cdrs.seals.new_salt`."""


class CDRConflict(SQLModel, table=True):
    """Another body that came under the id of a stored CDR: kept for staff, and not used (PD-08)."""

    __tablename__ = "cdr_conflict"

    id: int | None = Field(default=None, primary_key=True)
    key: str = Field(index=True)
    """See `ocpi.store.object_key`."""
    partner: str
    body: str = Field(sa_type=Text)
    at: int = Field(sa_type=BigInteger)


class CDRErasing(SQLModel, table=True):
    """Its one row is there within the transaction that erases a driver, see `erasable`."""

    __tablename__ = "cdr_erasing"

    id: int = Field(primary_key=True)


@asynccontextmanager
async def erasable(db: AsyncSession) -> AsyncIterator[None]:
    """Within the block stored CDRs may be changed, which the database refuses otherwise (TA-31)."""
    mark = CDRErasing(id=1)
    db.add(mark)
    await db.flush()
    yield
    await db.flush()
    await db.delete(mark)
    await db.flush()


class CDRStore(Store[CDRRow]):
    """CDRs, found by their party and by their Session."""

    def settled(self, stored: Document, document: Document) -> Document:
        """What is stored stays: a CDR never changes (CD-08)."""
        del document
        return stored

    def columns(self, document: Document) -> dict[str, Any]:
        """The audience, the Session, the CDR that is taken back, and what is summed up."""
        return {
            "audience": audience_of(document).key,
            "session_key": _lower(document.get("session_id")),
            "credited_key": _lower(document.get("credit_reference_id")),
            "currency": document["currency"],
            "wh": whole(document.get("total_energy"), -1000 if document.get("credit") else 1000),
            "cost": whole(document["total_cost"].get("excl_vat"), MONEY),
            "salt": new_salt(),
        }

    async def credit_of(self, db: AsyncSession, owner: Party, cdr_id: str) -> Document | None:
        """The CDR that takes another one back, None where there is none."""
        found = await db.exec(
            select(CDRRow.body).where(
                col(CDRRow.owner) == owner.key, col(CDRRow.credited_key) == cdr_id.lower()
            )
        )
        body = found.first()
        return None if body is None else decode(body)

    async def bills_of(
        self, db: AsyncSession, owner: Party, session_ids: Iterable[str]
    ) -> dict[str, str]:
        """The ids of the CDRs that bill Sessions, by the Sessions' ids in lower case.

        Those that were taken back bill nothing. Whoever makes one meanwhile holds the stamps of
        those who create.
        """
        wanted = {each.lower() for each in session_ids}
        found = await db.exec(
            select(CDRRow.session_key, CDRRow.key, CDRRow.credited_key, CDRRow.body).where(
                col(CDRRow.owner) == owner.key, col(CDRRow.session_key).in_(wanted)
            )
        )
        rows = found.all()
        gone = {object_key(owner, credited) for _, _, credited, _ in rows if credited is not None}
        return {
            str(session): decode(body)["id"]
            for session, key, credited, body in rows
            if credited is None and key not in gone
        }

    async def finding_of(self, db: AsyncSession, key: str) -> Document | None:
        """What came of checking a CDR that we received; None for one that was not checked."""
        found = await db.exec(select(CDRRow.finding).where(col(CDRRow.key) == key))
        finding = found.one_or_none()
        return None if finding is None else decode(finding)


def as_read(stored: Document) -> Document:
    """A stored CDR as it would be read today: it never changes, what reading puts right may."""
    return dump(read(CDR, stored))


def _lower(identifier: str | None) -> str | None:
    return None if identifier is None else identifier.lower()


cdrs = CDRStore(CDRRow, CDR)
