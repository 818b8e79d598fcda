"""A party with a connection to the hub and one to our CPO platform is told by one of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlmodel import select

from credentials.discovery import Offer
from credentials.partners import add_partner
from credentials.registration import find_partner, keep_credentials, keep_endpoints
from ocpi.catalogue import SOURCES
from ocpi.crew import on_duty
from ocpi.golive.checking import check_partner
from ocpi.headers import Party
from ocpi.parties import PlatformID, State
from ocpi.push import returning
from ocpi.push.hearing import hearings
from ocpi.push.lanes import Receipt
from ocpi.push.pace import Pace
from ocpi.push.returning import open_way
from ocpi.push.worker import Worker
from ocpi.spec.credentials import Credentials
from ocpi.spec.document import encode
from ocpi.testing import samples
from tests.house import OWNER, codes_of
from tests.modules.hubclientinfo.test_announcing import OTHER_HUB
from tests.ocpi.hub.town import (
    CPO_SIDE,
    EMSP1,
    EMSP_SIDE,
    Member,
    Peer,
    Town,
    join,
    open_town,
    pushing,
    success,
    until,
)

DIRECT = Member("direct", EMSP1.roles, EMSP_SIDE, PlatformID.CPO)
BILLS = (("RECEIVER", "sessions"), ("RECEIVER", "cdrs"))
WITHOUT_BILLS = replace(DIRECT, interfaces=tuple(each for each in EMSP_SIDE if each not in BILLS))


@asynccontextmanager
async def slow_to_look(town: Town) -> AsyncIterator[None]:
    """Have told what changes by lanes that do not look by themselves how their partners are."""
    pace = Pace(poll=0.05, gather=0.005, commit=0.02, refresh=60)
    async with on_duty((Worker(town.context, SOURCES, pace=pace),)):
        yield


async def charge(town: Town, name: str, party: Party = EMSP1.party) -> None:
    """Have a Session and its CDR for a driver of a party."""
    token = samples.cdr_token(country_code=party.country_code, party_id=party.party_id)
    session = samples.session(**OWNER, id=name, cdr_token=token)
    answer = await town.admin.put(f"/admin/sessions/NL/TNM/{name}", content=encode(session))
    assert answer.status_code == 201, answer.text
    cdr = samples.cdr(**OWNER, id=f"C{name}", session_id=name, cdr_token=token)
    answer = await town.admin.post("/admin/cdrs", content=encode(cdr))
    assert answer.status_code == 201, answer.text


async def comes(town: Town, member: Member) -> None:
    town.peers[member.name] = await join(town.context, town.network, town.app, member)


def told(town: Town, peer: str, module: str) -> list[str]:
    return [each.document()["id"] for each in town.peers[peer].of(module)]


def has_all(town: Town, peer: str, *names: str) -> Any:
    def look() -> bool:
        if not {f"C{name}" for name in names} <= set(told(town, peer, "cdrs")):
            return False
        return set(names) <= set(told(town, peer, "sessions"))

    return look


def bills(town: Town) -> list[str]:
    return sorted(told(town, "emsp1", "cdrs") + told(town, "direct", "cdrs"))


async def receipts(town: Town) -> int:
    async with town.context.database.read() as db:
        return len((await db.exec(select(Receipt.object_key))).all())


@pytest.mark.req("CD-05", "CD-08")
async def test_the_hub_tells_until_the_other_connection_has_passed_its_check(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ocpi.golive.checking.CHECKS", ())
    async with open_town(database_url, (EMSP1,), require_check=True) as town:
        await town.set_partner("emsp1", passed_at=1)
        async with slow_to_look(town):
            await comes(town, DIRECT)
            await charge(town, "S1")
            await until(has_all(town, "emsp1", "S1"))
            assert (await check_partner(town.context, "direct"))["passed"]
            before = len(town.emsp1.seen)
            await charge(town, "S2")
            await until(has_all(town, "direct", "S2"))
            await asyncio.sleep(0.3)
        assert len(town.emsp1.seen) == before
        assert (bills(town), await receipts(town)) == (["CS1", "CS2"], 2)


@pytest.mark.req("CD-05", "CD-08")
async def test_the_hub_tells_what_the_other_connection_has_no_endpoint_for(
    database_url: str,
) -> None:
    async with open_town(database_url, (EMSP1, WITHOUT_BILLS)) as town, slow_to_look(town):
        await charge(town, "S1")
        await until(has_all(town, "emsp1", "S1"))
        assert not told(town, "direct", "sessions")


@pytest.mark.req("CD-05", "CD-08")
async def test_what_an_endpoint_that_goes_leaves_untold_the_hub_tells(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the endpoint that goes had in flight may still arrive so long.
    monkeypatch.setattr(returning, "LANDED", 500_000)
    async with open_town(database_url, (EMSP1, DIRECT)) as town, slow_to_look(town):
        await charge(town, "S1")
        await until(has_all(town, "direct", "S1"))

        async def is_proved() -> bool:
            return await receipts(town) == 1

        await until(is_proved)
        del town.network.hosts["direct.example"]
        await charge(town, "S2")
        await asyncio.sleep(0.3)
        assert not told(town, "emsp1", "cdrs")
        async with town.context.database.write() as db:
            partner = await find_partner(db, "direct", lock=True)
            home = "https://direct.example"
            left = {(m, i): f"{home}/{i.lower()}/{m}" for i, m in WITHOUT_BILLS.interfaces}
            assert await keep_endpoints(db, partner, Offer(left, ()))
            await open_way(db, partner.key)
        await until(has_all(town, "emsp1", "S2"))
        await asyncio.sleep(0.3)
        assert told(town, "emsp1", "cdrs") == ["CS2"]


@pytest.mark.req("CD-05", "CD-08")
async def test_from_when_another_connection_is_there_the_hub_tells_no_bill(
    database_url: str,
) -> None:
    async with open_town(database_url, (EMSP1,)) as town, slow_to_look(town):
        await charge(town, "S1")
        await until(has_all(town, "emsp1", "S1"))

        async def is_proved() -> bool:
            return await receipts(town) == 1

        await until(is_proved)
        await comes(town, DIRECT)
        await charge(town, "S2")
        await until(has_all(town, "direct", "S2"))
        await asyncio.sleep(0.3)
        assert (told(town, "emsp1", "cdrs"), told(town, "direct", "cdrs")) == (["CS1"], ["CS2"])


async def test_an_endpoint_of_another_party_is_no_way(database_url: str) -> None:
    other = Member("direct", (("EMSP", replace(EMSP1.party, party_id="OTH")),), EMSP_SIDE)
    members = (EMSP1, replace(other, platform=PlatformID.CPO))
    async with open_town(database_url, members) as town, slow_to_look(town):
        await charge(town, "S1")
        await until(has_all(town, "emsp1", "S1"))
        assert not town.direct.seen


async def heard_by(town: Town, name: str) -> list[str]:
    async with town.context.database.read() as db:
        return [each.partner for each in await hearings(db, f"cdrs/nl*tnm*{name.lower()}")]


@pytest.mark.threat("TA-05")
@pytest.mark.parametrize("here", PlatformID)
@pytest.mark.parametrize("there", PlatformID)
async def test_charging_is_told_to_the_role_that_has_drivers_and_not_to_a_cpo_of_its_codes(
    database_url: str, here: PlatformID, there: PlatformID
) -> None:
    """And the CPO's connection keeps nothing from the eMSP's, whichever platform has which."""
    both = (*CPO_SIDE, *EMSP_SIDE)
    members = (
        Member("cpo", (("CPO", EMSP1.party),), both, here),
        replace(EMSP1, platform=there),
    )
    async with open_town(database_url, members) as town:
        await charge(town, "S1")
        lanes = (await town.admin.get("/admin/push")).json()
        assert {each["partner"]: each["behind"] for each in lanes} == {"cpo": 0, "emsp1": 2}
        async with pushing(town):
            await until(has_all(town, "emsp1", "S1"))
            await asyncio.sleep(0.3)
        assert told(town, "cpo", "sessions") + told(town, "cpo", "cdrs") == []
        assert await heard_by(town, "CS1") == ["emsp1"]


@pytest.mark.threat("TA-05")
async def test_of_who_is_behind_a_hub_only_the_role_that_has_drivers_is_told_of_charging(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(returning, "LANDED", 1_000_000)
    party = Party("AT", "ONE")

    async def say(role: str, status: str, day: int) -> None:
        info = {"country_code": "AT", "party_id": "ONE", "role": role, "status": status}
        dated = {**info, "last_updated": f"2026-01-{day:02}T00:00:00Z"}
        answer = await town.hub2.send("PUT", "receiver/hubclientinfo/AT/ONE", dated)
        assert codes_of(answer)[1] == 1000

    async with open_town(database_url, (OTHER_HUB,)) as town, pushing(town):
        await say("CPO", "CONNECTED", 1)
        await charge(town, "S1", party)
        await asyncio.sleep(0.3)
        assert (told(town, "hub2", "cdrs"), await heard_by(town, "CS1")) == ([], [])
        await say("EMSP", "OFFLINE", 1)
        await asyncio.sleep(0.3)
        # The CPO of its codes is there, but that is nobody to tell.
        assert told(town, "hub2", "sessions") + told(town, "hub2", "cdrs") == []
        await say("EMSP", "CONNECTED", 2)
        await until(has_all(town, "hub2", "S1"))
        assert told(town, "hub2", "cdrs") == ["CS1"]


async def test_a_cpo_that_comes_has_the_hub_tell_an_emsp_of_its_codes_nothing_anew(
    database_url: str,
) -> None:
    async with open_town(database_url, (EMSP1,)) as town, slow_to_look(town):
        await charge(town, "S1")
        await until(has_all(town, "emsp1", "S1"))
        before = len(town.emsp1.seen)
        await comes(town, Member("cpo", (("CPO", EMSP1.party),), CPO_SIDE, PlatformID.CPO))
        await asyncio.sleep(0.3)
        assert len(town.emsp1.seen) == before


ONE, TWO = Party("DE", "ONE"), Party("DE", "TWO")


async def agree(town: Town, platform: PlatformID) -> None:
    """Have a partner that may present both parties, and has presented neither."""
    member = Member("direct", (("EMSP", ONE), ("EMSP", TWO)), EMSP_SIDE, platform)
    await add_partner(town.context, "direct", platform, member.roles)
    peer = town.network.hosts["direct.example"] = Peer(member, town.app)
    town.peers["direct"] = peer


async def say(town: Town, *parties: Party) -> None:
    """Have it send Credentials that name some of its parties."""
    roles = [
        samples.credentials_role("EMSP", country_code=each.country_code, party_id=each.party_id)
        for each in parties
    ]
    credentials = Credentials.model_validate(samples.credentials(token="t" * 32, roles=roles))
    home = "https://direct.example"
    offered = Offer({(m, i): f"{home}/{i.lower()}/{m}" for i, m in EMSP_SIDE}, ())
    async with town.context.database.write() as db:
        partner = await find_partner(db, "direct", lock=True)
        partner.state, partner.versions_url = State.CONFIRMED, f"{home}/versions"
        changed = await keep_credentials(town.context, db, partner, credentials)
        if await keep_endpoints(db, partner, offered, f"{home}/versions") or changed:
            await open_way(db, partner.key)


@pytest.mark.threat("TA-05")
@pytest.mark.parametrize("platform", PlatformID)
async def test_a_party_that_is_agreed_on_and_not_presented_is_told_where_it_is(
    database_url: str, platform: PlatformID
) -> None:
    async with open_town(database_url, (OTHER_HUB,)) as town, slow_to_look(town):
        info = {"country_code": "DE", "party_id": "TWO", "role": "EMSP", "status": "CONNECTED"}
        told_of = await town.hub2.send("PUT", "receiver/hubclientinfo/DE/TWO", info)
        assert codes_of(told_of) == (201, 1000)
        await agree(town, platform)
        await say(town, ONE)
        for party in (ONE, TWO):
            await charge(town, party.party_id, party)
        await until(has_all(town, "hub2", "TWO"))
        await until(has_all(town, "direct", "ONE"))
        await asyncio.sleep(0.3)
        assert (told(town, "hub2", "cdrs"), told(town, "direct", "cdrs")) == (["CTWO"], ["CONE"])
        assert set(told(town, "direct", "sessions")) == {"ONE"}
        async with town.context.database.read() as db:
            heard = {each.partner: each for each in await hearings(db, "cdrs/nl*tnm*ctwo")}
        assert (heard["hub2"].state, heard["direct"].state) == ("told", "unregistered")
        assert heard["direct"].why == "Its Credentials do not name this party."


@pytest.mark.req("CD-05", "CD-08")
async def test_what_is_untold_of_a_party_that_its_partner_names_no_more_the_hub_tells(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(returning, "LANDED", 500_000)
    roaming = Member("roaming", (("EMSP", TWO),), EMSP_SIDE)
    async with open_town(database_url, (roaming,)) as town, slow_to_look(town):
        await agree(town, PlatformID.CPO)
        await say(town, ONE, TWO)
        await charge(town, "S1", TWO)
        await until(has_all(town, "direct", "S1"))

        async def is_proved() -> bool:
            return await receipts(town) == 1

        await until(is_proved)
        town.direct.answer = lambda _: success(status=500)
        await charge(town, "S2", TWO)
        await until(lambda: "CS2" in told(town, "direct", "cdrs"))
        assert not town.roaming.seen
        town.direct.answer = lambda _: success()
        await say(town, ONE)
        await charge(town, "S3", TWO)
        await charge(town, "S4", ONE)
        await until(has_all(town, "roaming", "S2", "S3"))
        await until(has_all(town, "direct", "S4"))
        await asyncio.sleep(0.3)
        assert sorted(told(town, "roaming", "cdrs")) == ["CS2", "CS3"]
        assert "S3" not in told(town, "direct", "sessions")
