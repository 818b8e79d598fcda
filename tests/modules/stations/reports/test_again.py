"""What is reported again without a moment, another one each time, is known all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.modules.stations.reports.yard import Document, Yard, meter, open_yard, start, stop


@pytest.fixture
async def local(sqlite_url: str) -> AsyncIterator[Yard]:
    async with open_yard(sqlite_url) as opened:
        yield opened


@pytest.mark.parametrize("kwh", [105, None])
async def test_a_batch_without_moments_may_be_sent_again(local: Yard, kwh: int | None) -> None:
    batch = [start(moment=None), meter(moment=None, kwh=103), stop(moment=None, kwh=kwh)]
    first, second = await local.report(*batch), await local.report(*batch)
    assert [each["result"] for each in first] == ["taken"] * 3
    assert [each["result"] for each in second] == ["repeated", "kept", "repeated"]
    assert [each["session_id"] for each in second] == [first[0]["session_id"]] * 3
    assert await local.listed(trouble=True) == []
    assert len(await local.cdrs()) == 1


async def test_a_start_that_is_sent_again_while_its_session_goes_on_is_repeated(
    local: Yard,
) -> None:
    await local.report(start(moment=None), meter(moment=None, kwh=103))
    [outcome] = await local.report(start(moment=None))
    assert outcome["result"] == "repeated"
    [listed] = await local.listed()
    assert listed["notes"] == []


@pytest.mark.parametrize("over", [{"kwh": 120}, {"evse_uid": "EVSE-2"}, {"token": {"uid": "X"}}])
async def test_another_session_under_a_known_id_is_told_apart_without_a_moment(
    local: Yard, over: Document
) -> None:
    await local.report(start(moment=None), stop(moment=None, kwh=105))
    [outcome] = await local.report(start(moment=None, **over))
    assert outcome["result"] == "kept"
    [listed] = await local.listed(trouble=True)
    assert "was reported under the transaction_id of this one" in listed["trouble"]
