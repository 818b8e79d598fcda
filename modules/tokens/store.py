"""Tokens as they are stored: keyed by owner, uid and type (TK-11), in two books.

What is told to the hub is for everybody: it is listed, and told to others. What our own CPO alone
is told is nobody else's (RT-19, RT-38, AT-44). Our CPO has heard both, and goes by the newer.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from sqlalchemy import CompoundSelect, Index, bindparam, desc, literal, union_all
from sqlalchemy import select as select_columns
from sqlmodel import Field, col
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.database import Database
from ocpi.editing import Decision, Document, Edit, Written, object_key
from ocpi.errands import token_key
from ocpi.errors import UnknownToken
from ocpi.headers import Party
from ocpi.spec.document import decode
from ocpi.spec.moments import parse_moment
from ocpi.spec.tokens import Token
from ocpi.store import PulledObject, Store


class TokenObject(PulledObject):
    """A Token of a driver, in whichever book."""

    token_key: str = Field(index=True)
    """Uid and type, which stations know without knowing the owner."""


class HubTokenRow(TokenObject, table=True):
    """A Token as it was told to the hub, by pushing it there or in a list that the hub pulled."""

    __tablename__ = "hub_token"
    __table_args__ = (
        Index("ix_hub_token_owner", "owner", "position"),
        Index("ix_hub_token_dated", "owner", "last_updated", "position"),
    )


class TokenRow(TokenObject, table=True):
    """A Token as our own CPO alone was told it."""

    __tablename__ = "token"
    __table_args__ = (
        Index("ix_token_owner", "owner", "position"),
        Index("ix_token_dated", "owner", "last_updated", "position"),
    )


class TokenStore(Store[TokenObject]):
    """Tokens, whose identifier is `uid*type`."""

    def columns(self, document: Document) -> dict[str, Any]:
        """Uid and type."""
        return {"token_key": token_key(document["uid"], document["type"])}

    def named(self, identifier: str) -> dict[str, str]:
        """The uid, which may itself hold an asterisk, and the type."""
        uid, _, kind = identifier.rpartition("*")
        return {"uid": uid, "type": kind}

    def identify(self, document: Document) -> str:
        """`uid*type`."""
        return f"{document['uid']}*{document['type']}"


_BROADCAST = select_columns(col(HubTokenRow.key), col(HubTokenRow.body)).where(
    col(HubTokenRow.key).in_(bindparam("keys", expanding=True))
)


class OwnTokenStore(TokenStore):
    """The book of our CPO, which has heard what is in the hub's as well."""

    async def write(self, db: AsyncSession, edits: Sequence[Edit]) -> list[Written | Exception]:
        """As every store does; what is changed is the Token that our CPO knows.

        The hub's book is read without a lock: who changes it at this moment counts as coming later.
        """
        found = await db.exec(_BROADCAST, params={"keys": [edit.key for edit in edits]})  # type: ignore[call-overload]
        broadcast = dict(found.all())
        return await super().write(db, [_knowing(broadcast.get(edit.key), edit) for edit in edits])


def _knowing(text: str | None, edit: Edit) -> Edit:
    """A change of the newer of what our CPO was told and what was broadcast (PP-09).

    What comes of it is our CPO's alone. It is left out where the broadcast Token says the same, or
    has a newer date all the same, as one that lies ahead: our CPO would not go by it.
    """
    if text is None:
        return edit

    def decide(stored: Document | None, now: int) -> Decision:
        broadcast: Document = decode(text)
        if stored is not None and _moment(stored) >= _moment(broadcast):
            return edit.decide(stored, now)
        whole, written = edit.decide(broadcast, now)
        if whole is not None and _moment(whole) < _moment(broadcast):
            return None, Written(broadcast, changed=False, stale=True)
        return None if whole == broadcast else whole, written

    return replace(edit, decide=decide, creates=True)


def _moment(document: Document) -> Any:
    return parse_moment(document["last_updated"])


hub_tokens = TokenStore(HubTokenRow, Token, identifier="uid", missing=UnknownToken)
tokens = OwnTokenStore(TokenRow, Token, identifier="uid", missing=UnknownToken)

# The database knows no larger number.
_LARGEST = 2**63 - 1

# Where both are of one moment, the first counts.
_BOOKS = (TokenRow, HubTokenRow)


class Stored(NamedTuple):
    """A Token that is stored, as far as it matters to who asks by uid and type."""

    owner: str
    last_updated: int
    body: str
    absent: bool
    """It is gone from its owner's complete list (PG-13)."""


def _in_both(name: str) -> CompoundSelect[Any]:
    """The rows of both books of which a column is as given, those that count first."""
    found: Iterable[Any] = (
        select_columns(
            col(book.owner),
            col(book.last_updated).label("moment"),
            col(book.body),
            col(book.absent_since).is_not(None).label("absent"),
            literal(place).label("place"),
        ).where(getattr(book, name) == bindparam(name))
        for place, book in enumerate(_BOOKS)
    )
    return union_all(*found).order_by(desc("moment"), "place")


_BY_KEY = _in_both("key")
_BY_TOKEN_KEY = _in_both("token_key")

OWNERS = union_all(
    *(
        select_columns(col(book.owner)).where(col(book.token_key) == bindparam("token_key"))
        for book in _BOOKS
    )
).subquery()
"""Who owns Tokens of the uid and type that is given as `token_key`."""


async def known_token(database: Database, owner: Party, identifier: str) -> str:
    """The JSON text of a Token as our CPO knows it; raises ``UnknownToken``."""
    given = {"key": object_key(owner, identifier)}
    rows = await database.fetch("tokens.known", _BY_KEY, given)
    if not rows:
        raise UnknownToken
    text: str = rows[0][2]
    return text


async def types_of(database: Database, owner: Party, uid: str) -> set[str]:
    """The types of an owner's Tokens of one uid, in either book."""
    found = union_all(
        *(
            select_columns(col(book.body)).where(
                col(book.owner) == owner.key,
                col(book.token_key).startswith(f"{uid.lower()}*", autoescape=True),
            )
            for book in _BOOKS
        )
    )
    async with database.read() as db:
        documents = [decode(body) for (body,) in await db.exec(found)]  # type: ignore[call-overload]
    # Another uid may begin so, and go on behind an asterisk.
    return {each["type"] for each in documents if each["uid"].lower() == uid.lower()}


async def tokens_named(database: Database, token_key: str) -> list[Stored]:
    """The Tokens of a uid and type as our CPO knows them, whoever owns them, the newest first."""
    return _counting(await database.fetch("tokens.named", _BY_TOKEN_KEY, {"token_key": token_key}))


async def tokens_named_in(db: AsyncSession, token_key: str) -> list[Stored]:
    """The same in a transaction that is under way."""
    found = await db.exec(_BY_TOKEN_KEY, params={"token_key": token_key})  # type: ignore[call-overload]
    return _counting(found.all())


def _counting(rows: Iterable[Sequence[Any]]) -> list[Stored]:
    """Of each owner's the one that counts."""
    known: dict[str, Stored] = {}
    for owner, moment, body, absent, _ in rows:
        known.setdefault(owner, Stored(owner, moment, body, bool(absent)))
    return list(known.values())


async def find_tokens(database: Database, uid: str, offset: int, limit: int) -> list[Document]:
    """Tokens whose uid begins so, of both books, the newest first."""
    # PostgreSQL goes along the positions of each book only if each alone has an end.
    most = min(offset + limit, _LARGEST)
    found = (
        select_columns(col(book.position).label("position"), col(book.body))
        .where(col(book.token_key).startswith(uid.lower(), autoescape=True))
        .order_by(col(book.position).desc())
        .limit(most)
        .subquery()
        for book in _BOOKS
    )
    both = union_all(*(select_columns(each) for each in found))
    page = both.order_by(desc("position")).offset(offset).limit(limit)
    async with database.read() as db:
        rows = await db.exec(page)  # type: ignore[call-overload]
        return [decode(body) for _, body in rows]
