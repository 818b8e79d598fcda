"""Whose Tokens are good at our stations, where a hub stands between us and their eMSPs."""

from collections.abc import AsyncIterator

import pytest
from sqlmodel import select

from ocpi.agreements import Agreement
from ocpi.directory import AnnouncedParty
from ocpi.headers import Party
from ocpi.parties import Partner, PlatformID
from tests.modules.tokens.world import World, open_world, token

XYZ = Party("FR", "XYZ")


@pytest.fixture
async def each_world(database_url: str) -> AsyncIterator[World]:
    async with open_world(database_url) as opened:
        yield opened


async def test_a_hub_answers_for_the_parties_that_are_connected_to_it(each_world: World) -> None:
    hub, gone, other = Party("DE", "HUB"), Party("DE", "OFF"), Party("DE", "SUB")
    lists = {"tokens": "http://town.test/tokens"}
    await each_world.connect("town", [("HUB", hub)], lists)
    async with each_world.context.database.write() as db:
        partner = (await db.exec(select(Partner).where(Partner.name == "town"))).one()
        for party, status in ((XYZ, "CONNECTED"), (other, "CONNECTED"), (gone, "OFFLINE")):
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
