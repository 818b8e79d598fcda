"""Tokens as they are stored: keyed by owner, uid and type (TK-11)."""

from typing import Any

from sqlalchemy import Index
from sqlmodel import Field, col, select

from ocpi.database import Database
from ocpi.errands import token_key
from ocpi.errors import UnknownToken
from ocpi.spec.document import decode
from ocpi.spec.tokens import Token
from ocpi.store import Document, Store, StoredObject


class TokenRow(StoredObject, table=True):
    """A Token of a driver."""

    __tablename__ = "token"
    __table_args__ = (Index("ix_token_owner", "owner", "position"),)

    token_key: str = Field(index=True)
    """Uid and type, which stations know without knowing the owner."""


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
