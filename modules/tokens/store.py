"""Tokens as they are stored: keyed by owner, uid and type (TK-11)."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from sqlalchemy import Index, bindparam, update
from sqlalchemy import select as select_columns
from sqlmodel import Field, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from ocpi.database import Database
from ocpi.editing import Document, Edit, Written
from ocpi.errands import token_key
from ocpi.errors import UnknownToken
from ocpi.spec.document import decode
from ocpi.spec.tokens import Token
from ocpi.store import PulledObject, Store


class TokenRow(PulledObject, table=True):
    """A Token of a driver."""

    __tablename__ = "token"
    __table_args__ = (
        Index("ix_token_owner", "owner", "position"),
        Index("ix_token_dated", "owner", "last_updated", "position"),
    )

    token_key: str = Field(index=True)
    """Uid and type, which stations know without knowing the owner."""
    shared: bool = False
    """It came to the hub, for all parties: not to our CPO alone. Once so, it stays so."""


class TokenStore(Store[TokenRow]):
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

    def spreading(self, edit: Edit) -> Edit:
        """A change that came to the hub: all its parties may see the Token from then on."""
        return replace(edit, beside={"shared": True})

    async def write(self, db: AsyncSession, edits: Sequence[Edit]) -> list[Written | Exception]:
        """As every store does; who could not see a Token before needs all of it."""
        outcomes = await super().write(db, edits)
        seen = {
            edit.key
            for edit, outcome in zip(edits, outcomes, strict=True)
            if edit.beside and isinstance(outcome, Written)
        }
        shared = await self.share(db, seen) if seen else ()
        return [
            replace(outcome, changed=True, patch=None)
            if edit.beside and isinstance(outcome, Written) and edit.key in shared
            else outcome
            for edit, outcome in zip(edits, outcomes, strict=True)
        ]

    async def share(self, db: AsyncSession, keys: Collection[str]) -> Collection[str]:
        """Let all parties of the hub see Tokens; gives the keys of those that they could not."""
        shared = await db.exec(
            update(TokenRow)
            .where(col(TokenRow.key).in_(keys), col(TokenRow.shared).is_(False))
            .values(shared=True)
            .returning(col(TokenRow.key))
            .execution_options(synchronize_session=False)
        )
        return shared.scalars().all()


class Stored(NamedTuple):
    """A Token that is stored, as far as it matters to who asks by uid and type."""

    owner: str
    last_updated: int
    body: str


_BY_TOKEN_KEY = (
    select_columns(col(TokenRow.owner), col(TokenRow.last_updated), col(TokenRow.body))
    .where(col(TokenRow.token_key) == bindparam("token_key"))
    .order_by(col(TokenRow.last_updated).desc())
)


async def tokens_named(database: Database, token_key: str) -> list[Stored]:
    """The Tokens of a uid and type, whoever owns them, the newest first."""
    rows = await database.fetch("tokens.named", _BY_TOKEN_KEY, {"token_key": token_key})
    return [Stored(*row) for row in rows]


async def find_tokens(database: Database, uid: str, offset: int, limit: int) -> list[Document]:
    """Tokens whose uid begins so, the newest first."""
    async with database.read() as db:
        found = await db.exec(
            select(TokenRow)
            .where(col(TokenRow.token_key).startswith(uid.lower(), autoescape=True))
            .order_by(col(TokenRow.position).desc())
            .offset(offset)
            .limit(limit)
        )
        return [decode(row.body) for row in found]


tokens = TokenStore(TokenRow, Token, identifier="uid", missing=UnknownToken)
