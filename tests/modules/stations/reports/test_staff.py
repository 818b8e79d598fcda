"""What staff do about sessions in trouble, so that they are in trouble no more."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from modules.cdrs.own import post_own
from ocpi.testing import samples
from tests.house import OURS, OWNER
from tests.modules.stations.reports.yard import Document, Yard, at, meter, open_yard, start, stop


@pytest.fixture
async def local(sqlite_url: str) -> AsyncIterator[Yard]:
    async with open_yard(sqlite_url) as opened:
        yield opened


@pytest.fixture
async def yard(database_url: str) -> AsyncIterator[Yard]:
    async with open_yard(database_url) as opened:
        yield opened


@pytest.mark.req("SE-24")
@pytest.mark.parametrize("under_its_id", [True, False])
@pytest.mark.parametrize("with_session_id", [True, False])
async def test_a_session_of_unknown_energy_that_staff_have_billed_is_listed_no_more(
    local: Yard, *, under_its_id: bool, with_session_id: bool
) -> None:
    await local.report(start(kwh=1000), stop(kwh=5))
    [listed] = await local.listed(trouble=True)
    assert listed["trouble"] == (
        "Its meter told no two values that can be used, so its energy is not known. Report the "
        "stop again with its kwh, or find out what was charged, and bill it by POST /admin/cdrs "
        "under the session_id; then bill this one again, to have it listed no more."
    )
    by_staff = samples.cdr(**OWNER, id=listed["session_id"] if under_its_id else "MANUAL-1")
    by_staff["session_id"] = listed["session_id"]
    if not with_session_id:
        del by_staff["session_id"]
    await post_own(local.database, OURS, by_staff)
    outcome = await local.bill(listed["id"])
    assert outcome["result"] == "kept"
    if not under_its_id and not with_session_id:
        # Nothing says that it is the bill of this session.
        assert await local.listed(trouble=True) == [listed]
        return
    assert outcome["note"].lower() == f"somebody else billed it: cdr {by_staff['id']}.".lower()
    assert await local.listed(trouble=True) == []
    assert len(await local.cdrs()) == 1


async def dismiss(yard: Yard, number: int) -> Document:
    answer = await yard.service.admin.post(f"/admin/charges/{number}/dismiss")
    assert answer.status_code == 200, answer.text
    found: Document = answer.json()
    return found


async def test_a_trouble_that_staff_have_dealt_with_is_noted_and_not_told_again(
    yard: Yard,
) -> None:
    await yard.report(stop(kwh=105))
    [listed] = await yard.listed(trouble=True)
    told = [await dismiss(yard, listed["id"]) for _ in range(2)]
    assert told[0] == told[1] == (await yard.listed())[0]
    [note] = told[0]["notes"]
    assert note.startswith("Dealt with by staff on 20")
    assert note.endswith("Z: Its start was not reported.")
    await yard.report(stop(kwh=105), meter(kwh=103))
    assert await yard.listed(trouble=True) == []
    # What is found out later counts all the same.
    [outcome] = await yard.report(start())
    assert outcome["cdr_id"] == (await yard.cdr())["id"]


async def test_of_two_troubles_each_is_dealt_with_by_itself(sqlite_url: str) -> None:
    async with open_yard(sqlite_url, tariff=None) as yard:
        await yard.report(start(), stop(kwh=120), start(moment=at(120), kwh=120))
        [first] = await yard.listed(trouble=True)
        second = await dismiss(yard, first["id"])
        assert first["trouble"].startswith("None of the Connector's Tariffs is known")
        assert second["trouble"].startswith("A session of 2026-03-01T12:00:00Z")
        assert (await dismiss(yard, first["id"]))["trouble"] is None


async def test_sessions_in_trouble_are_read_page_by_page(local: Yard) -> None:
    await local.report(*(stop(f"t{n}") for n in range(5)), start("fine"))
    pages = [await local.listed(trouble=True, limit=2, offset=n) for n in (0, 2, 4, 6)]
    assert [len(each) for each in pages] == [2, 2, 1, 0]
    names = [each["transaction_id"] for page in pages for each in page]
    assert names == [f"t{n}" for n in (4, 3, 2, 1, 0)]
    answer = await local.service.admin.get("/admin/charges?trouble=true&limit=1")
    assert answer.json()["total"] == 5


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*) FROM charge WHERE trouble IS NOT NULL",
        "SELECT * FROM charge WHERE trouble IS NOT NULL ORDER BY changed_at DESC, id DESC LIMIT 9",
    ],
)
async def test_sessions_in_trouble_are_not_looked_for_among_all(yard: Yard, query: str) -> None:
    words = "QUERY PLAN " if yard.database.sqlite else ""
    async with yard.database.write() as db:
        if not yard.database.sqlite:
            await db.exec(text("SET LOCAL enable_seqscan = off"))  # type: ignore[call-overload]
        plan = await db.exec(text(f"EXPLAIN {words}{query}"))  # type: ignore[call-overload]
        assert "ix_charge_trouble" in str(plan.all())
