"""What staff do about sessions in trouble, so that they are in trouble no more."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from modules.cdrs.own import post_own
from ocpi.testing import samples
from tests.house import OURS, OWNER
from tests.modules.stations.reports.yard import Yard, open_yard, start, stop


@pytest.fixture
async def local(sqlite_url: str) -> AsyncIterator[Yard]:
    async with open_yard(sqlite_url) as opened:
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
