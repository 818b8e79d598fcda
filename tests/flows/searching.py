"""Looking for what must not be there: secrets in whatever a service stores or shows."""

import asyncio
import base64
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import quote

import httpx
from sqlalchemy import select
from sqlmodel import SQLModel

import ocpi.app  # noqa: F401 - Whoever puts the program together knows all its tables.
from ocpi.database import Database


def held(text: str, secrets: Iterable[str]) -> list[str]:
    """The secrets that a text holds, in whatever form they may have been written down."""
    lower = text.lower()
    return [each for each in secrets if any(form in lower for form in _forms(each))]


def _forms(secret: str) -> list[str]:
    encoded = base64.b64encode(secret.encode()).decode()
    return [secret.lower(), encoded.lower(), quote(secret, safe="").lower(), secret[::-1].lower()]


async def dump(database_url: str, *tables: str) -> str:
    """All that is stored, or what some tables hold, as text."""
    database = Database(database_url)
    lines = []
    try:
        async with database.read() as db:
            for table in SQLModel.metadata.sorted_tables:
                if not tables or table.name in tables:
                    query: Any = select(table)
                    rows = await db.exec(query)
                    lines += [f"{table.name} {[*row]}" for row in rows]
    finally:
        await database.close()
    return "\n".join(lines)


async def logged(
    admin: httpx.AsyncClient, count: int = 1, **criteria: Any
) -> Sequence[dict[str, Any]]:
    """The messages that are as wanted, once the log holds so many."""
    async with asyncio.timeout(20):
        while True:
            answer = await admin.get("/messages", params={"limit": 1000, **criteria})
            assert answer.is_success, answer.text
            found: list[dict[str, Any]] = answer.json()
            if len(found) >= count:
                return found
            await asyncio.sleep(0.05)
