"""Several parties at one partner: what befalls one of them is not the others' affair."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import update
from sqlmodel import col, select

from ocpi.headers import Party
from ocpi.parties import Partner, PartnerRole
from ocpi.push.lanes import ParkedObject, PartnerLane
from ocpi.spec.document import encode
from ocpi.testing import samples
from tests.house import HUB, OURS, OWNER, codes_of, envelope_of
from tests.ocpi.hub.town import (
    CPO1,
    CPO_SIDE,
    EMSP1,
    EMSP_SIDE,
    Member,
    Town,
    open_town,
    pushing,
    success,
    until,
)

ONE, TWO = Party("IT", "ONE"), Party("IT", "TWO")
MANY = Member("many", (("EMSP", ONE), ("EMSP", TWO)), EMSP_SIDE)
# More than it takes to believe that a partner refuses everything.
NAMES = [f"LOC{n}" for n in range(25)]
BEC = {"country_code": "BE", "party_id": "BEC"}


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[Town]:
    async with open_town(database_url, (CPO1, MANY)) as opened:
        yield opened


async def share(town: Town, names: list[str] = NAMES, **over: Any) -> None:
    for name in names:
        location = samples.location(**BEC, id=name, **over)
        await town.cpo1.send("PUT", f"receiver/locations/BE/BEC/{name}", location, to=HUB)


def refused_for(
    refused: Party | None, response: Callable[[], httpx.Response]
) -> Callable[[httpx.Request], httpx.Response]:
    """Give answers of a platform that refuses what is for one of its parties, or for any."""

    def answer(request: httpx.Request) -> httpx.Response:
        to = request.headers.get("ocpi-to-party-id")
        if to is not None and (refused is None or to == refused.party_id):
            return response()
        return success()

    return answer


def got(town: Town, party: Party) -> list[str]:
    seen = [each for each in town.many.of("locations") if each.routing[0] == party]
    return [each.document()["id"] for each in seen]


async def lane(town: Town) -> PartnerLane:
    async with town.context.database.read() as db:
        of_many = col(Partner.name) == "many"
        return (await db.exec(select(PartnerLane).join(Partner).where(of_many))).one()


async def parked(town: Town) -> list[ParkedObject]:
    async with town.context.database.read() as db:
        return list((await db.exec(select(ParkedObject))).all())


@pytest.mark.req("RT-28", "RT-30")
@pytest.mark.parametrize("refused", [ONE, TWO])
@pytest.mark.parametrize(("http", "code"), [(200, 2001), (404, None), (500, 3000)])
async def test_what_one_party_of_a_partner_refuses_the_others_get(
    town: Town, refused: Party, http: int, code: int | None
) -> None:
    other = ONE if refused == TWO else TWO

    def response() -> httpx.Response:
        return success(status=http, envelope={"status_code": code} if code else {})

    town.many.answer = refused_for(refused, response)
    await share(town)
    async with pushing(town):
        await until(lambda: set(got(town, other)) == set(NAMES))

        async def parked_all() -> bool:
            return len(await parked(town)) == len(NAMES)

        await until(parked_all)
        stored = await lane(town)
        assert (stored.breaker, stored.last_success_at is not None) == (None, True)
        assert {str(each.http_status) for each in await parked(town)} == {str(http)}


@pytest.mark.req("RT-28", "RT-30")
async def test_what_one_party_has_refused_is_told_to_it_once_it_takes_it(town: Town) -> None:
    town.many.answer = refused_for(ONE, lambda: success(envelope={"status_code": 2001}))
    async with pushing(town, retries=(0.2,), jitter=0.0):
        await share(town, ["LOC0"])
        await until(lambda: len(got(town, ONE)) >= 2)
        town.many.answer = lambda _: success()

        async def nothing_waits() -> bool:
            return not await parked(town)

        await until(nothing_waits)
        told = len(got(town, ONE)), len(got(town, TWO))
        await asyncio.sleep(0.5)
    assert (len(got(town, ONE)), len(got(town, TWO))) == told


async def test_a_partner_that_refuses_all_its_parties_objects_is_stopped(town: Town) -> None:
    town.many.answer = refused_for(None, lambda: success(envelope={"status_code": 2001}))
    await share(town)
    async with pushing(town):

        async def is_stopped() -> bool:
            breaker = (await lane(town)).breaker
            return breaker is not None and breaker["reason"] == "rejecting"

        await until(is_stopped)


@pytest.mark.parametrize("response", [success(status=401), success(status=429)])
async def test_a_failure_of_the_partner_is_not_met_again_for_each_of_its_parties(
    town: Town, response: httpx.Response
) -> None:
    town.many.answer = refused_for(None, lambda: response)
    await share(town, ["LOC0"])
    async with pushing(town):
        await until(lambda: bool(got(town, ONE) or got(town, TWO)))
        await asyncio.sleep(0.3)
    assert not (got(town, ONE) and got(town, TWO))


CPO = {"country_code": "IT", "party_id": "XYZ"}
XYZ = Party("IT", "XYZ")
AS_CPO = Member("as_cpo", (("CPO", XYZ), ("EMSP", ONE)), (*CPO_SIDE, *EMSP_SIDE))
AS_EMSP = Member("as_emsp", (("EMSP", XYZ),), EMSP_SIDE)


async def listed(town: Town, peer: str, sender: Party) -> list[str]:
    answer = await town.peers[peer].send("GET", "sender/locations", to=HUB, sender=sender)
    return [each["id"] for each in envelope_of(answer)["data"]]


@pytest.mark.req("RT-28", "RT-38")
async def test_a_party_hears_what_it_shares_in_another_role_by_another_connection_alone(
    database_url: str,
) -> None:
    async with open_town(database_url, (AS_CPO, AS_EMSP, EMSP1)) as town:
        document = samples.location(**CPO, id="LOC1")
        at = "receiver/locations/IT/XYZ/LOC1"
        assert codes_of(await town.as_cpo.send("PUT", at, document, to=HUB))[1] == 1000
        async with pushing(town):
            for peer in (town.emsp1, town.as_emsp):
                await until(lambda peer=peer: len(peer.of("locations")) == 1)  # type: ignore[misc]
            await asyncio.sleep(0.2)
        assert town.as_emsp.of("locations")[0].routing == (XYZ, HUB)
        # Nobody is told what comes from its own platform, not even another party there.
        assert not town.as_cpo.of("locations")
        assert await listed(town, "as_emsp", XYZ) == ["LOC1"]
        assert await listed(town, "as_cpo", XYZ) == []
        assert await listed(town, "as_cpo", ONE) == []


@pytest.mark.req("RT-28", "RT-38")
async def test_an_emsp_with_the_codes_of_a_cpo_of_ours_hears_of_it(database_url: str) -> None:
    same = Member("same", (("EMSP", OURS),), EMSP_SIDE)
    async with open_town(database_url, (same,)) as town:
        location = samples.location(**OWNER, id="LOC1")
        session = samples.session(**OWNER, id="S1", cdr_token=samples.cdr_token(**OWNER))
        for path, document in (("locations", location), ("sessions", session)):
            at = f"/admin/{path}/NL/TNM/{document['id']}"
            assert (await town.admin.put(at, content=encode(document))).status_code == 201
        async with pushing(town):
            await until(lambda: bool(town.same.of("locations") and town.same.of("sessions")))
        assert await listed(town, "same", OURS) == ["LOC1"]


@pytest.mark.req("HC-11", "RT-08")
async def test_a_party_that_its_partners_credentials_do_not_name_sends_nothing(
    town: Town,
) -> None:
    """It is PLANNED to all others, and would go on all the same."""
    async with town.context.database.write() as db:
        role = col(PartnerRole.party) == TWO.key
        await db.exec(update(PartnerRole).where(role).values(business_details=None))
    token = samples.token(country_code="IT", party_id="TWO", uid="T1")
    start = {"response_url": "https://many.example/r", "location_id": "L1"}
    for method, path, body in (
        ("PUT", "receiver/tokens/IT/TWO/T1", token),
        ("GET", "sender/locations", None),
        ("POST", "receiver/commands/START_SESSION", start),
    ):
        for to in (CPO1.party, HUB, None):
            answer = await town.many.send(method, path, body, to=to, sender=TWO)
            assert codes_of(answer) == (200, 2001)
            said = envelope_of(answer)["status_message"]
            assert "IT*TWO is agreed on, but the Credentials of many do not name it" in said
    assert not town.cpo1.seen
    answer = await town.many.send("GET", "sender/locations", to=CPO1.party, sender=ONE)
    assert codes_of(answer) == (200, 1000)
