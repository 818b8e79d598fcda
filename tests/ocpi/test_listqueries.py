"""Lists are found by their indexes, on both databases, however far one looks."""

from typing import Any

import pytest
from sqlalchemy import Executable, insert, text
from sqlalchemy.sql.elements import ClauseElement

from modules.locations.store import LocationRow, locations
from ocpi.database import Database
from ocpi.headers import Party
from ocpi.listqueries import list_queries
from ocpi.pagination import Paging
from tests.house import open_database

ROWS = 3000
OWNER = Party("BE", "BEC")
TABLE = LocationRow.__table__  # type: ignore[attr-defined]
WINDOW = {"limit": 50, "offset": 2000}


def _body(number: int) -> str:
    return f'{{"id":"L{number}","address":"{"a" * 1500}"}}'


async def _fill(database: Database) -> None:
    """Two owners' objects in turns, so that those of one do not lie together."""
    rows = [
        {
            "position": n,
            "key": f"{'be*bec' if n % 2 else 'de*cpo'}*l{n}",
            "owner": "be*bec" if n % 2 else "de*cpo",
            "last_updated": n,
            "body": _body(n),
        }
        for n in range(1, ROWS + 1)
    ]
    async with database.write() as db:
        await db.exec(insert(LocationRow), params=rows)
    if database.sqlite:
        return
    # Only what was vacuumed is known to be visible by its index alone.
    alone = database.engine.execution_options(isolation_level="AUTOCOMMIT")
    async with alone.connect() as connection:
        await connection.execute(text("VACUUM ANALYZE location"))


async def _plan(database: Database, statement: Executable, given: dict[str, object]) -> str:
    assert isinstance(statement, ClauseElement)
    explain = "EXPLAIN QUERY PLAN" if database.sqlite else "EXPLAIN"
    # With parameters by name, which the second statement has again.
    named: type[Any] = type(database.engine.dialect)
    dialect = named(paramstyle="named")
    sql = f"{explain} {statement.compile(dialect=dialect)}"
    rows = await database.fetch(sql, text(sql), given)
    return "\n".join(str(row[-1]) for row in rows)


async def test_a_deep_page_is_found_in_the_index_and_only_its_texts_are_read(
    database_url: str,
) -> None:
    async with open_database(database_url) as database:
        await _fill(database)
        given: dict[str, object] = {"owner_0": OWNER.key}
        _, page = list_queries(TABLE, "owner_0")
        plan = await _plan(database, page, given | WINDOW)
        assert "ix_location_owner" in plan
        # The page itself may be put in order, never what lies before it.
        assert "Seq Scan" not in plan
        assert "SCAN location\n" not in f"{plan}\n"


async def test_objects_of_one_owner_are_counted_in_an_index(database_url: str) -> None:
    async with open_database(database_url) as database:
        await _fill(database)
        count, _ = list_queries(TABLE, "owner_0")
        plan = await _plan(database, count, {"owner_0": OWNER.key})
        assert "ix_location" in plan
        assert "SEARCH" in plan if database.sqlite else "Seq Scan" not in plan


@pytest.mark.parametrize(("offset", "shown"), [(0, 50), (1480, 20), (1500, 0), (10**6, 0)])
async def test_every_page_tells_how_many_there_are(
    database_url: str, offset: int, shown: int
) -> None:
    async with open_database(database_url) as database:
        await _fill(database)
        page = await locations.page(database, Paging(offset, 50), [OWNER])
        assert (len(page.bodies), page.total) == (shown, ROWS // 2)
        first = [_body(2 * (offset + n) + 1).encode() for n in range(shown)]
        assert list(page.bodies) == first
