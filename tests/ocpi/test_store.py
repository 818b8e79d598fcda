"""Objects as documents: what is written is what is read, and concurrent changes all arrive."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from modules.tariffs.store import tariffs
from ocpi.database import Database
from ocpi.dating import date_change, later
from ocpi.editing import Document, Written
from ocpi.errors import Conflict, InvalidParameters, UnknownObject
from ocpi.headers import Party
from ocpi.pagination import Paging
from ocpi.spec.document import decode
from ocpi.spec.moments import microseconds, parse_moment
from ocpi.testing import samples
from tests.house import OURS, OWNER, open_database

OTHER = Party("DE", "ABC")
T0, T1, T2 = "2026-01-15T08:30:00Z", "2026-01-15T08:30:00.001Z", "2026-01-15T08:30:01Z"


@pytest.fixture
async def database(sqlite_url: str) -> AsyncIterator[Database]:
    async with open_database(sqlite_url) as opened:
        yield opened


@pytest.fixture
async def each_database(database_url: str) -> AsyncIterator[Database]:
    async with open_database(database_url) as opened:
        yield opened


def tariff(**over: Any) -> Document:
    """A Tariff of ours as a document that has been read: with exact numbers."""
    elements = [{"price_components": [component()]}]
    return {**samples.tariff(**OWNER), "elements": elements, **over}


def component(price: str = "0.2500") -> Document:
    return {"type": "ENERGY", "price": Decimal(price), "step_size": 1}


async def put(
    database: Database, document: Document, owner: Party = OURS, identifier: str | None = None
) -> Written:
    async with database.write() as db:
        return await tariffs.put(db, owner, identifier or document["id"], document)


async def patch(database: Database, identifier: str, changes: Document) -> Written:
    async with database.write() as db:
        return await tariffs.write_one(db, tariffs.patching(OURS, identifier, changes))


async def text(database: Database, identifier: str = "TARIFF-1") -> str:
    return (await tariffs.text(database, (OURS,), identifier)).decode()


async def ids(database: Database, paging: Paging, owners: tuple[Party, ...] = (OURS,)) -> list[str]:
    page = await tariffs.page(database, paging, owners)
    return [decode(body)["id"] for body in page.bodies]


@pytest.mark.req("PP-03", "TY-08", "TY-14")
async def test_a_document_comes_back_as_it_was_put(each_database: Database) -> None:
    document = tariff(x_unknown={"nested": [1, Decimal("1.50"), None]})
    assert await put(each_database, document) == Written(document, created=True)
    assert decode(await text(each_database)) == document
    assert '"price":0.2500' in await text(each_database)


@pytest.mark.req("PP-02")
async def test_a_put_replaces_everything(database: Database) -> None:
    await put(database, tariff(x_unknown=1))
    smaller = tariff(last_updated=T2)
    del smaller["tariff_alt_text"]
    assert await put(database, smaller) == Written(smaller)
    assert decode(await text(database)) == smaller


@pytest.mark.req("PP-09")
@pytest.mark.pitfall("IP-14")
@pytest.mark.threat("TA-13")
async def test_an_older_put_is_not_applied(database: Database) -> None:
    stored = tariff(last_updated=T2)
    await put(database, stored)
    for older in (T0, T1):
        written = await put(database, tariff(last_updated=older, currency="CHF"))
        assert written == Written(stored, changed=False, stale=True)
    assert decode(await text(database)) == stored


@pytest.mark.pitfall("IP-14")
async def test_an_equal_date_changes_what_differs_and_nothing_else(database: Database) -> None:
    await put(database, tariff())
    assert await put(database, tariff()) == Written(tariff(), changed=False)
    assert await put(database, tariff(currency="CHF")) == Written(tariff(currency="CHF"))


@pytest.mark.req("PP-04", "PP-05")
async def test_a_patch_keeps_what_it_does_not_name(database: Database) -> None:
    await put(database, tariff(x_unknown=[1]))
    elements = [{"price_components": [component("1.0000")]}]
    changes = {"elements": elements, "last_updated": T2}
    written = await patch(database, "tariff-1", changes)
    assert written == Written(tariff(x_unknown=[1], **changes), patch=changes)
    assert decode(await text(database)) == written.document


@pytest.mark.req("PP-09")
async def test_an_older_patch_is_not_applied(database: Database) -> None:
    await put(database, tariff(last_updated=T2))
    written = await patch(database, "TARIFF-1", {"currency": "CHF", "last_updated": T1})
    assert written == Written(tariff(last_updated=T2), changed=False, stale=True)


@pytest.mark.req("CO-04", "CO-05")
@pytest.mark.parametrize(
    ("field", "value"), [("id", "OTHER"), ("country_code", "DE"), ("party_id", "XXX")]
)
@pytest.mark.pitfall("IP-11")
@pytest.mark.threat("TA-21")
async def test_what_names_another_object_is_refused(
    database: Database, field: str, value: str
) -> None:
    with pytest.raises(InvalidParameters, match=f"^{field}: "):
        await put(database, tariff() | {field: value}, identifier="TARIFF-1")
    await put(database, tariff())
    with pytest.raises(InvalidParameters, match=f"^{field}: "):
        await patch(database, "TARIFF-1", {field: value, "last_updated": T2})
    assert decode(await text(database)) == tariff()


@pytest.mark.req("CO-08", "TY-01")
@pytest.mark.pitfall("IP-25")
async def test_keys_compare_without_case_and_keep_their_spelling(database: Database) -> None:
    await put(database, tariff(id="Tariff-A"))
    assert (
        decode(await tariffs.text(database, (Party("nl", "tnm"),), "TARIFF-A"))["id"] == "Tariff-A"
    )
    written = await put(database, tariff(id="tariff-a", last_updated=T2))
    assert (written.created, written.changed) == (False, True)
    assert await ids(database, Paging(0, 10)) == ["tariff-a"]


@pytest.mark.req("CO-02")
async def test_the_same_id_of_two_owners_is_two_objects(database: Database) -> None:
    await put(database, tariff())
    await put(database, tariff() | {"country_code": "DE", "party_id": "ABC"}, OTHER)
    for owners, count in (((OURS,), 1), ((OTHER,), 1), ((OURS, OTHER), 2)):
        assert len(await ids(database, Paging(0, 10), owners)) == count
    with pytest.raises(UnknownObject):
        await tariffs.text(database, (OURS, OTHER), "TARIFF-1")


async def test_a_deleted_object_is_gone_and_may_come_back(database: Database) -> None:
    await put(database, tariff(last_updated=T2))
    async with database.write() as db:
        await tariffs.delete(db, OURS, "TARIFF-1")
    with pytest.raises(UnknownObject):
        await text(database)
    assert (await put(database, tariff())).created


async def delete(database: Database) -> None:
    async with database.write() as db:
        await tariffs.delete(db, OURS, "TARIFF-1")


@pytest.mark.req("ST-15")
async def test_what_is_not_there_is_neither_patched_nor_deleted(database: Database) -> None:
    with pytest.raises(UnknownObject):
        await patch(database, "TARIFF-1", {"last_updated": T2})
    with pytest.raises(UnknownObject):
        await delete(database)
    assert await tariffs.text_of(database, "nl*tnm*tariff-1") is None


@pytest.mark.req("PP-04")
@pytest.mark.pitfall("IP-24")
async def test_eight_writers_lose_no_change(each_database: Database) -> None:
    await put(each_database, tariff())

    async def work(writer: int) -> None:
        for step in range(25):
            async with each_database.write() as db:
                before = await tariffs.lock(db, OURS, "TARIFF-1")
                assert before is not None
                date = later(before["last_updated"], 0)
                changes = {f"x_{writer}_{step}": step, "last_updated": date}
                await tariffs.write_one(db, tariffs.patching(OURS, "TARIFF-1", changes))

    await asyncio.gather(*(work(writer) for writer in range(8)))
    stored = decode(await text(each_database))
    assert len([name for name in stored if name.startswith("x_")]) == 200
    elapsed = microseconds(parse_moment(stored["last_updated"])) - microseconds(parse_moment(T0))
    assert elapsed == 200_000


@pytest.mark.req("PP-04")
@pytest.mark.pitfall("IP-24")
async def test_patches_at_once_lose_no_field_though_nobody_locks_before(
    each_database: Database,
) -> None:
    await put(each_database, tariff())

    async def work(writer: int) -> None:
        for step in range(10):
            changes = {f"x_{writer}_{step}": step, "last_updated": T0}
            async with each_database.write() as db:
                await tariffs.write_one(db, tariffs.patching(OURS, "TARIFF-1", changes))

    await asyncio.gather(*(work(writer) for writer in range(8)))
    stored = decode(await text(each_database))
    assert len([name for name in stored if name.startswith("x_")]) == 80


async def test_of_many_who_create_one_object_one_creates_it(each_database: Database) -> None:
    documents = [tariff(x_writer=writer) for writer in range(8)]
    written = await asyncio.gather(*(put(each_database, document) for document in documents))
    assert sorted(each.created for each in written) == [False] * 7 + [True]
    assert len(await ids(each_database, Paging(0, 10))) == 1


@pytest.mark.req("PG-03", "PG-07", "PG-09")
@pytest.mark.pitfall("IP-23")
async def test_pages_stand_still_while_objects_come(database: Database) -> None:
    for number in range(5):
        await put(
            database,
            tariff(id=f"T{9 - number}", last_updated=f"2026-01-0{5 - number}T00:00:00Z"),
        )
    first = await ids(database, Paging(0, 2))
    await put(database, tariff(id="T0", last_updated="2020-01-01T00:00:00Z"))
    await put(database, tariff(id="T9", last_updated="2026-02-01T00:00:00Z"))
    assert await ids(database, Paging(0, 2)) == first == ["T9", "T8"]
    assert await ids(database, Paging(2, 99)) == ["T7", "T6", "T5", "T0"]
    assert (await tariffs.page(database, Paging(99, 1), (OURS,))).total == 6


@pytest.mark.req("PG-02")
@pytest.mark.pitfall("IP-24")
async def test_adjoining_windows_neither_overlap_nor_leave_gaps(each_database: Database) -> None:
    dates = {"A": T0, "B": T0, "C": T1, "D": T2, "E": "2026-01-15T09:30:00+01:00"}
    for name, date in dates.items():
        await put(each_database, tariff(id=name, last_updated=date))
    cuts = [None, *(microseconds(parse_moment(date)) for date in (T0, T1, T2)), None]
    windows = [await ids(each_database, Paging(0, 10, start, end)) for start, end in pairwise(cuts)]
    assert windows == [[], ["A", "B", "E"], ["C"], ["D"]]


@pytest.mark.threat("TA-18")
async def test_offsets_without_end_give_empty_pages(database: Database) -> None:
    await put(database, tariff())
    for offset in (1, 10**6, 2**63, 10**19):
        page = await tariffs.page(database, Paging(offset, 10), (OURS,))
        assert (list(page.bodies), page.total) == ([], 1)


async def test_dates_at_the_ends_of_time_are_stored(each_database: Database) -> None:
    for name, date in {"A": "0001-01-01T00:00:00Z", "B": "9999-12-31T23:59:59.999Z"}.items():
        await put(each_database, tariff(id=name, last_updated=date))
        moment = microseconds(parse_moment(date))
        assert await ids(each_database, Paging(0, 1, moment, moment + 1)) == [name]


@pytest.mark.parametrize(
    ("stored", "now", "expected"),
    [
        (None, "2026-01-15T08:30:00.123Z", "2026-01-15T08:30:00.123Z"),
        (T0, T2, T2),
        (T0, T0, T1),
        (T2, T0, "2026-01-15T08:30:01.001Z"),
        ("2026-01-15T08:30:00.0009Z", T0, T1),
    ],
)
@pytest.mark.pitfall("IP-14")
def test_a_change_is_dated_later_than_what_is_stored(
    stored: str | None, now: str, expected: str
) -> None:
    assert later(stored, microseconds(parse_moment(now))) == expected


def test_a_given_date_is_taken_unless_it_is_older() -> None:
    before, now = {"last_updated": T1}, microseconds(parse_moment(T2))
    assert date_change(before, {"last_updated": T1}, now) == T1
    assert date_change(before, {"last_updated": "2026-01-15T09:30:01+01:00"}, now) == T2
    assert date_change(None, {"last_updated": T0}, now) == T0
    # A clock without fractions may mean any moment of its second.
    assert date_change(before, {"last_updated": T0}, now) == T1
    for older in ("2026-01-15T08:29:59Z", "2026-01-15T08:30:00.0005Z"):
        with pytest.raises(Conflict, match="older than the stored"):
            date_change(before, {"last_updated": older}, now)
    for wrong in ("yesterday", 5, ["x"]):
        with pytest.raises(InvalidParameters, match="no moment"):
            date_change(before, {"last_updated": wrong}, now)


async def test_lists_of_ever_more_owners_are_few_statements(
    each_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parties of a hub come one by one, and each statement is kept as long as we run."""
    for number in range(100):
        owner = Party("NL", f"{number:03}")
        await put(each_database, tariff(id="T1", party_id=owner.party_id), owner, "T1")
    owners = [Party("NL", f"{number:03}") for number in range(100)]
    prepared: list[object] = []
    prepare = Database.prepare

    def counted(database: Database, *given: Any) -> Any:
        prepared.append(given)
        return prepare(database, *given)

    monkeypatch.setattr(Database, "prepare", counted)
    for count in range(1, 101):
        page = await tariffs.page(each_database, Paging(0, 100), owners[:count])
        assert (page.total, len(page.bodies)) == (count, count)
        others = [Party("BE", f"{number:03}") for number in range(count)]
        text = await tariffs.text(each_database, [*others, owners[0]], "T1")
        assert decode(text)["party_id"] == "000"
    assert len(prepared) <= 3 * 8
