"""An installation that seals CDRs, and somebody who may do everything in its database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import text

from modules.cdrs import sealing
from modules.cdrs.received import keep
from modules.cdrs.sealing import newest_seal, seal_stored
from modules.cdrs.seals import anchor_of
from modules.cdrs.verifying import read_anchors, verify
from ocpi.context import Context
from ocpi.headers import Party
from ocpi.testing import samples
from tests.house import context_of, settings_of
from tests.schema import create_schema

OWNER = Party("DE", "CPO")
NEW = "n" * 32
CHANGED = "It is not as it was sealed."
# What an attacker does first, who may do everything in the database.
OPEN = {
    "sqlite": [
        f"DROP TRIGGER IF EXISTS {name}_stays_{event}"
        for name in ("cdr", "cdr_seal", "cdr_erasure")
        for event in ("update", "delete")
    ],
    "postgresql": [
        f"DROP TRIGGER IF EXISTS {name}_stays ON {name}"
        for name in ("cdr", "cdr_seal", "cdr_erasure")
    ],
}


@asynccontextmanager
async def open_sealing(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Context]:
    """Give an installation that seals four CDRs at a time and reads two."""
    monkeypatch.setattr(sealing, "MOST", 4)
    monkeypatch.setattr(sealing, "SLICE", 2)
    made = context_of(settings_of(database_url))
    await create_schema(made.database)
    yield made
    await made.close()


async def bill(context: Context, *names: str, uid: str = "DRIVER-1") -> None:
    for name in names:
        token = samples.cdr_token(uid=uid)
        cdr = samples.cdr(country_code="DE", party_id="CPO", id=name, cdr_token=token)
        assert await keep(context.database, "cpo", OWNER, cdr)
        # A Location, say, has come meanwhile.
        await do(context, "UPDATE feed_head SET seq = seq + 1 WHERE stream = 'created'")


async def two_seals(context: Context) -> None:
    """Seal 1 has the CDRs A to D, seal 2 has E and F."""
    await bill(context, *"ABCDEF")
    assert [seal.cdrs for seal in await seal_stored(context)] == [4, 2]


async def do(context: Context, *statements: str) -> None:
    async with context.database.write() as db:
        for statement in statements:
            await db.exec(text(statement))  # type: ignore[call-overload]


async def tamper(context: Context, *statements: str) -> None:
    await do(context, *OPEN[context.database.url.get_backend_name()], *statements)


async def found(context: Context, *anchors: tuple[int, str]) -> list[tuple[Any, ...]]:
    verdict = await verify(context, anchors)
    return [(each.seal, each.cdr, each.sentence) for each in verdict.faults]


async def anchor(context: Context) -> tuple[int, str]:
    newest = await newest_seal(context.database)
    assert newest is not None
    return read_anchors(anchor_of(newest))[0]
