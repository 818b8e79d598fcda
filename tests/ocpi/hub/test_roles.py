"""A party owns and asks for what its roles on that connection allow, whatever codes it shares."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import JSON, delete, update
from sqlmodel import col, select

from credentials.partners import add_partner
from credentials.registration import find_partner, retire
from ocpi.headers import Party, routing_headers
from ocpi.parties import Partner, PartnerEndpoint, PartnerRole, PlatformID
from ocpi.sides import FOR_ALL
from ocpi.spec.document import encode
from ocpi.testing import samples
from tests.house import HUB, OURS, codes_of, data_of, envelope_of
from tests.modules.hubclientinfo.test_announcing import OTHER_HUB
from tests.ocpi.hub.test_relay import routing_of, swapped
from tests.ocpi.hub.town import (
    CPO1,
    CPO2,
    CPO_SIDE,
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

SPLIT = Party("IT", "XYZ")
BOTH_SIDES = (*CPO_SIDE, *EMSP_SIDE)
# The eMSP of our own CPO's company, at another vendor; and a company with a vendor for each role.
SISTER = Member("sister", (("EMSP", OURS),), EMSP_SIDE)
SPLIT_CPO = Member("split_cpo", (("CPO", SPLIT),), BOTH_SIDES)
SPLIT_EMSP = Member("split_emsp", (("EMSP", SPLIT),), BOTH_SIDES)
SPLIT_NSP = Member("split_nsp", (("NSP", SPLIT),), BOTH_SIDES)
NAP = Member("nap", (("NAP", Party("NO", "NAP")),), BOTH_SIDES)
OUR_NAP = Member("our_nap", (("NAP", OURS),), BOTH_SIDES)
MEMBERS = (CPO1, CPO2, EMSP1, EMSP2, SISTER, SPLIT_CPO, SPLIT_EMSP, SPLIT_NSP, NAP, OUR_NAP)
TNM = {"country_code": "NL", "party_id": "TNM"}
LATER = "2031-01-01T00:00:00Z"


def of(party: Party) -> dict[str, str]:
    return {"country_code": party.country_code, "party_id": party.party_id}


def at(module: str, party: Party, identifier: str = "X1") -> str:
    return f"receiver/{module}/{party.country_code}/{party.party_id}/{identifier}"


def made(module: str, party: Party, **over: Any) -> Any:
    """Give an object of a party's."""
    sample = getattr(samples, module.removesuffix("s"))
    name = "uid" if module == "tokens" else "id"
    return sample(**{**of(party), name: "X1", **over})


@pytest.fixture
async def town(database_url: str) -> AsyncIterator[Town]:
    async with open_town(database_url, MEMBERS) as opened:
        yield opened


async def listed(peer: Peer, module: str) -> list[Any]:
    """Give what a party is told that there is."""
    listed: list[Any] = data_of(await peer.send("GET", f"sender/{module}", to=HUB))
    return listed


@pytest.mark.req("CO-06")
@pytest.mark.threat("TA-05")
@pytest.mark.parametrize("name", ["sister", "our_nap"])
async def test_no_other_role_of_our_codes_changes_what_is_our_cpos(town: Town, name: str) -> None:
    for module in ("locations", "tariffs"):
        own = made(module, OURS)
        stored = await town.admin.put(f"/admin/{module}/NL/TNM/X1", content=encode(own))
        assert stored.status_code == 201, stored.text
        other = {**own, "last_updated": LATER}
        for to in (HUB, None):
            answer = await town.peers[name].send("PUT", at(module, OURS), other, to=to)
            assert codes_of(answer) == (404, 2000), answer.text
        gone = await town.peers[name].send("DELETE", at(module, OURS), to=HUB)
        assert codes_of(gone) == ((404, 2000) if module == "tariffs" else (200, 2001))
        kept = (await town.admin.get(f"/admin/{module}/NL/TNM/X1")).json()
        assert kept["last_updated"] != LATER


@pytest.mark.req("CO-06", "CO-02")
@pytest.mark.threat("TA-05")
async def test_of_two_partners_with_the_same_codes_each_owns_what_is_of_its_role(
    town: Town,
) -> None:
    owners = {"locations": "split_cpo", "tariffs": "split_cpo", "tokens": "split_emsp"}
    for module, owner in owners.items():
        document = made(module, SPLIT)
        answer = await town.peers[owner].send("PUT", at(module, SPLIT), document, to=HUB)
        assert codes_of(answer) == (201, 1000), answer.text
        later = {**document, "last_updated": LATER}
        for other in {"split_cpo", "split_emsp", "split_nsp"} - {owner}:
            answer = await town.peers[other].send("PUT", at(module, SPLIT), later, to=HUB)
            assert codes_of(answer) == (404, 2000), answer.text
        reader = town.cpo1 if module == "tokens" else town.emsp1
        (kept,) = await listed(reader, module)
        assert kept["last_updated"] != LATER


OFFERS = [
    (PlatformID.CPO, "EMSP", "NSP", "tokens", CPO1),
    (PlatformID.HUB, "EMSP", "NSP", "tokens", CPO1),
    (PlatformID.HUB, "CPO", "NAP", "locations", EMSP1),
]


@pytest.mark.req("CO-06", "RT-28", "RT-36")
@pytest.mark.parametrize(("platform", "offered", "role", "module", "reader"), OFFERS)
async def test_an_offer_of_a_role_to_another_vendor_takes_nothing_from_who_plays_one_already(
    database_url: str, platform: PlatformID, offered: str, role: str, module: str, reader: Member
) -> None:
    player = Member("player", ((role, SPLIT),), BOTH_SIDES)
    async with open_town(database_url, (player, reader)) as town:
        await add_partner(town.context, "vendor", platform, [(offered, SPLIT)])
        answer = await town.player.send("PUT", at(module, SPLIT), made(module, SPLIT), to=HUB)
        assert codes_of(answer) == (201, 1000), answer.text
        peer = town.peers[reader.name]
        assert len(await listed(peer, module)) == 1
        async with pushing(town):
            await until(lambda: bool(peer.of(module)))


@pytest.mark.req("CO-06", "RT-28", "RT-36")
async def test_a_role_of_its_own_that_is_not_presented_takes_nothing_from_a_party(
    sqlite_url: str,
) -> None:
    two = Member("two", (("NSP", SPLIT), ("EMSP", SPLIT)), EMSP_SIDE)
    async with open_town(sqlite_url, (CPO1, two)) as town:
        async with town.context.database.write() as db:
            unnamed = update(PartnerRole).where(col(PartnerRole.role) == "EMSP")
            await db.exec(unnamed.values(business_details=JSON.NULL))
        answer = await town.two.send("PUT", at("tokens", SPLIT), made("tokens", SPLIT), to=HUB)
        assert codes_of(answer) == (201, 1000), answer.text
        assert len(await listed(town.cpo1, "tokens")) == 1


@pytest.mark.req("CO-06")
async def test_who_is_suspended_still_owns_and_who_has_left_does_not(town: Town) -> None:
    token, url = made("tokens", SPLIT), at("tokens", SPLIT)
    await town.set_partner("split_emsp", suspended=True)
    assert codes_of(await town.split_nsp.send("PUT", url, token, to=HUB)) == (404, 2000)
    async with town.context.database.write() as db:
        await retire(db, await find_partner(db, "split_emsp", lock=True))
    assert codes_of(await town.split_nsp.send("PUT", url, token, to=HUB)) == (201, 1000)
    assert len(await listed(town.cpo1, "tokens")) == 1


@pytest.mark.req("CO-06", "RT-28")
async def test_a_cpo_has_no_tokens_that_are_good_anywhere(town: Town) -> None:
    token = made("tokens", CPO1.party, valid=True, whitelist="ALWAYS")
    for to in (HUB, OURS, CPO2.party, None):
        answer = await town.cpo1.send("PUT", at("tokens", CPO1.party), token, to=to)
        assert codes_of(answer) == (404, 2000)
        said = envelope_of(answer)["status_message"]
        assert "country_code, party_id: BE*BEC is CPO on this connection" in said
        assert "EMSP, NSP, OTHER" in said
    asked = await town.admin.post("/admin/authorize", json={"uid": "X1"})
    assert asked.json()["allowed"] == "UNKNOWN"
    assert not town.cpo2.seen


@pytest.mark.req("CO-06")
@pytest.mark.threat("TA-05")
async def test_our_cpo_platform_takes_tokens_of_who_has_drivers_alone(database_url: str) -> None:
    platform, url = PlatformID.CPO, f"/ocpi/cpo/2.2.1/{at('tokens', SPLIT)}"
    members = [
        Member(role.lower(), ((role, SPLIT),), EMSP_SIDE, platform)
        for role in ("CPO", "NSP", "EMSP")
    ]
    async with open_town(database_url, members, ours=(OURS,)) as town:
        token = made("tokens", SPLIT, valid=True, whitelist="ALWAYS")
        for name in ("cpo", "nsp"):
            answer = await town.peers[name].send("PUT", url, token)
            assert codes_of(answer) == (404, 2000)
            assert codes_of(await town.peers[name].send("GET", url)) == (404, 2000)
        assert codes_of(await town.emsp.send("PUT", url, token)) == (201, 1000)
        stop = {"response_url": "https://{}.example/r", "session_id": "S1"}
        where = "/ocpi/cpo/2.2.1/receiver/commands/STOP_SESSION"
        answer = await town.cpo.send("POST", where, stop)
        assert codes_of(answer) == (200, 2001)
        assert "OCPI-from: IT*XYZ is CPO" in envelope_of(answer)["status_message"]


async def test_a_cpos_token_that_was_taken_before_is_good_for_nothing(town: Town) -> None:
    token = made("tokens", SPLIT, valid=True, whitelist="ALWAYS")
    answer = await town.split_emsp.send("PUT", at("tokens", SPLIT), token, to=HUB)
    assert codes_of(answer) == (201, 1000), answer.text
    for name in ("split_emsp", "split_nsp"):
        async with town.context.database.write() as db:
            partner = (await db.exec(select(Partner).where(Partner.name == name))).one()
            await db.exec(delete(PartnerRole).where(col(PartnerRole.partner_id) == partner.id))
    asked = await town.admin.post("/admin/authorize", json={"uid": "X1"})
    assert asked.json()["allowed"] != "ALLOWED"
    assert not await listed(town.cpo1, "tokens")
    async with pushing(town):
        await asyncio.sleep(0.3)
    assert not town.cpo2.of("receiver/tokens")


@pytest.mark.req("CO-06", "RT-28")
@pytest.mark.parametrize("module", ["locations", "tariffs", "sessions", "cdrs"])
async def test_an_emsp_has_none_of_what_is_a_cpos(town: Town, module: str) -> None:
    document = made(module, EMSP1.party, **_driver(module))
    for to in (HUB, EMSP2.party, OURS, None):
        if module == "cdrs":
            answer = await town.emsp1.send("POST", "receiver/cdrs", document, to=to)
        else:
            answer = await town.emsp1.send("PUT", at(module, EMSP1.party), document, to=to)
        # Of Sessions and CDRs the hub itself is told none, whoever has them (RT-26).
        never = to == HUB and module in ("sessions", "cdrs")
        assert codes_of(answer) == ((200, 2001) if never else (404, 2000))
    assert not [peer for peer in town.peers.values() if peer.seen]
    if module in FOR_ALL:
        assert not await listed(town.emsp2, module)


def _driver(module: str) -> dict[str, Any]:
    """Give whose driver a Session or a CDR is of."""
    paid = module in ("sessions", "cdrs")
    return {"cdr_token": samples.cdr_token(**of(EMSP2.party))} if paid else {}


# The place of the response_url is the sender's own.
ASKED = [
    ("POST", "receiver/commands/START_SESSION", {"response_url": "https://{}.example/r"}),
    ("PUT", "receiver/chargingprofiles/S1", {"response_url": "https://{}.example/r"}),
    ("DELETE", "receiver/chargingprofiles/S1?response_url=https://{}.example/r", None),
    ("PUT", "sender/sessions/S1/charging_preferences", {}),
    ("GET", "sender/sessions", None),
    ("GET", "sender/cdrs", None),
]


@pytest.mark.req("RT-05", "RT-08")
@pytest.mark.threat("TA-06")
@pytest.mark.parametrize(("method", "path", "body"), ASKED, ids=[row[1] for row in ASKED])
async def test_what_is_of_drivers_is_asked_for_by_who_has_some(
    town: Town, method: str, path: str, body: Any
) -> None:
    for to in (CPO2.party, OURS):
        answer = await town.cpo1.send(method, path.format("cpo1"), body, to=to)
        assert codes_of(answer) == (200, 2001)
        said = envelope_of(answer)["status_message"]
        assert said.startswith("OCPI-from: BE*BEC is CPO on this connection")
    assert not town.cpo2.seen
    for name in ("emsp1", "split_emsp", "split_nsp", "nap"):
        url = {each: place.format(name) for each, place in (body or {}).items()}
        sent = None if body is None else url
        answer = await town.peers[name].send(method, path.format(name), sent, to=CPO2.party)
        assert codes_of(answer) == (200, 1000), answer.text
    assert len(town.cpo2.seen) == 4


@pytest.mark.req("RT-42", "CD-05")
@pytest.mark.parametrize("module", ["sessions", "cdrs", "tokens", "commands"])
async def test_what_is_of_drivers_goes_to_no_connection_of_the_other_side(
    town: Town, module: str
) -> None:
    """A bill that the CPO of an eMSP's codes has taken is lost."""
    sides = ("split_cpo",) if module in ("tokens", "commands") else ("split_emsp", "split_nsp")
    async with town.context.database.write() as db:
        for name in sides:
            partner = (await db.exec(select(Partner).where(Partner.name == name))).one()
            lost = col(PartnerEndpoint.partner_id) == partner.id
            await db.exec(delete(PartnerEndpoint).where(lost))
    driver = {"cdr_token": samples.cdr_token(**of(SPLIT))}
    match module:
        case "sessions":
            sent = ("PUT", at(module, CPO1.party), made(module, CPO1.party, **driver))
        case "cdrs":
            sent = ("POST", "receiver/cdrs", made(module, CPO1.party, **driver))
        case "tokens":
            sent = ("PUT", at(module, EMSP1.party), made(module, EMSP1.party))
        case _:
            sent = ("POST", "receiver/commands/START_SESSION", {})
    sender = town.emsp1 if module in ("tokens", "commands") else town.cpo1
    assert codes_of(await sender.send(*sent, to=SPLIT)) == (200, 4000)
    for name in sides:
        await town.set_partner(name, suspended=True)
    assert codes_of(await sender.send(*sent, to=SPLIT)) == (200, 4003)
    assert not [peer for peer in town.peers.values() if peer.seen]


async def test_an_emsps_sessions_are_not_told_to_a_cpo_of_its_codes(town: Town) -> None:
    own = made("sessions", OURS, cdr_token=samples.cdr_token(**of(SPLIT)))
    stored = await town.admin.put("/admin/sessions/NL/TNM/X1", content=encode(own))
    assert stored.status_code == 201, stored.text
    since = "sender/sessions?date_from=2020-01-01T00:00:00Z"
    assert len(data_of(await town.split_emsp.send("GET", since, to=OURS))) == 1
    assert codes_of(await town.split_cpo.send("GET", since, to=OURS)) == (200, 2001)
    assert len(data_of(await town.split_emsp.send("GET", since, to=HUB))) == 1
    assert data_of(await town.split_cpo.send("GET", since, to=HUB)) == []


@pytest.mark.req("RT-28")
async def test_a_nap_shares_locations_with_those_that_hear_a_cpos(town: Town) -> None:
    document = made("locations", NAP.party)
    answer = await town.nap.send("PUT", at("locations", NAP.party), document, to=HUB)
    assert codes_of(answer) == (201, 1000), answer.text
    async with pushing(town):
        await until(lambda: bool(town.emsp1.of("locations") and town.split_nsp.of("locations")))
    assert not town.cpo1.of("locations")
    assert [each["party_id"] for each in await listed(town.emsp1, "locations")] == ["NAP"]


@pytest.mark.req("CO-06")
async def test_what_is_behind_a_hub_owns_what_is_of_its_announced_role(database_url: str) -> None:
    behind = Party("AT", "ONE")
    async with open_town(database_url, (CPO1, EMSP1, OTHER_HUB)) as town:
        info = {**of(behind), "role": "EMSP", "status": "CONNECTED"}
        assert (await town.hub2.send("PUT", "receiver/hubclientinfo/AT/ONE", info)).is_success
        for sender in (OTHER_HUB.party, behind):
            put = town.hub2.send
            token = await put("PUT", at("tokens", behind), made("tokens", behind), sender=sender)
            assert codes_of(token)[1] == 1000, token.text
            place = made("locations", behind)
            answer = await put("PUT", at("locations", behind), place, sender=sender)
            assert codes_of(answer) == (404, 2000)
        stop = {"response_url": "https://hub2.example/r", "session_id": "S1"}
        where = "receiver/commands/STOP_SESSION"
        for sender in (OTHER_HUB.party, behind):
            answer = await town.hub2.send("POST", where, stop, to=CPO1.party, sender=sender)
            assert codes_of(answer) == (200, 1000), answer.text


@pytest.mark.req("RT-04")
async def test_a_hub_without_from_headers_pushes_what_is_of_who_is_behind_it(
    database_url: str,
) -> None:
    """It has one party and one role itself; who speaks is the hub then, as in its broadcasts."""
    behind = Party("AT", "ONE")
    async with open_town(database_url, (EMSP1, OTHER_HUB)) as town:
        info = {**of(behind), "role": "CPO", "status": "CONNECTED"}
        assert (await town.hub2.send("PUT", "receiver/hubclientinfo/AT/ONE", info)).is_success
        url = f"/ocpi/hub/2.2.1/{at('locations', behind)}"
        body = encode(made("locations", behind))
        answer = await town.hub2.http.put(url, content=body, headers=routing_headers(HUB, None))
        assert codes_of(answer) == (201, 1000), answer.text
        assert routing_of(answer) == swapped(OTHER_HUB.party, HUB)
        (kept,) = await listed(town.emsp1, "locations")
        assert kept["party_id"] == "ONE"
