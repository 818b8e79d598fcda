"""The migrations lead to the schema that the tables describe, and back."""

import asyncio
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Connection, inspect, text
from sqlmodel import SQLModel, col, select

from modules.cdrs.own import credit_of
from modules.cdrs.store import CDRRow, cdrs
from modules.locations.store import LocationRow, locations
from modules.sessions.store import SessionRow, sessions
from modules.tokens.store import TokenStore, hub_tokens, tokens
from ocpi.app import create_app
from ocpi.database import Database
from ocpi.editing import Document
from ocpi.headers import Party
from ocpi.migrate import configuration, downgrade, upgrade
from ocpi.pagination import Paging
from ocpi.parties import Partner, PartnerEndpoint, PartnerRole, PlatformID, our_party
from ocpi.pull.syncs import PartnerSync, PartySync
from ocpi.push.lanes import Receipt
from ocpi.spec.document import decode, encode
from ocpi.testing import samples
from tests.modules.stations.yard import until


def compare(connection: Connection) -> None:
    """Raises when Alembic would have something to add."""
    command.check(configuration(connection, metadata=SQLModel.metadata))


async def tables(database: Database) -> set[str]:
    async with database.engine.connect() as connection:
        return set(await connection.run_sync(lambda each: inspect(each).get_table_names()))


EVSES = ("AVAILABLE", "CHARGING", "REMOVED", "AVAILABLE")


def in_exact_numbers(document: Document) -> Document:
    exact: Document = decode(encode(document))
    return exact


async def counted(database: Database) -> list[object]:
    async with database.read() as db:
        places = await db.exec(select(LocationRow).order_by(col(LocationRow.key)))
        bills = await db.exec(select(CDRRow).order_by(col(CDRRow.position)))
        running = await db.exec(select(SessionRow))
        return [
            *((decode(each.statuses), 0) for each in places),
            *((each.currency, each.wh, each.cost) for each in bills),
            *(each.wh for each in running),
        ]


async def test_up_down_and_up_again_ends_at_the_schema_of_the_tables(
    empty_database_url: str,
) -> None:
    # Every table is known once the whole program is imported.
    assert callable(create_app)
    database = Database(empty_database_url)
    await upgrade(database)
    await downgrade(database, "base")
    assert await tables(database) <= {"alembic_version"}
    await upgrade(database)
    async with database.engine.begin() as connection:
        await connection.run_sync(compare)
    await database.close()


async def test_what_was_pulled_of_tokens_is_remembered_both_ways(empty_database_url: str) -> None:
    """Otherwise every process would ask every partner for everything after an update."""
    database = Database(empty_database_url)
    await upgrade(database)
    async with database.write() as db:
        db.add(Partner(id=1, name="acme", platform="cpo", state="confirmed", created_at=0))
        await db.flush()
        for module in ("tokens", "tariffs"):
            db.add(PartnerSync(partner_id=1, module=module, next_at=3, full_at=1, synced_at=2))
    await downgrade(database, "0002")
    query = text("SELECT partner_id, next_at FROM token_sync")
    assert [tuple(row) for row in await database.fetch("old", query, {})] == [(1, 3)]
    await upgrade(database)
    async with database.read() as db:
        kept = (await db.exec(select(PartnerSync))).one()
    assert kept == PartnerSync(partner_id=1, module="tokens", next_at=3, full_at=1, synced_at=2)
    await database.close()


async def test_what_was_pulled_of_a_hub_was_for_our_oldest_party_both_ways(
    empty_database_url: str,
) -> None:
    database = Database(empty_database_url)
    await upgrade(database)
    cpo, hub = PlatformID.CPO, Party("BE", "HBB")
    async with database.write() as db:
        for each in (Party("NL", "HUB"), Party("NL", "ONE"), Party("NL", "TWO")):
            platform = PlatformID.HUB if each.party_id == "HUB" else cpo
            db.add(our_party(platform, each, {"name": "Us"}))
            await db.flush()
        for number, name in enumerate(("hub", "plain"), start=1):
            db.add(Partner(id=number, name=name, platform=cpo, state="confirmed", created_at=0))
            await db.flush()
            for module in ("tokens", "hubclientinfo"):
                row: dict[str, Any] = {
                    "partner_id": number,
                    "module": module,
                    "full_at": 7,
                    "synced_at": 8,
                }
                db.add(PartnerSync(**row))
        role: dict[str, Any] = {
            "role": "HUB",
            "party": hub.key,
            "country_code": "BE",
            "party_id": "HBB",
        }
        db.add(PartnerRole(partner_id=1, platform=cpo, **role))
        for number in (2, 3):
            row = {"our_party_id": number, "full_at": number, "synced_at": number + 10}
            db.add(PartySync(partner_id=1, module="tokens", **row))
    await downgrade(database, "0020")
    query = text("SELECT partner_id, module, full_at, synced_at FROM partner_sync ORDER BY 1, 2")
    assert [tuple(row) for row in await database.fetch("old", query, {})] == [
        (1, "hubclientinfo", 7, 8),
        (1, "tokens", 2, 12),
        (2, "hubclientinfo", 7, 8),
        (2, "tokens", 7, 8),
    ]
    await upgrade(database)
    async with database.read() as db:
        kept = (await db.exec(select(PartySync))).one()
    oldest: dict[str, Any] = {"partner_id": 1, "module": "tokens", "our_party_id": 2}
    assert kept == PartySync(**oldest, full_at=2, synced_at=12)
    await database.close()


async def test_receipts_name_their_partner_both_ways_and_outlive_it(
    empty_database_url: str,
) -> None:
    database = Database(empty_database_url)
    await upgrade(database)
    rest: dict[str, Any] = {"accepted_at": 1, "http_status": 201, "request_id": "r"}
    async with database.write() as db:
        for number, name in ((1, "stays"), (2, "goes")):
            db.add(Partner(id=number, name=name, platform="cpo", state="confirmed", created_at=0))
            db.add(
                Receipt(object_key=f"cdrs/{name}", partner=name, url="https://a.example", **rest)
            )
            db.add(Receipt(object_key="cdrs/both", partner=name, **rest))
    await downgrade(database, "0021")
    query = text("SELECT partner_id, object_key FROM receipt ORDER BY 1, 2")
    rows = [tuple(row) for row in await database.fetch("old", query, {})]
    assert rows == [(1, "cdrs/both"), (1, "cdrs/stays"), (2, "cdrs/both"), (2, "cdrs/goes")]
    await upgrade(database)
    async with database.write() as db:
        await db.delete(await db.get_one(Partner, 2))
        assert len((await db.exec(select(Receipt))).all()) == 4
        kept = await db.get_one(Receipt, ("cdrs/goes", "goes"))
        assert (kept.url, kept.accepted_at) == ("https://a.example", 1)
    await downgrade(database, "0021")
    rows = [tuple(row) for row in await database.fetch("old", query, {})]
    assert rows == [(1, "cdrs/both"), (1, "cdrs/stays")]
    await database.close()


@pytest.mark.req("RT-38")
async def test_tokens_of_the_hub_and_of_our_cpo_are_told_apart_both_ways(
    empty_database_url: str,
) -> None:
    """AT-44."""
    database = Database(empty_database_url)
    await upgrade(database)
    owner = Party(**samples.CPO)
    shared, private, both = (
        in_exact_numbers(samples.token(**samples.CPO, uid=uid))
        for uid in ("SHARED", "PRIVATE", "BOTH")
    )
    newer = {**both, "valid": False, "last_updated": "2026-06-01T00:00:00Z"}
    async with database.write() as db:
        for book, documents in ((hub_tokens, (both, shared)), (tokens, (newer, private))):
            for each in documents:
                await book.put(db, owner, book.identify(each), each)

    async def listed(book: TokenStore) -> tuple[list[Document], int]:
        page = await book.page(database, Paging(0, 9), [owner])
        return [decode(body) for body in page.bodies], page.total

    assert await listed(tokens) == ([newer, private], 2)
    await downgrade(database, "0018")
    query = text("SELECT body, shared FROM token ORDER BY position")
    rows = await database.fetch("before", query, {})
    assert [(decode(body), bool(for_all)) for body, for_all in rows] == [
        (both, True),
        (shared, True),
        (private, False),
    ]
    await upgrade(database)
    # The lists count what was moved, too, and go on where they were.
    assert await listed(hub_tokens) == ([both, shared], 2)
    assert await listed(tokens) == ([private], 1)
    await database.close()


async def test_what_the_overview_counts_is_filled_in_for_what_is_stored(
    empty_database_url: str,
) -> None:
    database = Database(empty_database_url)
    await upgrade(database)
    owner = Party(**samples.CPO)
    place = samples.location()
    evses = [{**place["evses"][0], "uid": f"E{n}", "status": each} for n, each in enumerate(EVSES)]
    bare = {name: value for name, value in place.items() if name != "evses"} | {"id": "BARE"}
    bill = samples.cdr(total_energy=1.2341, total_cost={"excl_vat": 0.12341})
    credit = credit_of(bill, "CREDIT") | {"last_updated": bill["last_updated"]}
    async with database.write() as db:
        for each in ({**place, "evses": evses}, bare):
            await locations.put(db, owner, each["id"], in_exact_numbers(each))
        for each in (bill, credit):
            await cdrs.put(db, owner, each["id"], in_exact_numbers(each))
        session = in_exact_numbers(samples.session(kwh=7.25))
        await sessions.put(db, owner, session["id"], session)
    before = await counted(database)
    await downgrade(database, "0011")
    await upgrade(database)
    assert await counted(database) == before
    assert before == [
        ({}, 0),
        ({"AVAILABLE": 2, "CHARGING": 1}, 0),
        ("EUR", 1234, 1234),
        ("EUR", -1234, -1234),
        7250,
    ]
    await database.close()


async def test_processes_that_start_at_once_migrate_once(empty_database_url: str) -> None:
    databases = [Database(empty_database_url) for _ in range(4)]
    await asyncio.gather(*(upgrade(database) for database in databases))
    assert {"location", "partner_lane", "feed_head"} <= await tables(databases[0])
    for database in databases:
        await database.close()


async def test_a_migration_waits_for_another_transaction_for_as_long_as_that_takes(
    empty_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other statements end after six times PATIENCE."""
    monkeypatch.setattr("ocpi.database.PATIENCE", 1.0)
    database, other = Database(empty_postgres_url), Database(empty_postgres_url)
    late = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND wait_event_type = 'Lock' AND query_start < clock_timestamp() - interval '7 s'"
    )
    async with other.engine.connect() as connection:
        await connection.execute(text("SELECT pg_advisory_xact_lock(7461)"))
        upgrading = asyncio.create_task(upgrade(database))

        async def has_waited() -> bool:
            ((count,),) = await other.fetch("late", late, {})
            return upgrading.done() or count == 1

        await until(has_waited)
        assert not upgrading.done()
    await upgrading
    assert "partner" in await tables(database)
    for each in (database, other):
        await each.close()


@pytest.mark.threat("TA-27")
async def test_the_endpoints_that_were_called_before_hosts_had_to_be_approved_are_approved(
    empty_database_url: str,
) -> None:
    database = Database(empty_database_url)
    await upgrade(database)
    urls = ["https://a.example/1", "https://sub.a.example/2", "https://b.example/3"]
    async with database.write() as db:
        for name, endpoints in (("mixed", urls), ("home", urls[:2])):
            home, options = "https://a.example/versions", {"put_only": True}
            partner = Partner(
                name=name,
                platform="cpo",
                state="confirmed",
                created_at=0,
                versions_url=home,
                options=options,
            )
            db.add(partner)
            await db.flush()
            for number, url in enumerate(endpoints):
                named = {"identifier": f"m{number}", "role": "SENDER", "url": url}
                db.add(PartnerEndpoint(partner_id=partner.key, **named))
    await downgrade(database, "0014")
    await upgrade(database)
    async with database.read() as db:
        found = (await db.exec(select(Partner.name, Partner.options))).all()
        assert len((await db.exec(select(PartnerEndpoint))).all()) == 5
    assert dict(found) == {
        "mixed": {"put_only": True, "hosts": ["b.example"]},
        "home": {"put_only": True},
    }
    await database.close()


async def test_large_texts_are_packed_by_lz4_where_postgresql_can(postgres_url: str) -> None:
    database = Database(postgres_url)
    await upgrade(database)
    packed = text(
        "SELECT relname || '.' || attname "
        "FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid "
        "WHERE attcompression = 'l' AND relkind = 'r' ORDER BY 1"
    )
    can = text(
        "SELECT 'lz4' = ANY (enumvals) FROM pg_settings WHERE name = 'default_toast_compression'"
    )
    async with database.engine.connect() as connection:
        found = list((await connection.execute(packed)).scalars())
        if (await connection.execute(can)).scalar_one():
            assert {"location.body", "cdr.body", "message.response"} <= set(found)
        else:
            assert not found
    await downgrade(database, "0016")
    async with database.engine.connect() as connection:
        assert not list((await connection.execute(packed)).scalars())
    await upgrade(database)
    await database.close()
