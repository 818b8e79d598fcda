"""What a party has shared is listed and told while it is CONNECTED or OFFLINE, and no longer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy import JSON, update
from sqlmodel import col, select

from credentials.discovery import Offer
from credentials.partners import remove, suspend
from credentials.registration import accept, bind_roles, find_partner, retire
from modules.hubclientinfo.standing import bring_up_to_date
from ocpi.directory import read_directory
from ocpi.headers import Party
from ocpi.parties import Caller, PartnerRole, PlatformID, State
from ocpi.push.feed import SyncObject
from ocpi.push.lanes import PartnerLane
from ocpi.push.status import rewind
from ocpi.spec.credentials import Credentials
from ocpi.testing import samples
from tests.house import HUB, codes_of, envelope_of
from tests.modules.hubclientinfo.test_announcing import AT_HUB, BEHIND, INFO, OTHER_HUB
from tests.ocpi.hub.town import (
    CPO1,
    CPO2,
    EMSP1,
    EMSP2,
    EMSP_SIDE,
    Member,
    Peer,
    Town,
    open_town,
    pushing,
    until,
)

BEC = {"country_code": "BE", "party_id": "BEC"}
LOCATION = samples.location(**BEC, id="LOC1")
TARIFF = samples.tariff(**BEC, id="TAR1")
HOW = ("suspended", "unregistered", "unpresented", "unchecked")


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[Town]:
    members = (CPO1, CPO2, EMSP1, EMSP2, OTHER_HUB)
    async with open_town(database_url, members, require_check=True) as opened:
        for member in members:
            await opened.set_partner(member.name, passed_at=1)
        yield opened


async def share(town: Town) -> None:
    for path, document in (("locations/BE/BEC/LOC1", LOCATION), ("tariffs/BE/BEC/TAR1", TARIFF)):
        assert (
            codes_of(await town.cpo1.send("PUT", f"receiver/{path}", document, to=HUB))[1] == 1000
        )


async def go(town: Town, how: str) -> None:
    """Have cpo1 be at the hub no more, or not yet."""
    async with town.context.database.write() as db:
        partner = await find_partner(db, "cpo1", lock=True)
        if how == "suspended":
            partner.suspended = True
        elif how == "unregistered":
            await retire(db, partner)
        elif how == "unpresented":
            these = col(PartnerRole.partner_id) == partner.id
            await db.exec(update(PartnerRole).where(these).values(business_details=JSON.NULL))
        else:
            partner.passed_at = None


async def come_back(town: Town) -> None:
    async with town.context.database.write() as db:
        partner = await find_partner(db, "cpo1", lock=True)
        these = col(PartnerRole.partner_id) == partner.id
        await db.exec(update(PartnerRole).where(these).values(business_details={"name": "BEC"}))
        partner.suspended, partner.state, partner.passed_at = False, State.CONFIRMED, 1
    await bring_up_to_date(town.context)


async def listed(town: Town, module: str = "locations") -> list[Any]:
    answer = await town.emsp1.send("GET", f"sender/{module}", to=HUB)
    data = envelope_of(answer)["data"]
    assert answer.headers["x-total-count"] == str(len(data))
    return [each["id"] for each in data]


def told(town: Town, peer: str = "emsp1") -> list[Any]:
    """Give what a peer was told, with each ClientInfo that tells of the party."""
    seen = [each.document() for each in town.peers[peer].seen if each.body]
    of_it = [each for each in seen if each["party_id"] in ("BEC", "CPB")]
    return [each["id"] if "id" in each else each["status"] for each in of_it]


def _has_seen(peer: Peer, mark: str) -> bool:
    return any(mark in each.path for each in peer.seen)


def _heard(town: Town, statuses: list[str]) -> bool:
    return [each for each in told(town) if each not in ("LOC1", "TAR1")] == statuses


async def settle(town: Town) -> None:
    """Have everybody told what there is: another CPO's change comes last."""
    at = f"receiver/locations/FR/FRC/{(mark := f'M{len(town.emsp1.seen)}')}"
    document = samples.location(country_code="FR", party_id="FRC", id=mark)
    assert codes_of(await town.cpo2.send("PUT", at, document, to=HUB))[1] == 1000
    for peer in (town.emsp1, town.emsp2):
        await until(partial(_has_seen, peer, mark))
    await asyncio.sleep(0.1)


async def begin_anew(town: Town, *names: str) -> None:
    """Have partners told all that there is, as those that have just joined."""
    async with town.context.database.write() as db:
        for name in names:
            await rewind(db, (await find_partner(db, name)).key)


@pytest.mark.req("RT-36", "RT-38", "HC-11", "HC-12", "HC-09")
@pytest.mark.parametrize("how", HOW)
async def test_what_a_party_shared_that_is_not_connected_is_neither_listed_nor_told(
    town: Town, how: str
) -> None:
    await share(town)
    await bring_up_to_date(town.context)
    await go(town, how)
    await bring_up_to_date(town.context)
    assert (await listed(town), await listed(town, "tariffs")) == ([], [])
    shown = await town.emsp1.send("GET", "sender/locations/LOC1", to=HUB)
    assert codes_of(shown) == (404, 2003)
    async with pushing(town):
        await settle(town)
        assert set(told(town)) <= {"PLANNED", "SUSPENDED"}
        await come_back(town)
        await until(lambda: {"LOC1", "TAR1"} <= set(told(town)))
        await settle(town)
    assert sorted(told(town)[-3:]) == ["CONNECTED", "LOC1", "TAR1"]
    assert told(town).count("LOC1") == 1
    assert "LOC1" in await listed(town)
    assert await listed(town, "tariffs") == ["TAR1"]


@pytest.mark.req("RT-36", "HC-09")
async def test_what_a_party_shares_before_it_is_connected_is_told_once_it_is(town: Town) -> None:
    await go(town, "unchecked")
    await bring_up_to_date(town.context)
    await share(town)
    async with pushing(town):
        await settle(town)
        assert set(told(town)) == {"PLANNED"}
        await come_back(town)
        await until(lambda: {"LOC1", "TAR1"} <= set(told(town)))
        await settle(town)
    assert told(town).count("LOC1") == 1


@pytest.mark.req("HC-10")
async def test_what_a_party_shared_that_is_offline_stays_and_is_not_told_again(town: Town) -> None:
    await share(town)
    heard: list[str] = []
    async with pushing(town):
        for status, breaker in (
            ("CONNECTED", None),
            ("OFFLINE", {"reason": "down", "sentence": "x", "opened_at": 0, "failures": 0}),
            ("CONNECTED", None),
        ):
            async with town.context.database.write() as db:
                partner = await find_partner(db, "cpo1")
                these = col(PartnerLane.partner_id) == partner.id
                stored = breaker and {**breaker, "next_probe_at": 9 * 10**15}
                again = {"breaker": stored, "epoch": col(PartnerLane.epoch) + 1, "owner": None}
                await db.exec(update(PartnerLane).where(these).values(**again))
            await bring_up_to_date(town.context)
            heard.append(status)
            await until(partial(_heard, town, heard))
            assert await listed(town, "tariffs") == ["TAR1"]
        await begin_anew(town, "emsp2")
        await settle(town)
        assert told(town).count("LOC1") == 1
        assert {"LOC1", "TAR1"} <= set(told(town, "emsp2"))


@pytest.mark.req("RT-36", "HC-11", "HC-12")
@pytest.mark.parametrize("status", ["SUSPENDED", "PLANNED", "OFFLINE"])
async def test_what_is_behind_another_hub_is_shared_as_that_one_tells(
    town: Town, status: str
) -> None:
    assert codes_of(await town.hub2.send("PUT", AT_HUB, INFO))[1] == 1000
    document = samples.location(country_code="AT", party_id="CPB", id="LOC2")
    at = "receiver/locations/AT/CPB/LOC2"
    answer = await town.hub2.send("PUT", at, document, to=HUB, sender=BEHIND)
    assert codes_of(answer)[1] == 1000
    news = {**INFO, "status": status, "last_updated": "2026-02-01T00:00:00Z"}
    assert codes_of(await town.hub2.send("PUT", AT_HUB, news))[1] == 1000
    stays = status == "OFFLINE"
    assert ("LOC2" in await listed(town)) is stays
    await bring_up_to_date(town.context)
    async with pushing(town):
        await settle(town)
        assert ("LOC2" in told(town)) is stays
        news = {**INFO, "status": "CONNECTED", "last_updated": "2026-03-01T00:00:00Z"}
        assert codes_of(await town.hub2.send("PUT", AT_HUB, news))[1] == 1000
        await bring_up_to_date(town.context)
        await settle(town)
        assert told(town).count("LOC2") == 1
    assert "LOC2" in await listed(town)


async def test_who_comes_back_moves_nothing_of_others_and_nothing_that_is_for_one(
    town: Town,
) -> None:
    await share(town)
    other = samples.location(country_code="FR", party_id="FRC", id="LOC9")
    await town.cpo2.send("PUT", "receiver/locations/FR/FRC/LOC9", other, to=HUB)
    await go(town, "suspended")
    await bring_up_to_date(town.context)

    async def numbers() -> dict[str, int]:
        async with town.context.database.read() as db:
            rows = await db.exec(
                select(SyncObject.key, SyncObject.seq).order_by(col(SyncObject.seq))
            )
            return dict(rows.all())

    before = await numbers()
    await come_back(town)
    after = await numbers()
    moved = [key for key in after if after[key] != before[key]]
    # In their order, behind the news without which receivers refuse them.
    news = "hubclientinfo/be*bec*cpo"
    assert moved == [news, "locations/be*bec*loc1", "tariffs/be*bec*tar1"]
    assert min(after[key] for key in moved) > max(before.values())


async def told_again(town: Town, peer: str, identifier: str) -> None:
    """Have a peer told once what lanes had passed over, though no standing is news."""
    assert await bring_up_to_date(town.context) == 0
    await until(partial(_has_seen, town.peers[peer], f"/{identifier}"))
    await settle(town)
    assert told(town, peer).count(identifier) == 1


@pytest.mark.req("RT-36", "HC-09")
async def test_what_is_of_who_was_suspended_for_a_moment_is_told(town: Town) -> None:
    """The standing looks each second: nobody was told that it had left."""
    await bring_up_to_date(town.context)
    await share(town)
    await suspend(town.context, "cpo1", suspended=True)
    async with pushing(town):
        await settle(town)
        assert "LOC1" not in told(town)
        await suspend(town.context, "cpo1", suspended=False)
        await told_again(town, "emsp1", "LOC1")


async def presenting(town: Town, *parties: Party) -> None:
    """Have cpo1 PUT Credentials with these parties as CPOs."""
    roles = [
        samples.credentials_role("CPO", country_code=each.country_code, party_id=each.party_id)
        for each in parties
    ]
    given = samples.credentials(token=town.cpo1.token_out, roles=roles)
    offer = Offer({("credentials", "SENDER"): "https://cpo1.example/credentials"})
    async with town.context.database.read() as db:
        partner = await find_partner(db, "cpo1")
    caller = Caller(
        *(partner.key, "cpo1", PlatformID.HUB, (), State.CONFIRMED),
        registration=False,
        token=town.cpo1.token,
    )
    credentials = Credentials.model_validate(given)
    await accept(town.context, caller, credentials, offer, partner.token_out)


@pytest.mark.req("RT-36", "HC-09")
async def test_what_is_of_a_role_that_was_not_presented_for_a_moment_is_told(town: Town) -> None:
    other = Party("BE", "TWO")
    async with town.context.database.write() as db:
        await bind_roles(db, await find_partner(db, "cpo1", lock=True), [("CPO", other)])
    await presenting(town, CPO1.party, other)
    await bring_up_to_date(town.context)
    await share(town)
    await presenting(town, other)
    async with pushing(town):
        await settle(town)
        assert "LOC1" not in told(town)
        await presenting(town, CPO1.party, other)
        await told_again(town, "emsp1", "LOC1")
        await presenting(town, CPO1.party, other)
        await told_again(town, "emsp1", "LOC1")


@pytest.mark.req("RT-36", "HC-09")
async def test_what_is_of_who_has_left_another_hub_for_a_moment_is_told(town: Town) -> None:
    assert codes_of(await town.hub2.send("PUT", AT_HUB, INFO))[1] == 1000
    await bring_up_to_date(town.context)
    document = samples.location(country_code="AT", party_id="CPB", id="LOC2")
    at = "receiver/locations/AT/CPB/LOC2"
    answer = await town.hub2.send("PUT", at, document, to=HUB, sender=BEHIND)
    assert codes_of(answer)[1] == 1000
    news = {**INFO, "status": "SUSPENDED", "last_updated": "2026-02-01T00:00:00Z"}
    assert codes_of(await town.hub2.send("PUT", AT_HUB, news))[1] == 1000
    async with pushing(town):
        await settle(town)
        assert "LOC2" not in told(town)
        news = {**INFO, "last_updated": "2026-03-01T00:00:00Z"}
        assert codes_of(await town.hub2.send("PUT", AT_HUB, news))[1] == 1000
        await told_again(town, "emsp1", "LOC2")


@pytest.mark.req("RT-36", "HC-09")
async def test_what_a_party_owns_by_another_role_since_one_has_left_is_told(
    database_url: str,
) -> None:
    nsp = Member("nsp", (("NSP", EMSP1.party),), EMSP_SIDE)
    async with open_town(database_url, (CPO1, CPO2, EMSP1, EMSP2, nsp)) as town:
        await bring_up_to_date(town.context)
        token = samples.token(country_code="DE", party_id="MSP", uid="TOK1")
        answer = await town.emsp1.send("PUT", "receiver/tokens/DE/MSP/TOK1", token, to=HUB)
        assert codes_of(answer) == (201, 1000)
        await suspend(town.context, "emsp1", suspended=True)
        await bring_up_to_date(town.context)
        async with pushing(town):
            await until(lambda: bool(town.cpo1.of("hubclientinfo/DE/MSP")))
            await asyncio.sleep(0.2)
            assert not town.cpo1.of("receiver/tokens")
            await remove(town.context, "emsp1", force=True)
            await until(partial(_has_seen, town.cpo1, "/TOK1"))


@pytest.mark.req("RT-36", "HC-09")
async def test_what_is_of_who_is_known_to_have_left_is_told_behind_the_news_alone(
    town: Town,
) -> None:
    await share(town)
    await bring_up_to_date(town.context)
    await suspend(town.context, "cpo1", suspended=True)
    await bring_up_to_date(town.context)
    async with pushing(town):
        await settle(town)
        await suspend(town.context, "cpo1", suspended=False)
        await settle(town)
        assert "LOC1" not in told(town)
        await bring_up_to_date(town.context)
        await until(lambda: {"LOC1", "TAR1"} <= set(told(town)))
        await settle(town)
    assert sorted(told(town)[-3:]) == ["CONNECTED", "LOC1", "TAR1"]
    assert told(town).count("LOC1") == 1


async def test_a_party_shares_by_the_role_that_it_does_so_in(sqlite_url: str) -> None:
    async with open_town(sqlite_url, (CPO1, EMSP1)) as town:
        async with town.context.database.write() as db:
            other = await find_partner(db, "emsp1")
            db.add(
                PartnerRole(
                    partner_id=other.key,
                    platform=PlatformID.HUB.value,
                    role="EMSP",
                    party=CPO1.party.key,
                    country_code="BE",
                    party_id="BEC",
                    business_details={"name": "its eMSP"},
                )
            )
        await suspend(town.context, "cpo1", suspended=True)
        directory = await read_directory(town.context.database, town.context.settings)
        assert not directory.hearers_of("be*bec", "locations", 99)
        assert "CPO" in directory.hearers_of("be*bec", "tokens", 99)
        assert not directory.hearers_of(Party("XX", "XXX").key, "locations", 99)
