"""A database of every schema that was ever released comes to the newest one with all it holds."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from alembic import command
from sqlalchemy import (
    JSON,
    Boolean,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    insert,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError

from modules.cdrs.own import credit_of
from modules.locations.store import locations
from ocpi.app import create_app
from ocpi.database import Database
from ocpi.headers import Party
from ocpi.migrate import configuration, upgrade
from ocpi.spec.document import decode, encode
from ocpi.testing import samples
from tests.ocpi.test_migrate import compare

RELEASED = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0006",
    "0007",
    "0008",
    "0009",
    "0010",
    "0011",
    "0012",
    "0013",
)
PLACE = samples.location()
HIDDEN = samples.location(
    id="LOC-2",
    country="FRA",
    publish=False,
    publish_allowed_to=[{"group_id": "Fleet"}, {"uid": "1", "type": "RFID"}],
    evses=[samples.evse(1), samples.evse(2, status="CHARGING"), samples.evse(3, status="REMOVED")],
)
BILL = samples.cdr(total_energy=1.2341, total_cost={"excl_vat": 0.12341})
# The largest number that is read: no column could count its thousandths.
HUGE = samples.cdr(id="CDR-2", total_energy=10**30, total_cost={"excl_vat": -(10**30)})
CREDIT = {**credit_of(BILL, "CREDIT"), "last_updated": "2026-02-01T00:00:00Z"}
DOCUMENTS: Mapping[str, list[dict[str, Any]]] = {
    "location": [PLACE, HIDDEN],
    "tariff": [samples.tariff()],
    "session": [samples.session(kwh=7.25), samples.session(id="S-2", kwh=10**30)],
    "cdr": [BILL, HUGE, CREDIT],
    "token": [samples.token(), samples.token(uid="OTHER")],
}
# What the columns say that came later, by table, in the order of the documents above.
FILLED: Mapping[str, list[dict[str, Any]]] = {
    "location": [
        {
            "country": "deu",
            "publish": True,
            "allowed_groups": "|",
            "tags": "|",
            "tariffs": "|owner-1*tariff-1|",
        },
        {
            "country": "fra",
            "publish": False,
            "allowed_groups": "|fleet|",
            "tags": "|",
            "tariffs": "|owner-2*tariff-1|",
        },
    ],
    "session": [{"wh": 7250}, {"wh": 10**12}],
    "cdr": [
        {"currency": "EUR", "wh": 1234, "cost": 1234},
        {"currency": "EUR", "wh": 10**12, "cost": -(10**12)},
        {"currency": "EUR", "wh": -1234, "cost": -1234},
    ],
}
STATUSES = [{"AVAILABLE": 3}, {"AVAILABLE": 1, "CHARGING": 1}]
RENAMED = {"token_sync": "partner_sync"}
# Tokens of all parties of a hub were marked in a column, and have a table of their own now.
SPLIT = {"hub_token": "token"}
# Receipts name their partner now.
GONE = {("token", "shared"), ("receipt", "partner_id")}


def reach(connection: Connection, revision: str) -> None:
    command.upgrade(configuration(connection), revision)


def tables(connection: Connection) -> list[Table]:
    """Give the tables as they are, those that others refer to first."""
    found = MetaData()
    found.reflect(connection)
    return [each for each in found.sorted_tables if each.name != "alembic_version"]


def fill(connection: Connection) -> None:
    """Put rows into every table: real documents, and anything that fits elsewhere."""
    for table in tables(connection):
        documents: list[Any] = DOCUMENTS.get(table.name, [None, None])
        for number, document in enumerate(documents, start=1):
            row = {column.name: _value(column, number) for column in table.columns}
            if document is not None:
                row["body"] = encode(document)
            connection.execute(insert(table).values(row))


def _value(column: Any, number: int) -> Any:
    name, kind = column.name, column.type
    if column.foreign_keys and isinstance(kind, String):
        return f"name-{number}"
    if name == "audience" and isinstance(kind, Integer):
        # There was no row with one when its type changed.
        return None
    if isinstance(kind, Boolean):
        return bool(number % 2)
    if isinstance(kind, JSON):
        return {"number": number}
    return f"{name}-{number}" if isinstance(kind, String) else number


def contents(connection: Connection, wanted: Mapping[str, list[str]] | None = None) -> Any:
    """Give the rows of each table in an order of their own: all, or of some columns."""
    found: dict[str, Any] = {}
    for table in tables(connection):
        whose = SPLIT.get(table.name, table.name)
        names = [each.name for each in table.columns if (table.name, each.name) not in GONE]
        if wanted is not None:
            names = wanted.get(whose, [])
        if names:
            rows = connection.execute(select(*(table.c[name] for name in names))).all()
            _, others = found.get(whose, (names, []))
            found[whose] = (names, sorted([*others, *map(repr, rows)]))
    return found


@pytest.mark.parametrize("revision", RELEASED)
async def test_an_old_database_keeps_every_row_and_fills_what_is_new(
    empty_database_url: str, revision: str
) -> None:
    # Every table is known once the whole program is imported.
    assert callable(create_app)
    database = Database(empty_database_url)
    async with database.engine.execution_options(write=True).begin() as connection:
        await connection.run_sync(reach, revision)
        await connection.run_sync(fill)
        before = await connection.run_sync(contents)
    await upgrade(database)
    async with database.engine.execution_options(write=True).begin() as connection:
        kept = {RENAMED.get(name, name): names for name, (names, _) in before.items()}
        after = await connection.run_sync(contents, kept)
        assert after == {RENAMED.get(name, name): each for name, each in before.items()}
        await connection.run_sync(compare)
        new = await connection.run_sync(_new, before)
    await database.close()
    for table, rows in new.items():
        for row, due in zip(rows, FILLED.get(table, []), strict=True):
            assert {name: row[name] for name in due.keys() & row.keys()} == {
                name: due[name] for name in due.keys() & row.keys()
            }
    if "statuses" in new.get("location", [{}])[0]:
        assert [decode(row["statuses"]) for row in new["location"]] == STATUSES
    if "cdr" in new:
        assert len({row["salt"] for row in new["cdr"]}) == len(DOCUMENTS["cdr"])


def _new(connection: Connection, before: Any) -> dict[str, list[dict[str, Any]]]:
    """Give the columns that objects have got, in the order of the objects."""
    found = {}
    for table in tables(connection):
        if table.name in FILLED and table.name in before:
            names = [each.name for each in table.columns if each.name not in before[table.name][0]]
            rows = connection.execute(select(table).order_by(table.c.position)).mappings()
            found[table.name] = [{name: row[name] for name in names} for row in rows]
    return found


@pytest.mark.threat("TA-31")
@pytest.mark.parametrize("change", ["UPDATE cdr SET body = '{}'", "DELETE FROM cdr"])
async def test_after_an_upgrade_no_old_cdr_can_be_changed(
    empty_database_url: str, change: str
) -> None:
    database = Database(empty_database_url)
    async with database.engine.execution_options(write=True).begin() as connection:
        await connection.run_sync(reach, "0002")
        await connection.run_sync(fill)
    await upgrade(database)
    with pytest.raises(DBAPIError, match="neither changed nor removed"):
        async with database.engine.execution_options(write=True).begin() as connection:
            await connection.execute(text(change))
    await database.close()


async def test_a_migration_with_nothing_to_do_disturbs_no_reads_and_writes(
    empty_postgres_url: str,
) -> None:
    serving, migrating = Database(empty_postgres_url), Database(empty_postgres_url)
    await upgrade(serving)
    owner = Party(**samples.CPO)
    work = asyncio.create_task(_work(serving, owner, 40))
    for _ in range(3):
        await upgrade(migrating)
    await work
    assert len(await serving.fetch("all", text("SELECT key FROM location"), {})) == 40
    for database in (serving, migrating):
        await database.close()


async def _work(database: Database, owner: Party, count: int) -> None:
    for number in range(count):
        document: Any = decode(encode(samples.location(id=f"LOC-{number}")))
        async with database.write() as db:
            await locations.put(db, owner, document["id"], document)
        assert await locations.text_of(database, f"{owner.key}*loc-{number}") is not None
