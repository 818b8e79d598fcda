"""What bills reaches once who has two connections, whichever of them ends or begins when."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import httpx
import pytest
from sqlalchemy import update
from sqlmodel.ext.asyncio.session import AsyncSession

from modules.cdrs.audit import audit
from ocpi.push import returning
from ocpi.push.lanes import ParkedObject
from ocpi.push.returning import open_way, tell_elsewhere
from tests.house import codes_of
from tests.modules.hubclientinfo.test_returning import (
    DIRECT,
    LANDED,
    ROAMING,
    bill,
    held_up,
    nothing_is_overdue,
    registers,
    soon_landed,
    told,
)
from tests.ocpi.hub.town import (
    Peer,
    Town,
    join,
    open_town,
    pushing,
    success,
    until,
)

__all__ = ["soon_landed"]


@pytest.fixture
async def two_ways(database_url: str) -> AsyncIterator[Town]:
    async with open_town(database_url, (DIRECT, ROAMING)) as opened:
        yield opened


async def end(town: Town, how: str) -> None:
    if how == "suspended":
        await town.admin.post("/admin/partners/direct/suspend")
    else:
        gone = await town.direct.http.delete("/ocpi/cpo/2.2.1/credentials")
        assert codes_of(gone) == (200, 1000)


@pytest.mark.req("CD-05", "CD-08")
@pytest.mark.parametrize("how", ["suspended", "unregistered"])
async def test_a_bill_in_flight_when_a_connection_ends_is_told_once(
    two_ways: Town, how: str
) -> None:
    town = two_ways
    # Of two workers each has one of the lanes.
    async with pushing(town), pushing(town):
        async with held_up(town, "direct"):
            await end(town, how)
            await asyncio.sleep(0.3)
        await asyncio.sleep(LANDED / 1e6)
        await until(partial(nothing_is_overdue, town))
    assert (told(town, "direct"), told(town, "roaming")) == (["C1"], [])


@pytest.mark.req("CD-05", "CD-08", "CR-15")
@pytest.mark.parametrize("how", ["unregistered", "removed"])
async def test_a_bill_in_flight_when_its_partner_registers_anew_is_told_once(
    database_url: str, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(returning, "LANDED", 60_000_000)
    async with open_town(database_url, (ROAMING,)) as town, pushing(town), pushing(town):
        async with held_up(town, "roaming"):
            if how == "removed":
                await town.admin.delete("/admin/partners/roaming?force=true")
            else:
                await town.roaming.http.delete("/ocpi/hub/2.2.1/credentials")
            await registers(town, ROAMING, anew=how == "unregistered")
            await bill(town, "C2")
            await until(lambda: told(town, "roaming") == ["C2"], 20)
        await until(partial(nothing_is_overdue, town))
        async with town.context.database.write() as db:
            await db.exec(update(ParkedObject).values(next_at=0))
        await bill(town, "C3")
        await until(lambda: "C3" in told(town, "roaming"), 20)
        await asyncio.sleep(0.3)
        assert told(town, "roaming") == ["C2", "C3"]


@pytest.mark.req("CD-05", "CD-08")
async def test_a_bill_that_the_hub_has_in_flight_is_not_told_by_a_connection_that_is_resumed(
    two_ways: Town,
) -> None:
    town = two_ways
    await end(town, "suspended")
    async with pushing(town):
        async with held_up(town, "roaming"):
            await town.admin.post("/admin/partners/direct/resume")
            await asyncio.sleep(0.3)
        await asyncio.sleep(LANDED / 1e6)
        await until(partial(nothing_is_overdue, town))
    assert (told(town, "direct"), told(town, "roaming")) == ([], ["C1"])


@pytest.mark.req("CD-05", "CD-08")
@pytest.mark.parametrize("change", ["join", "suspend", "resume"])
async def test_a_bill_that_is_made_while_a_connection_changes_is_told_by_one_of_the_two(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """On SQLite nothing is made while another transaction is under way."""
    town: Town
    making: list[asyncio.Task[None]] = []
    at_once = Peer.handle_async_request

    async def later(peer: Peer, request: httpx.Request) -> httpx.Response:
        answer = await at_once(peer, request)
        await asyncio.sleep(1 if request.url.path.endswith("/cdrs") else 0)
        return answer

    def slowly(real: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def change_it(db: AsyncSession, partner_id: int) -> None:
            await real(db, partner_id)
            making.append(asyncio.create_task(bill(town, "C1")))
            await asyncio.sleep(0.5)

        return change_it

    members = (ROAMING,) if change == "join" else (DIRECT, ROAMING)
    async with open_town(postgres_url, members) as town:
        if change == "resume":
            await end(town, "suspended")
        monkeypatch.setattr(Peer, "handle_async_request", later)
        monkeypatch.setattr("tests.ocpi.hub.town.open_way", slowly(open_way))
        monkeypatch.setattr("credentials.partners.tell_elsewhere", slowly(tell_elsewhere))
        async with pushing(town), pushing(town):
            await asyncio.sleep(0.3)
            if change == "join":
                town.peers["direct"] = await join(town.context, town.network, town.app, DIRECT)
            else:
                await town.admin.post(f"/admin/partners/direct/{change}")
            await making[0]
            await asyncio.sleep(0.3)
            await until(partial(nothing_is_overdue, town))
        assert told(town, "direct") + told(town, "roaming") == ["C1"]


@pytest.mark.req("CD-05", "CD-08", "CR-15")
@pytest.mark.parametrize("how", ["suspended", "unregistered"])
async def test_what_a_connection_leaves_untold_when_it_ends_the_hub_tells_and_nothing_twice(
    two_ways: Town, how: str
) -> None:
    town = two_ways
    async with pushing(town):
        await bill(town, "C1")
        await until(lambda: told(town, "direct") == ["C1"])
        town.direct.answer = lambda _: success(status=500)
        await bill(town, "C2")
        await until(lambda: told(town, "direct")[:2] == ["C1", "C2"])
        assert told(town, "roaming") == []
        await end(town, how)
        await until(lambda: told(town, "roaming") == ["C2"])
        await bill(town, "C3")
        await until(lambda: told(town, "roaming") == ["C2", "C3"])
        await until(partial(nothing_is_overdue, town))


@pytest.mark.req("CD-05", "CD-08")
async def test_what_a_partner_accepted_that_is_removed_is_told_to_nobody_again(
    two_ways: Town,
) -> None:
    town = two_ways
    async with pushing(town):
        await bill(town, "C1")
        await until(lambda: told(town, "direct") == ["C1"])
        gone = await town.admin.delete("/admin/partners/direct?force=true")
        assert gone.status_code == 200
        assert await nothing_is_overdue(town)
        await town.admin.post("/admin/push/roaming/rewind")
        await bill(town, "C2")
        await until(lambda: "C2" in told(town, "roaming"))
        assert told(town, "roaming") == ["C2"]
    listed = (await town.admin.get("/admin/cdrs")).json()["cdrs"]
    takers = {each["cdr"]["id"]: each["receipts"][0]["partner"] for each in listed}
    assert takers == {"C1": "direct", "C2": "roaming"}


@pytest.mark.req("CD-05", "CD-08")
async def test_what_the_hub_has_told_a_party_is_not_told_again_by_its_own_connection(
    two_ways: Town,
) -> None:
    town = two_ways
    await end(town, "suspended")
    async with pushing(town):
        await bill(town, "C1")
        await until(lambda: told(town, "roaming") == ["C1"])
        await town.admin.post("/admin/partners/direct/resume")
        await bill(town, "C2")
        await until(lambda: "C2" in told(town, "direct"))
        await asyncio.sleep(0.3)
    assert (told(town, "direct"), told(town, "roaming")) == (["C2"], ["C1"])
    assert (await audit(town.context, grace=0)).overdue == 0
