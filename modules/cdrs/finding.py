"""CDRs as staff look for them: ours, and those that we received."""

import re
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import ColumnElement, literal, or_
from sqlmodel import col, select

from modules.cdrs.store import CDRConflict, CDRRow
from modules.tariffs.verdicts import AGREES
from ocpi.database import Database
from ocpi.editing import Document
from ocpi.errors import InvalidParameters
from ocpi.headers import Party
from ocpi.parties import Partner, PartnerRole
from ocpi.recent import Found, search
from ocpi.spec.document import decode

_PARTY = re.compile(r"([A-Za-z]{2})[*-]?([A-Za-z0-9]{3})")


class Problem(StrEnum):
    """What may be wrong with a CDR."""

    CONFLICT = "conflict"
    """Its partner has sent another one under the same id."""
    FAILED_CHECK = "failed check"
    """It was received, and its price does not agree with its tariffs, or has none."""


@dataclass(frozen=True)
class Wanted:
    """What is looked for; what is None does not matter."""

    cdr_id: str | None = None
    """A part of it."""
    session_id: str | None = None
    parties: tuple[str, ...] | None = None
    """Keys of parties that it is of or for, see `parties_named`."""
    problem: Problem | None = None
    since: int | None = None
    """Updated then or later, in microseconds since 1970."""
    until: int | None = None
    """Updated before."""

    def where(self) -> list[ColumnElement[bool]]:
        """The conditions."""
        found = []
        if self.session_id is not None:
            found.append(col(CDRRow.session_key) == self.session_id.lower())
        if self.parties is not None:
            of_them = col(CDRRow.owner).in_(self.parties), col(CDRRow.audience).in_(self.parties)
            found.append(or_(*of_them))
        if self.since is not None:
            found.append(col(CDRRow.last_updated) >= self.since)
        if self.until is not None:
            found.append(col(CDRRow.last_updated) < self.until)
        if self.problem is Problem.FAILED_CHECK:
            found.append(col(CDRRow.verdict) != AGREES)
        if self.problem is Problem.CONFLICT:
            other = select(literal(1)).where(col(CDRConflict.key) == col(CDRRow.key))
            found.append(other.correlate(CDRRow).exists())
        if self.cdr_id is not None:
            found.append(col(CDRRow.key).contains(self.cdr_id.lower(), autoescape=True))
        return found


async def search_cdrs(
    database: Database, wanted: Wanted, *, before: int | None = None, limit: int = 50
) -> Found[CDRRow]:
    """CDRs that match, the newest first."""
    return await search(database, CDRRow, *wanted.where(), before=before, limit=limit)


async def parties_named(database: Database, name: str) -> tuple[str, ...]:
    """The keys of a partner's parties, by its name, or of one party such as DE*ABC.

    Raises ``InvalidParameters`` where it is neither.
    """
    query = select(col(PartnerRole.party)).join(Partner).where(Partner.name == name)
    async with database.read() as db:
        found = tuple((await db.exec(query)).all())
    if found:
        return found
    match = _PARTY.fullmatch(name)
    if match is None:
        raise InvalidParameters(
            f"party: there is no partner named {name!r}, and it is no party such as DE*ABC."
        )
    return (Party(match[1], match[2]).key,)


async def cdrs_of_session(database: Database, owner: Party, session_id: str) -> list[Document]:
    """The CDR of a Session, and what takes it back; the oldest first."""
    query = (
        select(col(CDRRow.body))
        .where(
            col(CDRRow.owner) == owner.key,
            col(CDRRow.session_key) == session_id.lower(),
        )
        .order_by(col(CDRRow.position))
    )
    async with database.read() as db:
        return [decode(body) for body in (await db.exec(query)).all()]
