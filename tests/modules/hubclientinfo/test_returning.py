"""What bills reaches a party once, by whatever way it is reached when."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import httpx
import pytest
from sqlmodel import delete, select

from credentials.discovery import Offer
from credentials.partners import add_partner
from credentials.registration import find_partner, keep_credentials, keep_endpoints
from modules.cdrs.audit import audit
from modules.hubclientinfo.learning import Learner
from ocpi.directory import AnnouncedParty
from ocpi.headers import Party
from ocpi.parties import PlatformID, State
from ocpi.push import returning
from ocpi.push.hearing import hearings
from ocpi.push.lanes import ParkedObject
from ocpi.push.returning import open_way
from ocpi.spec.credentials import Credentials
from ocpi.spec.document import encode
from ocpi.testing import samples
from tests.house import OWNER, codes_of
from tests.modules.hubclientinfo.test_announcing import INFO, OTHER_HUB, THIRD_HUB
from tests.ocpi.hub.test_two_ways import slow_to_look
from tests.ocpi.hub.town import (
    EMSP_SIDE,
    EVERYBODY,
    Member,
    Peer,
    Town,
    open_town,
    pushing,
    success,
    until,
)

EMSP = {"country_code": "AT", "party_id": "EMB"}
AT_HUB = "receiver/hubclientinfo/AT/EMB"


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[Town]:
    async with open_town(database_url, (*EVERYBODY, OTHER_HUB)) as opened:
        yield opened


async def bill(town: Town, name: str) -> None:
    token = samples.cdr()["cdr_token"] | EMSP
    cdr = samples.cdr(**OWNER, id=name, session_id=None, cdr_token=token)
    answer = await town.admin.post("/admin/cdrs", content=encode(cdr))
    assert answer.status_code == 201, answer.text


async def announce(town: Town, status: str, day: int) -> None:
    told = {"role": "EMSP", "status": status, "last_updated": f"2026-01-{day:02}T00:00:00Z"}
    assert codes_of(await town.hub2.send("PUT", AT_HUB, {**INFO, **EMSP, **told}))[1] == 1000


def told(town: Town, peer: str = "hub2") -> list[Any]:
    return [each.document()["id"] for each in town.peers[peer].of("cdrs")]


async def parked(town: Town) -> list[ParkedObject]:
    async with town.context.database.read() as db:
        return list((await db.exec(select(ParkedObject))).all())


@pytest.mark.req("HC-09", "CD-08")
@pytest.mark.parametrize("status", ["OFFLINE", "PLANNED", "SUSPENDED"])
async def test_a_bill_for_who_is_away_waits_and_is_told_once_when_it_is_back(
    town: Town, status: str
) -> None:
    async with pushing(town):
        await announce(town, "CONNECTED", 1)
        await bill(town, "C1")
        await until(lambda: told(town) == ["C1"])
        await announce(town, status, 2)
        await bill(town, "C2")

        async def waits() -> bool:
            return [each.error for each in await parked(town)] == [
                f"AT*EMB is {status}, as hub2 tells."
            ]

        await until(waits)
        async with town.context.database.read() as db:
            (heard,) = await hearings(db, "cdrs/nl*tnm*c2")
        assert (heard.partner, heard.state) == ("hub2", "parked")
        await announce(town, "CONNECTED", 3)
        # Made before anything has told the lane of the return in another way.
        await bill(town, "C3")
        await until(lambda: sorted(told(town)) == ["C1", "C2", "C3"])
        await asyncio.sleep(0.3)
        assert (sorted(told(town)), await parked(town)) == (["C1", "C2", "C3"], [])


@pytest.mark.req("HC-09")
async def test_a_bill_that_is_older_than_all_news_of_its_party_is_told(town: Town) -> None:
    async with pushing(town):
        for name in ("C1", "C2"):
            await bill(town, name)
        await asyncio.sleep(0.3)
        assert told(town) == []
        await announce(town, "CONNECTED", 1)
        await until(lambda: sorted(told(town)) == ["C1", "C2"])


@pytest.mark.req("HC-03")
async def test_who_is_found_in_the_list_is_told_what_was_made_before(town: Town) -> None:
    listed = [{**INFO, **EMSP, "role": "EMSP"}]
    town.hub2.answer = lambda each: success(listed if each.method == "GET" else None)
    async with pushing(town):
        await bill(town, "C1")
        await asyncio.sleep(0.3)
        await Learner(town.context).turn()
        await until(lambda: told(town) == ["C1"])


async def test_a_party_that_is_announced_anew_gets_no_bill_that_was_accepted(town: Town) -> None:
    async with pushing(town):
        await announce(town, "CONNECTED", 1)
        await bill(town, "C1")
        await until(lambda: told(town) == ["C1"])
        async with town.context.database.write() as db:
            await db.exec(delete(AnnouncedParty))
        await announce(town, "CONNECTED", 2)
        await bill(town, "C2")
        await until(lambda: "C2" in told(town))
        assert told(town) == ["C1", "C2"]


async def registers(town: Town, member: Member, *, anew: bool = False) -> None:
    """Have a partner do what it does when it POSTs its credentials."""
    if not anew:
        await add_partner(town.context, member.name, member.platform, member.roles)
    peer = town.peers[member.name] = Peer(member, town.app)
    town.network.hosts[f"{member.name}.example"] = peer
    given = samples.credentials(token="t" * 32, roles=[samples.credentials_role("EMSP", **EMSP)])
    endpoints = {(m, i): f"{peer.url}/{i.lower()}/{m}" for i, m in member.interfaces}
    async with town.context.database.write() as db:
        partner = await find_partner(db, member.name, lock=True)
        partner.state = State.ISSUED
        await keep_credentials(town.context, db, partner, Credentials.model_validate(given))
        await keep_endpoints(db, partner, Offer(endpoints, ()), f"{peer.url}/versions")
        await open_way(db, partner.key)


@pytest.mark.req("HC-04")
async def test_a_further_role_of_a_party_has_nothing_told_again(town: Town) -> None:
    session = samples.session(**OWNER, cdr_token=samples.cdr_token(**EMSP))
    at = f"/admin/sessions/NL/TNM/{session['id']}"
    async with pushing(town):
        await announce(town, "CONNECTED", 1)
        assert (await town.admin.put(at, content=encode(session))).status_code == 201
        await until(lambda: len(town.hub2.of("sessions")) == 1)
        await asyncio.sleep(0.3)
        assert codes_of(await town.hub2.send("PUT", AT_HUB, {**INFO, **EMSP}))[0] == 201
        await bill(town, "C1")
        await until(lambda: told(town) == ["C1"])
        await asyncio.sleep(0.3)
    assert len(town.hub2.of("sessions")) == 1


@pytest.mark.req("HC-09", "CD-08")
async def test_who_is_back_in_another_role_is_told_what_has_waited(town: Town) -> None:
    async with pushing(town):
        await announce(town, "SUSPENDED", 1)
        await bill(town, "C1")

        async def waits() -> bool:
            return ["SUSPENDED" in (each.error or "") for each in await parked(town)] == [True]

        await until(waits)
        nsp = {**INFO, **EMSP, "role": "NSP"}
        assert codes_of(await town.hub2.send("PUT", AT_HUB, nsp))[0] == 201
        await until(lambda: told(town) == ["C1"])


@pytest.mark.req("CD-05", "CD-08")
@pytest.mark.parametrize("there", list(PlatformID))
@pytest.mark.parametrize("here", list(PlatformID))
async def test_a_bill_that_a_hub_has_in_flight_when_its_party_registers_is_told_once(
    database_url: str, there: PlatformID, here: PlatformID
) -> None:
    async with open_town(database_url, (replace(OTHER_HUB, platform=there),)) as town:
        path = f"/ocpi/{there}/2.2.1/{AT_HUB}"
        await town.hub2.send("PUT", path, {**INFO, **EMSP, "role": "EMSP"})
        async with slow_to_look(town):
            async with held_up(town, "hub2"):
                await registers(town, replace(DIRECT, platform=here))
                # The hub's lane has read who is behind it, and does not look for a minute.
                await bill(town, "C2")
                await until(lambda: told(town, "direct") == ["C2"])
                await asyncio.sleep(0.3)
            await asyncio.sleep(LANDED / 1e6)
            await until(partial(nothing_is_overdue, town))
        assert (told(town), told(town, "direct")) == (["C1"], ["C2"])


@pytest.mark.req("CD-05", "CD-08")
async def test_a_bill_of_a_party_that_went_to_another_hub_is_told_by_that_one_alone(
    database_url: str,
) -> None:
    later = {"last_updated": "2026-03-01T00:00:00Z"}
    async with open_town(database_url, (OTHER_HUB, THIRD_HUB)) as town:
        await announce(town, "CONNECTED", 1)
        async with slow_to_look(town):
            await bill(town, "C1")
            await until(lambda: told(town) == ["C1"])
            await announce(town, "SUSPENDED", 2)
            await town.hub3.send("PUT", AT_HUB, {**INFO, **EMSP, **later, "role": "EMSP"})
            await bill(town, "C2")
            await until(lambda: told(town, "hub3") == ["C2"])
            await asyncio.sleep(0.3)
            assert told(town) == ["C1"]


# The same eMSP twice: by a connection of its own to our CPO platform, and as a party of the hub.
DIRECT = Member("direct", (("EMSP", Party("AT", "EMB")),), EMSP_SIDE, PlatformID.CPO)
ROAMING = replace(DIRECT, name="roaming", platform=PlatformID.HUB)


LANDED = 2_000_000


@pytest.fixture(autouse=True)
def soon_landed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(returning, "LANDED", LANDED)


async def nothing_is_overdue(town: Town) -> bool:
    return (await audit(town.context, grace=0)).overdue == 0


@asynccontextmanager
async def held_up(town: Town, name: str) -> AsyncIterator[None]:
    """Have a bill that is sent to a peer stay without an answer for as long as the block lasts."""
    peer, answered, arrived = town.peers[name], asyncio.Event(), asyncio.Event()
    at_once = peer.handle_async_request

    async def later(request: httpx.Request) -> httpx.Response:
        answer = await at_once(request)
        if request.url.path.endswith("/cdrs"):
            arrived.set()
            await answered.wait()
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(peer, "handle_async_request", later)
        await bill(town, "C1")
        await arrived.wait()
        try:
            yield
        finally:
            answered.set()


@pytest.mark.req("RT-30", "HC-09")
@pytest.mark.parametrize("role", ["CPO", "EMSP"])
@pytest.mark.parametrize("platform", PlatformID)
async def test_a_hub_is_told_what_is_for_it_though_a_party_with_its_codes_is_away(
    database_url: str, platform: PlatformID, role: str
) -> None:
    """It has a connection of its own, and what it says of its CPO or eMSP is not about that."""
    codes = {"country_code": "AT", "party_id": "HUB"}
    url = f"/ocpi/{platform}/2.2.1/receiver/hubclientinfo/AT/HUB"
    async with open_town(database_url, (replace(OTHER_HUB, platform=platform),)) as town:
        info = {**INFO, **codes, "role": role, "status": "SUSPENDED"}
        assert codes_of(await town.hub2.send("PUT", url, info)) == (201, 1000)
        async with pushing(town):
            location = encode(samples.location(**OWNER, id="L1"))
            stored = await town.admin.put("/admin/locations/NL/TNM/L1", content=location)
            assert stored.status_code == 201
            token = samples.cdr()["cdr_token"] | codes
            cdr = samples.cdr(**OWNER, id="C1", session_id=None, cdr_token=token)
            assert (await town.admin.post("/admin/cdrs", content=encode(cdr))).status_code == 201
            await until(lambda: bool(town.hub2.of("locations") and town.hub2.of("cdrs")))
            assert await parked(town) == []
