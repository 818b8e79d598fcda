"""Lists are found by their indexes, on both databases, however far one looks."""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import pytest
from sqlalchemy import Executable, delete, insert, text
from sqlmodel import col

from modules.locations.store import LocationRow, locations
from modules.sessions.store import sessions
from ocpi.database import Database
from ocpi.headers import Party
from ocpi.links import next_link
from ocpi.listqueries import list_queries
from ocpi.migrate import downgrade, upgrade
from ocpi.pagination import Paging, page_headers, read_paging
from ocpi.spec.document import decode
from ocpi.testing import samples
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
    explain = "EXPLAIN QUERY PLAN" if database.sqlite else "EXPLAIN"
    query = database.prepare(statement, given)
    query = replace(query, sql=f"{explain} {query.sql}")
    return "\n".join(str(row[-1]) for row in await database.reader.fetch(query, given))


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url) as opened:
        await _fill(opened)
        yield opened


def _is_found(plan: str, index: str) -> bool:
    """Whether all is found in an index, and no row is looked at that is not shown."""
    return index in plan and "Seq Scan" not in plan and "SCAN location\n" not in f"{plan}\n"


async def test_a_deep_page_is_found_in_the_index_and_only_its_texts_are_read(
    database: Database,
) -> None:
    given: dict[str, object] = {"owner_0": OWNER.key}
    queries = list_queries(TABLE, "owner_0")
    for query in (queries.walked, queries.counted):
        assert query is not None
        plan = await _plan(database, query, given | WINDOW)
        assert _is_found(plan, "ix_location_owner")


async def test_the_page_behind_another_one_begins_at_its_end(database: Database) -> None:
    counted = list_queries(TABLE, "owner_0", "after").counted
    assert counted is not None
    given: dict[str, object] = {"owner_0": OWNER.key, "after": 2000}
    plan = await _plan(database, counted, {**given, "limit": 50, "offset": 0})
    assert _is_found(plan, "ix_location_owner")
    assert ("position>?" if database.sqlite else "\"position\" > '2000'") in plan
    page = await locations.page(database, Paging(1000, 2, after=2000), [OWNER])
    assert [*page.bodies] == [_body(2001).encode(), _body(2003).encode()]
    assert (page.total, page.last) == (ROWS // 2, 2003)


@pytest.mark.req("PG-09")
@pytest.mark.parametrize("date_from", [None, 5])
async def test_who_counts_on_from_a_page_misses_none_though_some_of_it_go(
    database: Database, date_from: int | None
) -> None:
    asked = Paging(1000, 10, date_from=date_from)
    shown = await locations.page(database, asked, [OWNER])
    async with database.write() as db:
        await db.exec(delete(LocationRow).where(col(LocationRow.position) < shown.last))
    following = replace(asked, offset=1010)
    page = await locations.page(database, following, [OWNER])
    behind = await locations.page(database, replace(following, after=shown.last), [OWNER])
    assert page == behind
    assert page.bodies[0] == _body(shown.last + 2).encode()
    # Another one's list is counted by itself.
    others = await locations.page(database, following, [Party("DE", "CPO")])
    assert others.bodies == []


async def test_what_is_newer_than_a_moment_is_found_by_its_moment(database: Database) -> None:
    given: dict[str, object] = {"owner_0": OWNER.key, "date_from": ROWS - 9}
    queries = list_queries(TABLE, "owner_0", "date_from")
    for query, window in ((queries.counts[0], {}), (queries.gathered, WINDOW)):
        plan = await _plan(database, query, {**given, **window})
        assert _is_found(plan, "ix_location_dated"), plan
    page = await locations.page(database, Paging(0, 2, date_from=ROWS - 9), [OWNER])
    assert page.total == 5
    assert [*page.bodies] == [_body(ROWS - 9).encode(), _body(ROWS - 7).encode()]


@pytest.mark.parametrize("few", [1, 100, ROWS])
@pytest.mark.parametrize("date_from", [0, 5, ROWS // 2, ROWS - 9, ROWS + 1])
async def test_what_is_newer_is_counted_from_the_end_where_fewer_are(
    database: Database, monkeypatch: pytest.MonkeyPatch, few: int, date_from: int
) -> None:
    monkeypatch.setattr("ocpi.listqueries.FEW", few)
    counts = list_queries.__wrapped__(TABLE, "owner_0", "date_from").counts
    given = {"owner_0": OWNER.key, "date_from": date_from}
    found = [(await database.fetch((n, few), count, given))[0][0] for n, count in enumerate(counts)]
    expected = sum(n % 2 and n >= date_from for n in range(1, ROWS + 1))
    assert {each for each in found if each is not None} == {expected}
    assert (found[0] is None) == (expected > few)


def test_who_asks_for_the_newest_has_the_owners_read_once() -> None:
    few, *_ = list_queries(TABLE, "owner_0", "owner_1", "date_from").counts
    assert str(few).count(":owner_0") == 1


async def test_a_page_of_many_that_are_newer_is_walked_to_its_end(database: Database) -> None:
    given: dict[str, object] = {"owner_0": OWNER.key, "date_from": 5}
    plan = await _plan(
        database, list_queries(TABLE, "owner_0", "date_from").walked, {**given, **WINDOW}
    )
    # PostgreSQL knows how many there are, and sorts so few.
    assert "ix_location_owner" in plan or not database.sqlite, plan


async def test_walking_and_gathering_show_the_same(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    everybody = [OWNER, Party("DE", "CPO")]
    # The counts are built once, for as few as usual.
    await locations.page(database, Paging(0, 1, date_from=500), [OWNER])
    await locations.page(database, Paging(0, 1, date_from=500), everybody)
    for paging in (
        Paging(30, 7),
        Paging(30, 7, date_from=500),
        Paging(0, 7, date_from=500, date_to=506),
        Paging(30, 7, date_from=500, after=700),
        Paging(0, 7, after=ROWS - 3),
    ):
        for owners in ([OWNER], everybody):
            found = []
            for few in (0, ROWS * 2):
                monkeypatch.setattr("ocpi.listqueries.FEW", few)
                found.append(await locations.page(database, paging, owners))
            assert found[0] == found[1]
            assert found[0].bodies


async def test_how_many_there_are_is_kept_with_each_change(database: Database) -> None:
    async def counted() -> int:
        return (await locations.page(database, Paging(0, 1), [OWNER])).total

    assert await counted() == ROWS // 2
    async with database.write() as db:
        await db.exec(delete(LocationRow).where(col(LocationRow.position) < 10))
    assert await counted() == ROWS // 2 - 5
    with suppress(ZeroDivisionError):
        async with database.write() as db:
            await db.exec(delete(LocationRow))
            raise ZeroDivisionError
    assert await counted() == ROWS // 2 - 5


@pytest.mark.parametrize(("offset", "shown"), [(0, 50), (1480, 20), (1500, 0), (10**6, 0)])
async def test_every_page_tells_how_many_there_are(
    database: Database, offset: int, shown: int
) -> None:
    page = await locations.page(database, Paging(offset, 50), [OWNER])
    assert (len(page.bodies), page.total) == (shown, ROWS // 2)
    first = [_body(2 * (offset + n) + 1).encode() for n in range(shown)]
    assert list(page.bodies) == first


@pytest.mark.req("PG-05", "PG-09")
@pytest.mark.parametrize("date_from", [None, 0])
async def test_a_crawl_misses_nothing_when_what_it_has_shown_is_deleted(
    database: Database, date_from: int | None
) -> None:
    """Of 25 objects ten are shown, and five of those deleted: ten more are twenty, as are left."""
    shown: list[int] = []
    url: str | None = "https://cpo.example/locations?limit=10"
    async with database.write() as db:
        await db.exec(delete(LocationRow).where(col(LocationRow.position) > 50))
    while url is not None:
        query = dict(parse_qsl(urlsplit(url).query))
        paging = replace(read_paging(query, cap=10), date_from=date_from)
        page = await locations.page(database, paging, [OWNER])
        shown += [int(decode(body)["id"][1:]) for body in page.bodies]
        async with database.write() as db:
            await db.exec(delete(LocationRow).where(col(LocationRow.position) < 10))
        headers = page_headers("https://cpo.example/locations", {}, paging, page, cap=10)
        url = next_link(headers.get("Link", ""))
    assert shown == [*range(1, 50, 2)]


async def test_an_object_counts_for_whomever_it_concerns_now(database_url: str) -> None:
    first, second = Party("DE", "MSP"), Party("FR", "MSP")
    async with open_database(database_url) as database:

        async def counts() -> list[int]:
            pages = [
                await sessions.page(database, Paging(0, 9), [OWNER], [audience])
                for audience in (first, second)
            ]
            assert all(len(page.bodies) == page.total for page in pages)
            return [page.total for page in pages]

        async def put(party: Party, second_of: int) -> None:
            codes = {"country_code": party.country_code, "party_id": party.party_id}
            document = {
                **samples.session(cdr_token=samples.cdr_token(**codes)),
                "country_code": OWNER.country_code,
                "party_id": OWNER.party_id,
                "last_updated": f"2027-01-01T00:00:0{second_of}Z",
            }
            async with database.write() as db:
                await sessions.put(db, OWNER, document["id"], document)

        await put(first, 1)
        assert await counts() == [1, 0]
        await put(second, 2)
        assert await counts() == [0, 1]


async def test_those_who_were_there_before_are_counted_too(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    try:
        await upgrade(database)
        await _fill(database)
        await downgrade(database, "0013")
        await upgrade(database)
        assert (await locations.page(database, Paging(0, 1), [OWNER])).total == ROWS // 2
    finally:
        await database.close()
