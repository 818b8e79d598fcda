"""Databases that hold much, filled past the API: many partners, and the objects of many owners."""

import json
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from pydantic import SecretStr
from sqlalchemy import Connection, Table, insert, text
from sqlmodel import SQLModel

from modules.locations.store import LocationRow, locations
from ocpi.context import Context
from ocpi.database import Database
from ocpi.headers import Party
from ocpi.opening import open_context
from ocpi.parties import Partner, PartnerRole, PlatformID, State
from ocpi.settings import Settings
from ocpi.testing import samples
from tests.flows.process import SECRET

# A change each second since 2020.
FIRST = 1_577_836_800_000_000
CHUNK = 10_000
_ROWS = {
    "sqlite": "WITH RECURSIVE numbers(n) AS (SELECT :first UNION ALL SELECT n + 1 FROM numbers "
    "WHERE n < :last)",
    "postgresql": "WITH numbers(n) AS (SELECT generate_series(CAST(:first AS bigint), :last))",
}
_INSERT = (
    " INSERT INTO location (position, key, owner, last_updated, body, country, publish, "
    "allowed_groups, tags, tariffs, statuses) SELECT n, 'de*cpo*l' || n, 'de*cpo', "
    "CAST(:moment AS bigint) + n * 1000000, replace(:body, '@N', CAST(n AS varchar)), 'nld', true, "
    "'|', '|', '|', '{}' FROM numbers"
)


def opened(database_url: str, **parties: str) -> AbstractAsyncContextManager[Context]:
    """The database as processes of an `Installation` see it, with these parties of ours."""
    given: dict[str, Any] = dict(parties)
    settings = Settings(database_url=database_url, secret_key=SecretStr(SECRET), **given)
    return open_context(settings)


def many_parties(count: int) -> list[Party]:
    """So many different ones, up to 26,000."""
    return [Party(f"X{chr(65 + n // 1000)}", f"{n % 1000:03}") for n in range(count)]


async def insert_rows(
    database: Database, model: type[SQLModel], rows: Sequence[dict[str, Any]]
) -> None:
    """Store rows in large transactions, and have the planner know of them."""
    table: Table = model.__table__  # type: ignore[attr-defined]
    engine = database.engine.execution_options(write=True)
    for first in range(0, len(rows), CHUNK):
        async with engine.begin() as connection:
            chunk = rows[first : first + CHUNK]
            await connection.run_sync(Connection.execute, insert(table), chunk)
    await analyze(database, table.name)


async def analyze(database: Database, table: str) -> None:
    """As PostgreSQL does by itself a minute later; SQLite needs it not."""
    if not database.sqlite:
        alone = database.engine.execution_options(isolation_level="AUTOCOMMIT")
        async with alone.connect() as connection:
            await connection.execute(text(f"VACUUM ANALYZE {table}"))


async def store_partners(
    database: Database,
    parties: Sequence[Party],
    *,
    role: str,
    platform: PlatformID,
    first: int,
    token_out: str | None = None,
) -> list[int]:
    """Registered partners of one party each; gives their ids, which count from the first one."""
    numbered = list(enumerate(parties, first))
    partners: list[dict[str, Any]] = [
        {
            "id": number,
            "name": str(party),
            "platform": platform.value,
            "state": State.CONFIRMED.value,
            "suspended": False,
            "options": {},
            "created_at": FIRST,
            "registered_at": FIRST,
            "token_out": token_out,
        }
        for number, party in numbered
    ]
    roles = [
        {
            "partner_id": number,
            "platform": platform.value,
            "role": role,
            "party": party.key,
            "country_code": party.country_code,
            "party_id": party.party_id,
        }
        for number, party in numbered
    ]
    await insert_rows(database, Partner, partners)
    await insert_rows(database, PartnerRole, roles)
    return [number for number, _ in numbered]


async def store_locations(database: Database, owners: Sequence[Party], count: int) -> None:
    """Locations of owners in turns, each with one EVSE."""
    rows = []
    for number in range(1, count + 1):
        owner = owners[number % len(owners)]
        named = {"country_code": owner.country_code, "party_id": owner.party_id}
        location = samples.location(id=f"L{number}", **named)
        rows.append(
            {
                **locations.columns(location),
                "position": number,
                "key": f"{owner.key}*l{number}",
                "owner": owner.key,
                "last_updated": FIRST + number * 1_000_000,
                "body": json.dumps(location, separators=(",", ":")),
            }
        )
    await insert_rows(database, LocationRow, rows)


async def fill_locations(database: Database, body: str, count: int) -> None:
    """Locations of DE*CPO, made within the database; the text has `@N` for the number of each."""
    engine = database.engine.execution_options(write=True)
    statement = text(_ROWS[engine.dialect.name] + _INSERT)
    for first in range(1, count + 1, 5 * CHUNK):
        last = min(first + 5 * CHUNK - 1, count)
        given = {"first": first, "last": last, "moment": FIRST, "body": body}
        async with engine.begin() as connection:
            await connection.run_sync(Connection.execute, statement, given)
    await analyze(database, "location")
