"""The database itself keeps CDRs as they were stored, whoever asks it to do otherwise."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from modules.cdrs.received import keep
from modules.cdrs.store import cdrs, erasable
from ocpi.database import Database
from ocpi.headers import Party
from ocpi.migrate import downgrade, upgrade
from ocpi.testing import samples

OWNER = Party("DE", "CPO")
CDR = samples.cdr(country_code="DE", party_id="CPO", id="bill-1")


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Give a database as it is installed, for tests elsewhere do without triggers."""
    opened = Database(database_url)
    await upgrade(opened)
    yield opened
    await opened.close()


@pytest.mark.threat("TA-31")
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE cdr SET body = '{}'",
        "UPDATE cdr SET owner = 'fr*new'",
        "UPDATE cdr SET key = 'fr*new*bill-1'",
        "DELETE FROM cdr",
    ],
)
async def test_a_stored_cdr_is_neither_changed_nor_removed(
    database: Database, statement: str
) -> None:
    assert await keep(database, "cpo", OWNER, CDR)
    before = await cdrs.text(database, [OWNER], "bill-1")
    with pytest.raises(DBAPIError, match="neither changed nor removed"):
        async with database.write() as db:
            await db.exec(text(statement))  # type: ignore[call-overload]
    assert await cdrs.text(database, [OWNER], "bill-1") == before


@pytest.mark.threat("TA-31")
async def test_erasing_a_driver_opens_stored_cdrs_for_its_own_transaction_alone(
    database: Database,
) -> None:
    assert await keep(database, "cpo", OWNER, CDR)
    change = text("UPDATE cdr SET body = '{\"erased\": true}'")
    async with database.write() as db:
        async with erasable(db):
            await db.exec(change)  # type: ignore[call-overload]
            with pytest.raises(DBAPIError, match="neither changed nor removed"):
                async with db.begin_nested():
                    await db.exec(text("DELETE FROM cdr"))  # type: ignore[call-overload]
        with pytest.raises(DBAPIError, match="neither changed nor removed"):
            async with db.begin_nested():
                await db.exec(change)  # type: ignore[call-overload]
    assert await cdrs.text(database, [OWNER], "bill-1") == b'{"erased": true}'


@pytest.mark.threat("TA-31")
async def test_its_verdict_may_be_found_anew_and_it_may_be_posted_again(database: Database) -> None:
    assert await keep(database, "cpo", OWNER, CDR)
    assert not await keep(database, "cpo", OWNER, CDR)
    async with database.write() as db:
        await db.exec(text("UPDATE cdr SET verdict = 'agrees'"))  # type: ignore[call-overload]


async def test_the_migration_can_be_taken_back(database: Database) -> None:
    await downgrade(database, "0005")
    await upgrade(database)
