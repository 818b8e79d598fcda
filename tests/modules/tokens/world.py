"""Our service, and eMSPs in its network that issue Tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from sqlmodel import col, select

from modules.tokens.authorizations import Authorization
from modules.tokens.authorizing import authorize
from modules.tokens.deciding import Decision
from modules.tokens.questions import Question
from ocpi.database import clock
from ocpi.errands import Errand, token_key
from ocpi.headers import Party
from ocpi.parties import PartnerRole
from ocpi.spec.document import encode
from tests.house import OURS
from tests.ocpi.pull import world
from tests.ocpi.pull.world import ABC, PRESENTED, Document, presented, token

__all__ = ["ABC", "PRESENTED", "UID", "World", "open_world", "presented", "token"]

UID = "04A1B2C3D4E5F6"


class World(world.World):
    """As the pull's, where drivers charge."""

    async def ask(self, uid: str = UID, *args: Any) -> Decision:
        return await authorize(self.context, OURS, Question(uid, *args))

    async def command(self, document: Document, *, minutes: float = 1, **over: Any) -> None:
        """Store a command of the partner whose the token is, of so many minutes ago."""
        async with self.context.database.write() as db:
            owner = Party(document["country_code"], document["party_id"])
            found = await db.exec(
                select(PartnerRole.partner_id).where(PartnerRole.party == owner.key)
            )
            now = await clock(db)
            given = {
                "id": str(uuid4()),
                "wish": "START_SESSION",
                "partner_id": found.one(),
                "owner_country_code": "NL",
                "owner_party_id": "TNM",
                "asker_country_code": owner.country_code,
                "asker_party_id": owner.party_id,
                "location_id": "LOC-1",
                "token_key": token_key(document["uid"], document["type"]),
                "request": encode({"token": document, "authorization_reference": "BY-COMMAND"}),
                "response_url": "https://emsp.example/1",
                "correlation_id": "1",
                "created_at": now - int(minutes * 60_000_000),
                "deadline": now,
            }
            db.add(Errand(**{**given, **over}))

    async def authorizations(self) -> Sequence[Authorization]:
        async with self.context.database.read() as db:
            return (await db.exec(select(Authorization).order_by(col(Authorization.id)))).all()


@asynccontextmanager
async def open_world(database_url: str, **over: Any) -> AsyncIterator[World]:
    async with world.open_world(database_url, **over) as opened:
        yield World(opened.context, opened.admin, opened.network)
