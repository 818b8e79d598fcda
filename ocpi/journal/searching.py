"""Finding messages: by partner, object, correlation id, time, or the driver they speak of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field
from sqlalchemy import ColumnElement, or_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from ocpi.database import Database
from ocpi.errors import InvalidParameters, UnknownObject
from ocpi.journal.reading import OWNED
from ocpi.journal.table import SHEET, SUBJECT_SHEET, MessageRow, MessageSubject, sheets_of
from ocpi.parties import Partner
from ocpi.sealing import Seal
from ocpi.spec.moments import format_moment, microseconds, moment_of, parse_moment

DIRECTIONS = ("IN", "OUT", "LOST")
MOST_RELATED = 100
MOST_LEGS = 6

_NEWEST = (col(MessageRow.at).desc(), col(MessageRow.id).desc())


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which messages are wanted; None leaves a thing open."""

    partner: str | None = None
    object: str | None = None
    """`sessions/DE/ABC/123`, or the id alone."""
    correlation: str | None = None
    since: str | None = None
    until: str | None = None
    failed: bool = False
    direction: str | None = None
    module: str | None = None
    token: str | None = None
    """The uid or contract id of a driver, whole."""
    before: int | None = None
    """A message's number: only what stands behind it in the list, which goes on so."""
    limit: int = 50


class MessageView(BaseModel):
    """One exchange in the message log."""

    id: int
    at: str = Field(examples=["2026-01-31T12:00:00.123Z"])
    direction: str = Field(
        description="IN, OUT, or LOST where some are missing, see `failure`.", examples=["OUT"]
    )
    partner: str | None = Field(description="Your name for it; none where it was not let in.")
    from_party: str | None = Field(examples=["NL*TNM"])
    to_party: str | None
    module: str | None = Field(examples=["sessions"])
    interface: str | None = Field(examples=["RECEIVER"])
    method: str = Field(examples=["PUT"])
    url: str = Field(description="Of what came in, path and query.")
    object: str | None = Field(
        description="What it was about, in lower case.", examples=["sessions/nl/tnm/123"]
    )
    request_id: str
    correlation_id: str
    http_status: int | None = Field(description="None where there was no answer.")
    status_code: int | None = Field(description="OCPI status code of the answer.")
    failed: bool
    failure: str | None = Field(description="Why there was no answer.")
    ms: float
    request_bytes: int
    response_bytes: int


class MessageSaid(MessageView):
    """One exchange with what was said."""

    request: str = Field(description="The begin of the body, redacted.")
    request_cut: bool
    response: str
    response_cut: bool


class MessageDetail(MessageSaid):
    """One exchange with what was said, and what belongs to it."""

    related: list[MessageView] = Field(
        description="Others with its correlation id, such as a hub's other leg; oldest first."
    )


async def find_messages(database: Database, seal: Seal, wanted: Wanted) -> list[MessageView]:
    """The newest messages that are as wanted, newest first; raises ``InvalidParameters``."""
    async with database.read() as db:
        # Which they are comes first: SQLite would carry the texts along where it has to sort.
        numbers = numbers_of(seal, wanted, await sheets_of(db))
        query = select(MessageRow).where(col(MessageRow.id).in_(numbers)).order_by(*_NEWEST)
        return [_view(row) for row in await db.exec(query)]


async def is_known(database: Database, partner: str) -> bool:
    """Whether there is a partner of a name, or a message of one that there was."""
    async with database.read() as db:
        for found in (
            select(Partner.id).where(Partner.name == partner),
            select(MessageRow.id).where(MessageRow.partner == partner).limit(1),
        ):
            if (await db.exec(found)).first() is not None:
                return True
    return False


def numbers_of(seal: Seal, wanted: Wanted, sheets: Sequence[int]) -> SelectOfScalar[int | None]:
    """The numbers of what is wanted, from all sheets."""
    query = select(col(MessageRow.id)).where(*_where(seal, wanted, sheets))
    return query.order_by(*_NEWEST).limit(wanted.limit)


def _where(seal: Seal, wanted: Wanted, sheets: Sequence[int]) -> Sequence[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    for column, value in (
        (MessageRow.partner, wanted.partner),
        (MessageRow.direction, _direction(wanted.direction)),
        (MessageRow.module, wanted.module and wanted.module.lower()),
    ):
        if value is not None:
            where.append(col(column) == value)
    if wanted.correlation is not None:
        where += _with_correlation(wanted.correlation, sheets)
    if wanted.object is not None:
        where += (SHEET.in_(sheets), *_about(seal, wanted.object))
    if wanted.since is not None:
        where.append(col(MessageRow.at) >= _moment("since", wanted.since))
    if wanted.until is not None:
        where.append(col(MessageRow.at) < _moment("until", wanted.until))
    if wanted.before is not None:
        where += _behind(wanted.before)
    if wanted.failed:
        where.append(col(MessageRow.failed).is_(True))
    if wanted.token is not None:
        where.append(col(MessageRow.id).in_(speaking_of(seal.marks(wanted.token), sheets)))
    return where


def _direction(text: str | None) -> str | None:
    if text is not None and text.upper() not in DIRECTIONS:
        raise InvalidParameters(f"direction: {text!r} is none of {', '.join(DIRECTIONS)}.")
    return text and text.upper()


def _with_correlation(identifier: str, sheets: Sequence[int]) -> Sequence[ColumnElement[bool]]:
    return (SHEET.in_(sheets), col(MessageRow.correlation_id) == identifier)


def speaking_of(marks: Sequence[str], sheets: Sequence[int]) -> SelectOfScalar[int]:
    """The numbers of the rows that speak of a driver, see `ocpi.sealing.Seal.marks`."""
    return select(col(MessageSubject.message_id)).where(
        SUBJECT_SHEET.in_(sheets), col(MessageSubject.mark).in_(marks)
    )


def _about(seal: Seal, key: str) -> Sequence[ColumnElement[bool]]:
    """What tells messages about an object: with an owner in its URL or, at its owner's, without."""
    module, *names = key.strip("/").lower().split("/")
    if not names:
        return (col(MessageRow.object_id) == module,)
    *owner, name = names
    ids = seal.marks(name) if module == "tokens" else [name]
    keys = ["/".join([module, *owner, each]) for each in ids]
    if module in OWNED or module == "cdrs":
        keys += [f"{module}/{each}" for each in ids]
    return (
        col(MessageRow.object_id).in_(ids),
        or_(*(col(MessageRow.object_key) == each for each in keys)),
    )


def _behind(number: int) -> Sequence[ColumnElement[bool]]:
    """What is older than a message, by the order of the list; nothing once that is purged."""
    at = select(MessageRow.at).where(MessageRow.id == number).scalar_subquery()
    return (col(MessageRow.at) <= at, or_(col(MessageRow.at) < at, col(MessageRow.id) < number))


def _moment(name: str, text: str) -> int:
    try:
        return microseconds(parse_moment(text))
    except ValueError as error:
        raise InvalidParameters(f"{name}: {error}") from None


async def read_message(database: Database, number: int) -> MessageDetail:
    """One message and those that belong to it; raises ``UnknownObject``."""
    async with database.read() as db:
        row = await _row(db, number)
        others = await db.exec(
            select(MessageRow)
            .where(
                *_with_correlation(row.correlation_id, await sheets_of(db)),
                MessageRow.id != row.id,
                MessageRow.correlation_id != "",
            )
            .order_by(col(MessageRow.at), col(MessageRow.id))
            .limit(MOST_RELATED)
        )
        related = [_view(other) for other in others]
    return MessageDetail(**_view(row).model_dump(), **_said(row), related=related)


async def read_legs(database: Database, message: MessageDetail) -> list[MessageSaid]:
    """A message and the first of those that belong to it, with what was said; oldest first."""
    numbers = [message.id, *(each.id for each in message.related[: MOST_LEGS - 1])]
    query = select(MessageRow).where(col(MessageRow.id).in_(numbers))
    async with database.read() as db:
        rows = await db.exec(query.order_by(col(MessageRow.at), col(MessageRow.id)))
        return [MessageSaid(**_view(row).model_dump(), **_said(row)) for row in rows]


def _said(row: MessageRow) -> dict[str, Any]:
    return row.model_dump(include={"request", "request_cut", "response", "response_cut"})


async def _row(db: AsyncSession, number: int) -> MessageRow:
    row = await db.get(MessageRow, number)
    if row is None:
        raise UnknownObject(f"There is no message {number}: see `ocpi messages`.")
    return row


def _view(row: MessageRow) -> MessageView:
    at: datetime = moment_of(row.at)
    told = row.model_dump(exclude={"at"})
    return MessageView(**told, at=format_moment(at), object=row.object_key)
