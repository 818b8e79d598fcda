"""Whose Tokens are good at our stations, where a hub stands between us and their eMSPs."""

from collections.abc import AsyncIterator

import httpx
import pytest
from sqlmodel import select

from ocpi.agreements import Agreement
from ocpi.directory import AnnouncedParty
from ocpi.headers import Party, read_routing
from ocpi.parties import Partner, PlatformID
from tests.house import OURS
from tests.modules.tokens.world import World, open_world, token

XYZ = Party("FR", "XYZ")


@pytest.fixture
async def each_world(database_url: str) -> AsyncIterator[World]:
    async with open_world(database_url) as opened:
        yield opened


async def announce(world: World, *parties: tuple[Party, str]) -> None:
    """Have the partner "town", a hub, announce eMSPs that stand so."""
    async with world.context.database.write() as db:
        partner = (await db.exec(select(Partner).where(Partner.name == "town"))).one()
        for party, status in parties:
            announced = AnnouncedParty(
                partner_id=partner.key,
                role="EMSP",
                party=party.key,
                country_code=party.country_code,
                party_id=party.party_id,
                status=status,
                last_updated=1,
            )
            db.add(announced)


async def agree(world: World, party: Party, *, allowed: bool) -> None:
    """Say whether a party and our CPO may talk to each other about Tokens."""
    async with world.context.database.write() as db:
        for one, other in ((OURS, party), (party, OURS)):
            rule = {"from_party": one.key, "to_party": other.key, "module": "tokens"}
            db.add(Agreement(**rule, allowed=allowed, created_at=1))


@pytest.mark.req("TK-16")
async def test_a_hub_that_was_not_told_whom_to_ask_does_not_know_the_token_by_4001(
    each_world: World,
) -> None:
    await each_world.connect(
        "town", [("HUB", Party("DE", "HUB"))], {"tokens": "http://town.test/t"}
    )
    await announce(each_world, (XYZ, "CONNECTED"))
    await each_world.store(token(XYZ, whitelist="ALLOWED_OFFLINE"))
    said = {"status_code": 4001, "timestamp": "2026-03-01T10:00:00Z"}
    asked = each_world.serve("town", lambda _request: httpx.Response(200, json=said))
    assert (await each_world.ask()).method == "WHITELIST"
    assert (await each_world.ask("STRANGER")).reason == "town does not know the Token."
    named = [read_routing(request.headers).to for request in asked]
    assert named == [XYZ, None]


async def test_a_hub_answers_for_the_parties_that_are_connected_to_it(each_world: World) -> None:
    hub, gone, other = Party("DE", "HUB"), Party("DE", "OFF"), Party("DE", "SUB")
    lists = {"tokens": "http://town.test/tokens"}
    await each_world.connect("town", [("HUB", hub)], lists)
    await announce(each_world, (XYZ, "CONNECTED"), (other, "CONNECTED"), (gone, "OFFLINE"))
    asked = each_world.serve("town", {"allowed": "ALLOWED", "token": token(other, uid="N")})
    always = token(XYZ, whitelist="ALWAYS")
    await each_world.store(always, token(gone, uid="G", whitelist="ALWAYS"))
    assert (await each_world.ask()).token == always
    assert asked == []
    assert (await each_world.ask("G")).allowed == "UNKNOWN"
    # Which of its parties a card is of, the hub may know better than what is stored.
    await each_world.store(token(XYZ, uid="N", whitelist="NEVER"))
    assert (await each_world.ask("N")).token == token(other, uid="N")


async def test_of_the_hubs_parties_only_those_count_that_may_talk_to_the_stations(
    database_url: str,
) -> None:
    over = {"hub_country_code": "NL", "hub_party_id": "HUB", "hub_is_open": True}
    async with open_world(database_url, **over) as world:
        await world.connect("far", [("EMSP", XYZ)], {}, platform=PlatformID.HUB)
        await world.store(token(XYZ, whitelist="ALWAYS"))
        assert (await world.ask()).allowed == "ALLOWED"
        async with world.context.database.write() as db:
            rule = {"from_party": "nl*tnm", "to_party": XYZ.key, "module": "tokens"}
            db.add(Agreement(**rule, allowed=False, created_at=1))
        assert (await world.ask()).allowed == "UNKNOWN"


@pytest.mark.req("RT-38", "TK-19")
@pytest.mark.parametrize("is_open", [False, True])
async def test_an_agreement_with_an_emsp_behind_a_hub_needs_none_with_the_hub(
    database_url: str, *, is_open: bool
) -> None:
    """Agreements are about parties: the hub in between may be denied, or not be spoken of."""
    hub, other = Party("DE", "HUB"), Party("DE", "SUB")
    over = {"hub_country_code": "NL", "hub_party_id": "HUB"}
    agreements = "open" if is_open else "closed"
    async with open_world(database_url, **over, hub_agreements=agreements) as world:
        lists = {"tokens": "http://town.test/tokens"}
        await world.connect("town", [("HUB", hub)], lists, platform=PlatformID.HUB)
        await announce(world, (XYZ, "CONNECTED"), (other, "CONNECTED"))
        await agree(world, XYZ, allowed=True)
        for party in (hub, other):
            await agree(world, party, allowed=False)
        always = token(XYZ, whitelist="ALWAYS")
        await world.store(always, token(other, uid="O", whitelist="ALWAYS"))
        assert (await world.ask()).token == always
        assert (await world.ask("O")).allowed == "UNKNOWN"
        never = token(XYZ, uid="N", whitelist="NEVER")
        await world.store(never)
        for uid in ("N", "STRANGE"):
            told = {**never, "uid": uid}
            asked = world.serve("town", {"allowed": "ALLOWED", "token": told})
            assert (await world.ask(uid)).token == told
            # The hub is told whom to ask, so that nobody else behind it is.
            assert [read_routing(each.headers).to for each in asked] == [XYZ]
        world.serve("town", {"allowed": "ALLOWED", "token": token(other, uid="STRANGER")})
        assert (await world.ask("STRANGER")).allowed == "UNKNOWN"


async def test_of_those_behind_a_hub_only_so_many_are_asked_by_name(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modules.tokens.issuers.MOST_BY_NAME", 2)
    over = {"hub_country_code": "NL", "hub_party_id": "HUB"}
    async with open_world(database_url, **over) as world:
        lists = {"tokens": "http://town.test/tokens"}
        hub = Party("DE", "HUB")
        await world.connect("town", [("HUB", hub)], lists, platform=PlatformID.HUB)
        await announce(world, *((Party("DE", f"SU{n}"), "CONNECTED") for n in range(4)))
        await agree(world, hub, allowed=False)
        asked = world.serve("town", b"")
        await world.ask("STRANGE")
        assert len(asked) == 2
