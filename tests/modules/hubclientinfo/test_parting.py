"""Who is parted from a party by an agreement hears once that it is gone, and nothing after that."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from sqlmodel import select

from modules.hubclientinfo.standing import bring_up_to_date
from ocpi.agreements import ANY, Agreement
from ocpi.headers import Party
from ocpi.push.lanes import HeldObject, ParkedObject, PartnerLane
from ocpi.push.parting import part as note
from ocpi.spec.moments import parse_moment
from tests.house import codes_of
from tests.modules.hubclientinfo.test_announcing import INFO, OTHER_HUB
from tests.modules.hubclientinfo.test_standing import living, statuses, told
from tests.ocpi.hub.test_agreements import BEC, MSP, agree, part
from tests.ocpi.hub.town import (
    CPO1,
    EMSP1,
    EMSP2,
    EVERYBODY,
    Member,
    Town,
    emsp,
    open_town,
    success,
    until,
)

SUSPENDED, CONNECTED = "SUSPENDED", "CONNECTED"
TWO = Party("AT", "TWO")
BOTH = Member("emsp1", (("EMSP", MSP), ("EMSP", TWO)), emsp("emsp1", "DE", "MSP").interfaces)


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[Town]:
    async with open_town(database_url) as opened:
        yield opened


async def join(town: Town, one: Party | str = BEC, other: Party | str = MSP) -> None:
    """Let two parties have to do with each other again."""
    for sender, receiver in ((one, other), (other, one)):
        await agree(town, sender, receiver, allowed=True)


async def held(town: Town) -> list[str]:
    async with town.context.database.read() as db:
        return sorted((await db.exec(select(HeldObject.object_key))).all())


async def settled(town: Town) -> None:
    """Wait until nothing is left to be told of who is lost, and whatever must not come had time."""

    async def done() -> bool:
        return not await held(town)

    await until(done)
    await asyncio.sleep(0.2)


def turns(town: Town, peer: str, party_id: str) -> list[str]:
    """Give how a party stood in turn, by what a peer heard; only a SUSPENDED must not come twice.

    A lane that is taken up anew tells again what it had not yet noted to be told.
    """
    heard = told(town, peer, party_id)
    again = [n for n in range(1, len(heard)) if heard[n] == heard[n - 1] == CONNECTED]
    return [each for n, each in enumerate(heard) if n not in again]


def dates(town: Town, peer: str, party_id: str) -> list[Any]:
    """Give when each was dated that a peer heard of a party."""
    heard = [e for e in town.peers[peer].of("hubclientinfo") if e.path.endswith(f"/{party_id}")]
    return [parse_moment(each.document()["last_updated"]) for each in heard]


def down(_: httpx.Request) -> httpx.Response:
    return httpx.Response(503)


@pytest.mark.req("HC-05", "HC-12", "HC-13", "HC-04")
async def test_two_that_are_parted_hear_once_that_the_other_is_gone(town: Town) -> None:
    async with living(town):
        await until(lambda: bool(told(town, "emsp1", "BEC") and told(town, "cpo1", "MSP")))
        await until(lambda: bool(told(town, "emsp2", "BEC")))
        await agree(town, BEC, MSP, allowed=False)
        await asyncio.sleep(0.2)  # One may still send the other something: they know each other.
        assert turns(town, "emsp1", "BEC") == [CONNECTED]
        await agree(town, MSP, BEC, allowed=False)
        await settled(town)
        await town.set_partner("cpo1", suspended=True)
        await until(lambda: turns(town, "emsp2", "BEC") == [CONNECTED, SUSPENDED])
        await town.set_partner("cpo1", suspended=False)
        await until(lambda: told(town, "emsp2", "BEC")[-1] == CONNECTED)
        await settled(town)
    assert turns(town, "emsp1", "BEC") == [CONNECTED, SUSPENDED]
    assert turns(town, "cpo1", "MSP") == [CONNECTED, SUSPENDED]
    gone = town.emsp1.of("hubclientinfo")[-1]
    assert (gone.method, gone.path) == ("PUT", "/receiver/hubclientinfo/BE/BEC")
    assert (gone.routing, gone.document()["role"]) == ((None, None), "CPO")
    assert "CPO BE*BEC" not in await statuses(town)


@pytest.mark.req("HC-05", "HC-08", "HC-09")
async def test_each_is_dated_later_than_what_was_told_before(town: Town) -> None:
    async with living(town):
        await until(lambda: bool(told(town, "emsp1", "BEC")))
        for _ in range(2):
            await part(town)
            await until(lambda: told(town, "emsp1", "BEC")[-1] == SUSPENDED)
            await settled(town)
            await join(town)
            await until(lambda: told(town, "emsp1", "BEC")[-1] == CONNECTED)
    heard, when = told(town, "emsp1", "BEC"), dates(town, "emsp1", "BEC")
    assert turns(town, "emsp1", "BEC") == [*(CONNECTED, SUSPENDED) * 2, CONNECTED]
    changes = [n for n in range(1, len(heard)) if heard[n] != heard[n - 1]]
    assert all(when[n] > when[n - 1] for n in changes)


@pytest.mark.req("HC-09", "HC-05")
async def test_who_goes_by_the_dates_believes_that_a_party_is_gone_and_is_back(town: Town) -> None:
    believed: list[tuple[Any, str]] = []

    def take(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("hubclientinfo/BE/BEC"):
            info = town.emsp1.seen[-1].document()
            moment = parse_moment(info["last_updated"])
            if not believed or moment > believed[-1][0]:
                believed.append((moment, info["status"]))
        return success()

    town.emsp1.answer = take
    expected = (CONNECTED, SUSPENDED, CONNECTED, SUSPENDED)
    async with living(town):
        for count, status in enumerate(expected, 1):
            await until(lambda count=count: len(believed) == count)  # type: ignore[misc]
            await (part if status == CONNECTED else join)(town)
    assert tuple(status for _, status in believed[:4]) == expected


@pytest.mark.req("HC-13", "HC-05")
async def test_who_was_never_told_of_a_party_learns_nothing_of_it(database_url: str) -> None:
    async with open_town(database_url, hub_agreements="closed") as town:
        await join(town, MSP, "GB*EMS")
        async with living(town):
            await until(lambda: bool(told(town, "emsp1", "EMS")))
            await part(town)
            await agree(town, ANY, ANY, allowed=False)
            rule = {"from_party": "BE*BEC", "to_party": "DE*MSP"}
            assert (await town.admin.delete("/admin/agreements", params=rule)).is_success
            await settled(town)
        assert set(told(town, "emsp1", "EMS")) == {CONNECTED}
        for peer, others in {"emsp1": ("BEC", "FRC", "TNM"), "cpo1": ("MSP", "EMS")}.items():
            assert [told(town, peer, other) for other in others] == [[]] * len(others)


@pytest.mark.req("HC-05")
async def test_before_anybody_was_told_of_a_party_nobody_is_told_that_it_is_gone(
    town: Town,
) -> None:
    await part(town)
    async with living(town):
        await until(lambda: len(town.emsp1.of("hubclientinfo")) == 3)
        await settled(town)
    assert told(town, "emsp1", "BEC") == []


@pytest.mark.req("HC-05", "HC-12")
async def test_forgetting_the_rule_that_allowed_it_parts_two_as_well(database_url: str) -> None:
    async with open_town(database_url, hub_agreements="closed") as town:
        await agree(town, BEC, MSP, allowed=True)
        async with living(town):
            await until(lambda: told(town, "emsp1", "BEC") == [CONNECTED])
            rule = {"from_party": "BE*BEC", "to_party": "DE*MSP"}
            assert (await town.admin.delete("/admin/agreements", params=rule)).is_success
            await until(lambda: told(town, "emsp1", "BEC")[-1] == SUSPENDED)
            await settled(town)
        assert turns(town, "emsp1", "BEC") == [CONNECTED, SUSPENDED]


@pytest.mark.req("HC-05")
async def test_a_rule_for_all_parts_each_from_each(town: Town) -> None:
    async with living(town):
        for name in ("cpo1", "cpo2", "emsp1", "emsp2"):
            await until(lambda name=name: len(town.peers[name].of("hubclientinfo")) == 4)  # type: ignore[misc]
        await agree(town, ANY, ANY, allowed=False)
        await settled(town)
    for peer in town.peers.values():
        heard = [each.document() for each in peer.of("hubclientinfo")]
        assert len(heard) == 8
        assert {each["status"] for each in heard[4:]} == {SUSPENDED}


@pytest.mark.req("HC-05", "HC-13")
async def test_a_partner_is_parted_once_none_of_its_parties_may_know_the_other(
    database_url: str,
) -> None:
    async with open_town(database_url, (BOTH, EVERYBODY[0])) as town, living(town):
        await until(lambda: bool(told(town, "emsp1", "BEC")))
        await part(town)
        await until(lambda: SUSPENDED in told(town, "cpo1", "MSP"))
        await settled(town)
        assert turns(town, "emsp1", "BEC") == [CONNECTED]
        assert turns(town, "cpo1", "TWO") == [CONNECTED]
        await part(town, BEC, TWO)
        await settled(town)
        assert turns(town, "emsp1", "BEC") == [CONNECTED, SUSPENDED]


@pytest.mark.req("HC-05")
async def test_a_hub_is_parted_when_none_behind_it_may_know_the_other(database_url: str) -> None:
    async with open_town(database_url, (*EVERYBODY, OTHER_HUB)) as town, living(town):
        answer = await town.hub2.send(
            "PUT", f"receiver/hubclientinfo/{INFO['country_code']}/{INFO['party_id']}", INFO
        )
        assert codes_of(answer)[1] == 1000
        await until(lambda: bool(told(town, "hub2", "BEC")))
        await until(lambda: bool(told(town, "cpo1", INFO["party_id"])))
        await part(town, BEC, OTHER_HUB.party)
        await settled(town)
        assert turns(town, "hub2", "BEC") == [CONNECTED]
        await part(town, BEC, Party(INFO["country_code"], INFO["party_id"]))
        await settled(town)
        assert turns(town, "hub2", "BEC") == [CONNECTED, SUSPENDED]
        assert turns(town, "cpo1", INFO["party_id"]) == [CONNECTED, SUSPENDED]


@pytest.mark.req("HC-05", "HC-10")
async def test_who_is_away_hears_it_when_it_is_back(town: Town) -> None:
    async def lane_stops() -> bool:
        async with town.context.database.read() as db:
            lanes = await db.exec(select(PartnerLane.breaker))
            return any(each is not None for each in lanes.all())

    others = ("BEC", "FRC", "TNM", "EMS")
    async with living(town, probe=0.01, probe_cap=0.05, retries=(0.05,)):
        await until(lambda: len(town.emsp1.of("hubclientinfo")) == 4)
        town.emsp1.answer = down
        await part(town, MSP, ANY)
        await until(lambda: all(told(town, "emsp1", each)[-1] == SUSPENDED for each in others))
        await until(lane_stops)
        assert len([key for key in await held(town) if "de*msp" not in key]) == len(others)
        came = len(town.emsp1.of("hubclientinfo"))
        town.emsp1.answer = lambda _: success()
        await settled(town)
    heard = town.emsp1.of("hubclientinfo")[came:]
    assert {each.document()["party_id"] for each in heard} == {*others}
    assert {each.document()["status"] for each in heard} == {SUSPENDED}


@pytest.mark.req("HC-05")
async def test_it_is_told_after_a_restart_and_though_the_lane_was_set_back(town: Town) -> None:
    async with living(town):
        await until(lambda: bool(told(town, "emsp1", "BEC")))
    await part(town)
    await agree(town, MSP, EMSP2.party, allowed=True)  # Sets its lane back to the start.
    async with living(town):
        await settled(town)
    assert turns(town, "emsp1", "BEC") == [CONNECTED, SUSPENDED]


@pytest.mark.req("HC-05", "HC-09")
async def test_who_may_know_a_party_again_before_it_heard_hears_how_it_stands(town: Town) -> None:
    async with living(town):
        await until(lambda: bool(told(town, "emsp1", "BEC")))
    await part(town)
    assert await held(town) == ["hubclientinfo/be*bec*cpo", "hubclientinfo/de*msp*emsp"]
    await join(town)
    assert await held(town) == []
    async with living(town):
        await until(lambda: len(told(town, "emsp1", "BEC")) == 2)
        await settled(town)
    assert turns(town, "emsp1", "BEC") == [CONNECTED]


@pytest.mark.req("HC-05")
async def test_an_emsp_that_may_not_know_the_cpo_of_its_codes_hears_once_that_it_is_gone(
    database_url: str,
) -> None:
    own = Member("cpo1", (("CPO", MSP),), CPO1.interfaces)
    async with open_town(database_url, (own, EMSP1)) as town, living(town):
        await until(lambda: told(town, "emsp1", "MSP") == [CONNECTED])
        await until(lambda: told(town, "cpo1", "MSP") == [CONNECTED])
        await agree(town, MSP, MSP, allowed=False)
        await settled(town)
        await town.set_partner("emsp1", suspended=True)
        await asyncio.sleep(0.2)
        for peer, role in (("emsp1", "CPO"), ("cpo1", "EMSP")):
            assert turns(town, peer, "MSP") == [CONNECTED, SUSPENDED]
            heard = town.peers[peer].of("DE/MSP")
            assert {each.document()["role"] for each in heard} == {role}


@pytest.mark.req("HC-05")
async def test_what_was_not_taken_is_tried_again(town: Town) -> None:
    async with living(town, retries=(0.05,)):
        await until(lambda: len(town.emsp1.of("hubclientinfo")) == 4)
        town.emsp1.answer = lambda _: success(envelope={"status_code": 2001})
        await part(town)
        await until(lambda: len(told(town, "emsp1", "BEC")) > 2)
        town.emsp1.answer = lambda _: success()
        await settled(town)
    assert set(told(town, "emsp1", "BEC")[1:]) == {SUSPENDED}
    async with town.context.database.read() as db:
        assert (await db.exec(select(ParkedObject))).all() == []


@pytest.mark.req("HC-05")
async def test_two_that_rules_part_at_the_same_moment_hear_it(town: Town) -> None:
    """Each rule alone leaves one of the ways open, so one must know of the other."""
    await bring_up_to_date(town.context)
    rule = (BEC.key, MSP.key, ANY)
    async with town.context.database.write() as db:
        await note(town.context, db, rule, said=False)
        other = asyncio.create_task(agree(town, MSP, BEC, allowed=False))
        await asyncio.sleep(0.3)
        names = ("from_party", "to_party", "module")
        db.add(Agreement(**dict(zip(names, rule, strict=True)), allowed=False, created_at=0))
    await other
    assert await held(town) == ["hubclientinfo/be*bec*cpo", "hubclientinfo/de*msp*emsp"]
