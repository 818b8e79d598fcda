"""Reports at once, in great number, and on both sides of a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from modules.stations.reports import applying
from ocpi.app import create_app
from ocpi.testing import samples
from tests.house import (
    ADMIN_TOKEN,
    OWNER,
    calling,
    context_of,
    settings_of,
)
from tests.modules.stations.reports.yard import (
    Yard,
    at,
    meter,
    open_yard,
    start,
    stop,
)


@pytest.fixture
async def yard(database_url: str) -> AsyncIterator[Yard]:
    async with open_yard(database_url) as opened:
        yield opened


async def test_eight_processes_that_get_the_same_reports_make_one_session_and_one_bill(
    yard: Yard,
) -> None:
    async def post(report: Any) -> str:
        [outcome] = await yard.report(report)
        return str(outcome["result"])

    begun = await asyncio.gather(*(post(start()) for _ in range(8)))
    assert sorted(begun) == ["repeated"] * 7 + ["taken"]
    ended = await asyncio.gather(*(post(stop(kwh=105)) for _ in range(8)))
    assert sorted(ended) == ["repeated"] * 7 + ["taken"]
    assert (await yard.cdr())["total_energy"] == 5
    assert (await yard.session())["kwh"] == 5


async def test_two_batches_in_opposite_order_are_both_taken(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    take, again = applying._take, applying._take_again  # noqa: SLF001 - They are slowed down.
    retried = []

    async def slowly(*arguments: Any) -> Any:
        outcome = await take(*arguments)
        await asyncio.sleep(0.2)
        return outcome

    async def counted(*arguments: Any) -> Any:
        retried.append(arguments)
        return await again(*arguments)

    async with open_yard(postgres_url) as yard:
        await yard.report(start("a"), start("b", evse_uid="EVSE-2"))
        monkeypatch.setattr(applying, "_take", slowly)
        monkeypatch.setattr(applying, "_take_again", counted)
        reports = [meter("a", kwh=103), meter("b", kwh=104)]
        for outcomes in await asyncio.gather(yard.report(*reports), yard.report(*reports[::-1])):
            assert {each["result"] for each in outcomes} <= {"taken", "repeated"}
        assert len(retried) == 2
        await yard.report(stop("a"), stop("b"))
        assert [each["total_energy"] for each in await yard.cdrs()] == [3, 4]


@asynccontextmanager
async def second_process(database_url: str) -> AsyncIterator[httpx.AsyncClient]:
    """The admin API of another process on the same database."""
    context = context_of(settings_of(database_url))
    try:
        app = create_app(context, worker=False)
        async with calling(app, {"Authorization": f"Bearer {ADMIN_TOKEN}"}) as admin:
            yield admin
    finally:
        await context.close()


URL = "/admin/stations/LOC-1/reports"


async def test_a_service_that_starts_anew_goes_on_with_the_session(database_url: str) -> None:
    async with open_yard(database_url) as yard:
        await yard.report(start(), meter(kwh=103))
        async with second_process(database_url) as admin:
            answer = await admin.post(URL, json=stop(kwh=105))
        assert answer.json()["results"][0]["cdr_id"] == (await yard.cdr())["id"]
        assert (await yard.cdr())["total_energy"] == 5


async def test_two_processes_that_take_the_same_reports_at_once_make_one_bill(
    database_url: str,
) -> None:
    async with open_yard(database_url) as yard, second_process(database_url) as admin:
        for report in (start(), meter(kwh=103), stop(kwh=105)):
            answers = await asyncio.gather(
                yard.post(report), admin.post(URL, json=report), yard.post([report, report])
            )
            results = [each for answer in answers for each in answer.json()["results"]]
            assert sorted(each["result"] for each in results) == ["repeated"] * 3 + ["taken"]
        assert (await yard.cdr())["total_energy"] == (await yard.session())["kwh"] == 5


async def test_a_thousand_reports_are_taken_at_once(sqlite_url: str) -> None:
    async with open_yard(sqlite_url, tariff=samples.tariff(**OWNER)) as yard:
        meters = [meter(moment=at(n / 60, n % 60), kwh=100 + n) for n in range(1, 999)]
        outcomes = await yard.report(start(), *meters, stop(moment=at(17), kwh=1100))
        assert {each["result"] for each in outcomes} == {"taken"}
        assert (await yard.cdr())["total_energy"] == 1000
