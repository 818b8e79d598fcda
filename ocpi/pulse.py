"""Signs of life of partners: when one was last heard, and how often it failed since (HC-14, HC-15).

Each process gathers them in memory and stores them now and then; they drive the push's breaker.
"""

import time
from collections.abc import Mapping

from sqlalchemy import BigInteger, Column, ForeignKey
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.database import Database, clock
from ocpi.ownwords import insert_into
from ocpi.parties import Partner

# How old what is stored of a partner that talks all the time may be, in seconds.
FRESH = 15.0


class PartnerPulse(SQLModel, table=True):
    """A partner's signs of life, those of all processes together."""

    __tablename__ = "partner_pulse"

    partner_id: int = Field(
        sa_column=Column(ForeignKey("partner.id", ondelete="CASCADE"), primary_key=True)
    )
    heard_at: int = Field(default=0, sa_type=BigInteger)
    """When it last sent something that it signed with its token, or answered."""
    failures: int = 0
    """How many messages in a row that were carried to it did not reach it."""


class Pulse:
    """What this process has seen of partners since it was last stored."""

    def __init__(self) -> None:
        self._heard: set[int] = set()
        self._failures: dict[int, int] = {}
        self._stored_at: dict[int, float] = {}
        """When it was last stored that a partner lives."""

    def heard(self, partner_id: int) -> None:
        """It lives."""
        self._heard.add(partner_id)
        if self._failures and self._failures.pop(partner_id, 0):
            self._stored_at.pop(partner_id, None)

    def failed(self, partner_id: int) -> None:
        """A message did not reach it, or no answer came back."""
        self._heard.discard(partner_id)
        self._stored_at.pop(partner_id, None)
        self._failures[partner_id] = self._failures.get(partner_id, 0) + 1

    def take(self) -> tuple[Mapping[int, int], list[int]]:
        """The failures to add, and the partners of whom it is time to store that they live."""
        now = time.monotonic()
        due = [each for each in self._heard if self._stored_at.get(each, -FRESH) <= now - FRESH]
        failures, self._failures, self._heard = self._failures, {}, set()
        self._stored_at |= dict.fromkeys(due, now)
        return failures, due


async def store_pulse(database: Database, pulse: Pulse) -> None:
    """Store what this process has seen; nothing is written where nothing is new."""
    failures, alive = pulse.take()
    if not failures and not alive:
        return
    async with database.write() as db:
        now = await clock(db)
        # One that was removed meanwhile has no pulse any more.
        seen = col(Partner.id).in_([*failures, *alive])
        known = await db.exec(select(col(Partner.id)).where(seen))
        for partner_id in sorted({*failures, *alive}.intersection(known.all())):
            await _store(db, partner_id, failures.get(partner_id), now)


async def _store(db: AsyncSession, partner_id: int, failures: int | None, now: int) -> None:
    row = {"partner_id": partner_id, "heard_at": 0 if failures else now, "failures": failures or 0}
    statement = insert_into(db)(PartnerPulse).values(**row)
    new = (
        {"failures": col(PartnerPulse.failures) + failures}
        if failures
        else {"heard_at": now, "failures": 0}
    )
    await db.exec(statement.on_conflict_do_update(index_elements=["partner_id"], set_=new))
